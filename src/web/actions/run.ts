import { EngineCancelled, type EngineClient, failureOf } from '../engine-client.ts';
import type { ReviewAsk } from '../protocol.ts';
import type { Store } from '../store.ts';
import { TileClock } from '../tile-clock.ts';
import type { CorrectionActions } from './correction.ts';
import type { ViewActions } from './view.ts';

/** Overlap of the sliding window: half of nnU-Net's, a third of its time; the difference is at the borders. */
const OVERLAP = 0.25;

/** Segmenting the scan, and looking at the result at other thresholds. */
export class RunActions {
  readonly #client: EngineClient;
  readonly #store: Store;
  readonly #view: ViewActions;
  readonly #correction: CorrectionActions;
  #review: ReturnType<typeof setTimeout> | undefined;

  constructor(client: EngineClient, store: Store, view: ViewActions, correction: CorrectionActions) {
    this.#client = client;
    this.#store = store;
    this.#view = view;
    this.#correction = correction;
  }

  /** @param trustBrain take the brain as it is found even if it looks like a whole head */
  async segment(trustBrain = false): Promise<void> {
    if (this.#store.state.run) return;
    await this.#correction.leave();
    const controller = new AbortController();
    this.#store.set({ run: { progress: null, secondsLeft: null, controller }, runProblem: null });
    const clock = new TileClock();
    try {
      const result = await this.#client.call(
        'segment',
        { overlap: OVERLAP, trustBrain },
        {
          signal: controller.signal,
          onProgress: (progress) =>
            this.#store.set({ run: { progress, secondsLeft: clock.left(progress), controller } }),
        },
      );
      this.#store.set({ run: null });
      await this.#view.showResult(result);
      // The largest lesion, so that something of the result is seen.
      if (result.lesions.length > 0) await this.#view.showLesion(1);
      this.#store.set({ system: await this.#client.call('system', null) });
    } catch (error) {
      const runProblem = error instanceof EngineCancelled ? null : failureOf(error);
      this.#store.set({ run: null, runProblem });
    }
  }

  cancel(): void {
    this.#store.state.run?.controller.abort();
  }

  /** The last result at another threshold, a moment after the slider rests. */
  setThreshold(threshold: number): void {
    clearTimeout(this.#review);
    this.#review = setTimeout(() => void this.#reviewAt({ threshold }), 120);
  }

  /** The last result without parts whose longest diameter in mm is smaller. */
  setMinDiameter(minDiameter: number): void {
    clearTimeout(this.#review);
    if (Number.isFinite(minDiameter) && minDiameter >= 0) void this.#reviewAt({ minDiameter });
  }

  /** Another label of the last result. */
  setLabel(label: string): void {
    clearTimeout(this.#review);
    void this.#reviewAt({ label });
  }

  async #reviewAt(ask: ReviewAsk): Promise<void> {
    try {
      await this.#view.showResult(await this.#client.call('review', ask));
    } catch (error) {
      this.#store.set({ runProblem: failureOf(error) });
    }
  }
}
