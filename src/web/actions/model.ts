import { MODEL_LIST_FILE, parseModelList } from '../../engine/checkpoint/model-list.ts';
import { type EngineClient, EngineFailure, failureOf } from '../engine-client.ts';
import { problem } from '../problem.ts';
import type { FilesReport, ModelReport } from '../protocol.ts';
import type { Store } from '../store.ts';

/** Which network segments: a listed one, one of the user's own, or one that was trained in this browser. */
export class ModelActions {
  readonly #client: EngineClient;
  readonly #store: Store;

  constructor(client: EngineClient, store: Store) {
    this.#client = client;
    this.#store = store;
  }

  /** Finds out which there are to choose from. @throws EngineFailure where the list cannot be had; as parseModelList. */
  async list(): Promise<void> {
    const models = parseModelList(await (await fetchFile(MODEL_LIST_FILE)).text(), MODEL_LIST_FILE);
    this.#store.set({ models, keptModels: await this.#client.call('keptModels', null) });
  }

  async loadListed(file: string): Promise<void> {
    const listed = this.#store.state.models.find((model) => model.file === file);
    const fetched = async (path: string): Promise<ArrayBuffer> => await (await fetchFile(path)).arrayBuffer();
    await this.#load(listed?.name ?? file, file, () => fetched(file), listed?.note);
    const { stageOne } = listed ?? {};
    if (stageOne && this.#store.state.modelFile === file)
      await this.loadStageOne(stageOne, () => fetched(stageOne));
  }

  async loadOwn(file: File): Promise<void> {
    await this.#load(file.name, null, async () => await file.arrayBuffer());
  }

  /** The net whose lesions correct the tissue maps that are made for the loaded one. */
  async loadStageOne(name: string, read: () => Promise<ArrayBuffer>): Promise<void> {
    try {
      const bytes = new Uint8Array(await read());
      const model = await this.#client.call('loadStageOne', { name, bytes });
      this.#store.set({ model, modelProblem: null });
    } catch (error) {
      this.#store.set({ modelProblem: failureOf(error) });
    }
  }

  /** A network that was trained in this browser before. */
  async loadKept(name: string): Promise<void> {
    await this.#take(null, () => this.#client.call('loadKeptModel', name));
  }

  async forget(name: string): Promise<void> {
    try {
      this.#store.set({ keptModels: await this.#client.call('forgetModel', name), runProblem: null });
    } catch (error) {
      this.#store.set({ runProblem: failureOf(error) });
    }
  }

  async #load(
    name: string,
    file: string | null,
    read: () => Promise<ArrayBuffer>,
    note?: string,
  ): Promise<void> {
    await this.#take(file, async () => {
      const bytes = new Uint8Array(await read());
      return await this.#client.call('loadModel', { name, bytes, note });
    });
  }

  async #take(
    file: string | null,
    load: () => Promise<{ model: ModelReport; files: FilesReport }>,
  ): Promise<void> {
    try {
      const { model, files } = await load();
      this.#store.set({ model, modelFile: file, modelProblem: null });
      if (this.#store.state.files) this.#store.set({ files });
    } catch (error) {
      // The model that was loaded before stays.
      this.#store.set({ modelProblem: failureOf(error) });
    }
  }
}

/** @throws EngineFailure where the page's own server does not have the file. */
async function fetchFile(file: string): Promise<Response> {
  const response = await fetch(file).catch(() => undefined);
  if (response?.ok) return response;
  throw new EngineFailure(
    problem(`the file ${file} could not be loaded`, 'Reload the page, or use your own model.'),
  );
}
