import { EngineCancelled, type EngineClient, failureOf } from '../engine-client.ts';
import type { Calls, LearningProgress } from '../protocol.ts';
import type { TuningState } from '../state.ts';
import type { Store } from '../store.ts';

/** The scans to learn from, and training the network on with them. */
export class LearningActions {
  readonly #client: EngineClient;
  readonly #store: Store;

  constructor(client: EngineClient, store: Store) {
    this.#client = client;
    this.#store = store;
  }

  /** Asks for, or changes, the scans to learn from and the run. */
  async change<Name extends 'learning' | 'keepScan' | 'setUse' | 'forgetScan' | 'discardTuning'>(
    call: Name,
    ask: Calls[Name]['ask'],
  ): Promise<void> {
    try {
      this.#store.set({ learning: await this.#client.call(call, ask), learningProblem: null });
    } catch (error) {
      this.#store.set({ learningProblem: failureOf(error) });
    }
  }

  /** Trains the network on; or goes on with the run that is paused; or ends that with what it learned. */
  async tune<Name extends 'fineTune' | 'resumeTuning' | 'finishTuning'>(
    call: Name,
    ask: Calls[Name]['ask'],
  ): Promise<void> {
    const controller = new AbortController();
    const run = this.#store.state.learning?.run;
    const goesOn = call !== 'fineTune' && run != null;
    let tuning: TuningState = {
      steps: goesOn ? run.steps : (ask as Calls['fineTune']['ask']).steps,
      losses: goesOn ? run.losses : [],
      phase: null,
      note: null,
      controller,
    };
    const show = (change: Partial<TuningState>): void => {
      tuning = { ...tuning, ...change };
      this.#store.set({ tuning });
    };
    this.#store.set({ tuning, learningProblem: null });
    try {
      const { model, learning } = await this.#client.call(call, ask, {
        signal: controller.signal,
        onProgress: (told: LearningProgress) => {
          if (told.phase === 'step')
            show({ losses: [...tuning.losses.slice(0, told.step - 1), told.loss], phase: null });
          else if (told.phase === 'note') show({ note: told.text });
          else show({ phase: { name: told.phase, share: told.done / told.total } });
        },
      });
      const keptModels = await this.#client.call('keptModels', null);
      this.#store.set({ model, modelFile: null, keptModels, learning, tuning: null });
    } catch (error) {
      await this.change('learning', null);
      const failed = error instanceof EngineCancelled ? null : failureOf(error);
      this.#store.set({ tuning: null, learningProblem: failed ?? this.#store.state.learningProblem });
    }
    this.#store.set({ system: await this.#client.call('system', null) });
  }

  pause(): void {
    this.#store.state.tuning?.controller.abort();
  }
}
