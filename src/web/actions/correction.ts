import { type EngineClient, failureOf } from '../engine-client.ts';
import type { Store } from '../store.ts';
import type { Tool } from '../viewer.ts';
import type { ViewActions } from './view.ts';

/** Correcting the predicted mask in the viewer. */
export class CorrectionActions {
  readonly #client: EngineClient;
  readonly #store: Store;
  readonly #view: ViewActions;

  constructor(client: EngineClient, store: Store, view: ViewActions) {
    this.#client = client;
    this.#store = store;
    this.#view = view;
  }

  async start(): Promise<void> {
    await this.#attempt(async () => {
      const mask = await this.#client.call('drawing', null);
      await this.#view.withViewer(async (viewer) => await viewer.startDrawing(mask));
      await this.setTool('paint', 3);
    });
  }

  async setTool(tool: Tool, size: number): Promise<void> {
    this.#store.set({ correcting: { tool, size } });
    await this.#view.withViewer((viewer) => viewer.setTool(tool, size));
  }

  async undo(): Promise<void> {
    await this.#view.withViewer((viewer) => viewer.undo());
  }

  /** Makes what was drawn the result. */
  async finish(): Promise<void> {
    await this.#attempt(async () => {
      const viewer = await this.#view.viewer;
      if (!viewer) return;
      const result = await this.#client.call('correct', await viewer.drawing());
      await this.leave();
      await this.#view.showResult(result);
    });
  }

  /** Takes a part out of the result. */
  async removePart(number: number): Promise<void> {
    await this.#attempt(async () => {
      await this.#view.showResult(await this.#client.call('removePart', number));
    });
  }

  /** Takes a finished correction back. */
  async drop(): Promise<void> {
    await this.#attempt(async () => {
      await this.#view.showResult(await this.#client.call('dropCorrection', null));
    });
  }

  /** Ends it, if one is under way, without what was drawn. */
  async leave(): Promise<void> {
    if (!this.#store.state.correcting) return;
    this.#store.set({ correcting: null });
    await this.#view.withViewer((viewer) => viewer.endDrawing());
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#store.set({ runProblem: null });
    } catch (error) {
      this.#store.set({ runProblem: failureOf(error) });
    }
  }
}
