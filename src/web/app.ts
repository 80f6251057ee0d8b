import { StorageError } from '../core/errors.ts';
import { CorrectionActions } from './actions/correction.ts';
import { FileActions } from './actions/files.ts';
import { LearningActions } from './actions/learning.ts';
import { ModelActions } from './actions/model.ts';
import { RunActions } from './actions/run.ts';
import { ViewActions } from './actions/view.ts';
import { type EngineClient, failureOf } from './engine-client.ts';
import { doKey, type KeyAction } from './keys.ts';
import type { Download, DroppedFile } from './protocol.ts';
import { isBusy, type State } from './state.ts';
import { Store } from './store.ts';

/** What the page does: the actions of its panels, and those that concern several of them. */
export class App {
  readonly files: FileActions;
  readonly model: ModelActions;
  readonly run: RunActions;
  readonly view: ViewActions;
  readonly correction: CorrectionActions;
  readonly learning: LearningActions;
  readonly #client: EngineClient;
  readonly #store: Store;

  /** @param render draws a state; called once a change, never nested */
  constructor(client: EngineClient, render: (state: State) => void) {
    const store = new Store(render);
    this.#client = client;
    this.#store = store;
    this.view = new ViewActions(client, store);
    this.correction = new CorrectionActions(client, store, this.view);
    this.files = new FileActions(client, store, this.view, this.correction);
    this.model = new ModelActions(client, store);
    this.run = new RunActions(client, store, this.view, this.correction);
    this.learning = new LearningActions(client, store);
  }

  /** Opens the GPU and loads the first of the listed models. */
  async start(): Promise<void> {
    this.#store.set({});
    try {
      this.#store.set({ system: await this.#client.call('open', null) });
    } catch (error) {
      this.#store.set({ systemProblem: failureOf(error) });
      return;
    }
    try {
      await this.model.list();
      await this.learning.change('learning', null);
      const [first] = this.#store.state.models;
      if (first) await this.model.loadListed(first.file);
    } catch (error) {
      this.#store.set({ modelProblem: failureOf(error) });
    }
  }

  /** Takes up files and folders; a `model.safetensors` among them becomes the model. */
  async addFiles(dropped: readonly DroppedFile[]): Promise<void> {
    this.#store.set({ dragging: false });
    const model = dropped.find(({ path }) => path.endsWith('.safetensors'));
    if (model) await this.model.loadOwn(model.file);
    const others = dropped.filter(({ path }) => !path.endsWith('.safetensors'));
    if (others.length > 0) await this.files.add(others);
  }

  /** Takes up what was dropped, and says so where it cannot be read or holds nothing. */
  async addDropped(dropped: Promise<readonly DroppedFile[]>): Promise<void> {
    try {
      const files = await dropped;
      if (files.length === 0)
        throw new StorageError('what was dropped holds no files', {
          hint: 'Drop the images, or the folder that they lie in.',
        });
      await this.addFiles(files);
    } catch (error) {
      this.#store.set({ dragging: false, filesProblem: failureOf(error) });
    }
  }

  /** Does what a key on the image asks for. */
  async pressKey(action: KeyAction): Promise<void> {
    const { view, correcting, selectedLesion } = this.#store.state;
    if (!view) return;
    if (action.kind === 'lesion') {
      await this.view.stepLesion(action.by);
      return;
    }
    if (action.kind === 'remove') {
      await this.#removeSelected(selectedLesion);
      return;
    }
    // The tools show what the key draws with.
    if (correcting && action.kind === 'draw') await this.correction.setTool(action.tool, correcting.size);
    await this.view.withViewer((viewer) =>
      this.view.say(doKey(viewer, action, view.layout, correcting !== null)),
    );
  }

  async #removeSelected(number: number | null): Promise<void> {
    if (isBusy(this.#store.state)) this.view.say('Finish what is under way first.');
    else if (number === null) this.view.say('Choose a lesion first: N goes to the next one.');
    else {
      await this.correction.removePart(number);
      this.view.say(`Removed number ${number}`);
    }
  }

  /** Hands a file to the browser's downloads. */
  async save(what: Download): Promise<void> {
    try {
      const { name, type, bytes } = await this.#client.call('save', what);
      const url = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>], { type }));
      const link = Object.assign(document.createElement('a'), { href: url, download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      this.#store.set({ runProblem: failureOf(error) });
    }
  }

  setDragging(dragging: boolean): void {
    if (dragging !== this.#store.state.dragging) this.#store.set({ dragging });
  }
}
