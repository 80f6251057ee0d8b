import { INITIAL_STATE, type State } from './state.ts';

/** Holds what the page shows. All actions change it here, and each change is drawn. */
export class Store {
  readonly #render: (state: State) => void;
  #state: State = INITIAL_STATE;

  /** @param render draws a state; called once a change, never nested */
  constructor(render: (state: State) => void) {
    this.#render = render;
  }

  get state(): State {
    return this.#state;
  }

  set(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    this.#render(this.#state);
  }
}
