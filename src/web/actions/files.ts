import type { FileRole } from '../../imaging/dataset/file-role.ts';
import { type EngineClient, failureOf } from '../engine-client.ts';
import type { DroppedFile, FilesReport } from '../protocol.ts';
import type { Store } from '../store.ts';
import type { CorrectionActions } from './correction.ts';
import type { ViewActions } from './view.ts';

const PHANTOM_SEED = 11;

/** Which files make the scan, and what each is. */
export class FileActions {
  readonly #client: EngineClient;
  readonly #store: Store;
  readonly #view: ViewActions;
  readonly #correction: CorrectionActions;

  constructor(client: EngineClient, store: Store, view: ViewActions, correction: CorrectionActions) {
    this.#client = client;
    this.#store = store;
    this.#view = view;
    this.#correction = correction;
  }

  async add(files: readonly DroppedFile[]): Promise<void> {
    await this.#change(() => this.#client.call('addFiles', files));
  }

  async usePhantom(): Promise<void> {
    await this.#change(() => this.#client.call('usePhantom', { seed: PHANTOM_SEED }));
  }

  async chooseScan(name: string): Promise<void> {
    await this.#change(() => this.#client.call('chooseScan', name));
  }

  async setRole(path: string, role: FileRole | null): Promise<void> {
    await this.#change(() => this.#client.call('setRole', { path, role }));
  }

  async remove(path: string): Promise<void> {
    await this.#change(() => this.#client.call('removeFile', path));
  }

  async clear(): Promise<void> {
    await this.#change(() => this.#client.call('clearFiles', null));
  }

  async #change(change: () => Promise<FilesReport>): Promise<void> {
    this.#store.set({ reading: true, filesProblem: null });
    try {
      const files = await change();
      await this.#correction.leave();
      this.#store.set({
        files,
        reading: false,
        result: null,
        runProblem: null,
        selectedLesion: null,
        learningProblem: null,
      });
      await this.#view.showFirstImage(files);
    } catch (error) {
      this.#store.set({ reading: false, filesProblem: failureOf(error) });
    }
  }
}
