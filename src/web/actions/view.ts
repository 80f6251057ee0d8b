import { MODALITY_ROLES } from '../../imaging/dataset/file-role.ts';
import { type EngineClient, failureOf } from '../engine-client.ts';
import { problem, problemOf } from '../problem.ts';
import type { FilesReport, ResultReport } from '../protocol.ts';
import type { ViewState } from '../state.ts';
import type { Store } from '../store.ts';
import type { OverlayParts, Viewer, ViewLayout } from '../viewer.ts';

/** What the viewer shows, and how: an image of the scan, the result over it, the crosshair. */
export class ViewActions {
  readonly #client: EngineClient;
  readonly #store: Store;
  #viewer: Promise<Viewer> | undefined;

  constructor(client: EngineClient, store: Store) {
    this.#client = client;
    this.#store = store;
  }

  /** Loads a canvas with NiiVue, which comes only now. */
  attach(canvas: HTMLCanvasElement): void {
    this.#viewer ??= import('../viewer.ts').then(
      async ({ Viewer }) => await Viewer.create(canvas, (crosshair) => this.#set({ crosshair })),
    );
  }

  /** The viewer, once there is a canvas for it. */
  get viewer(): Promise<Viewer> | undefined {
    return this.#viewer;
  }

  /** Does something with the viewer, if there is one; where it fails, the page says so. */
  async withViewer(work: (viewer: Viewer) => Promise<void> | void): Promise<void> {
    try {
      const viewer = await this.#viewer;
      if (viewer) await work(viewer);
      this.#store.set({ viewProblem: null });
    } catch (error) {
      const { message } = problemOf(error);
      this.#store.set({
        viewProblem: problem(`The scan cannot be shown: ${message}`, 'The viewer needs WebGL 2.'),
      });
    }
  }

  #set(change: Partial<ViewState>): void {
    const { view } = this.#store.state;
    if (view) this.#store.set({ view: { ...view, ...change } });
  }

  /** Shows a scan that has changed, without the result that was over it. */
  async showFirstImage(files: FilesReport): Promise<void> {
    const images = shownImages(files);
    const same = images.find(({ path }) => path === this.#store.state.view?.image);
    const first = images[0];
    if (!first) this.#store.set({ view: null });
    await this.withViewer(async (viewer) => await viewer.showOverlay(null));
    if (first && (!same || files.scans.length > 0)) await this.showImage(first.path);
  }

  async showImage(path: string): Promise<void> {
    try {
      const bytes = await this.#client.call('image', path);
      const old = this.#store.state.view;
      // Drawn first, so that the canvas is there for the viewer.
      this.#store.set({
        view: {
          image: path,
          layout: old?.layout ?? 'planes',
          window: [0, 1],
          range: [0, 1],
          voxel: [1, 1, 1],
          opacity: old?.opacity ?? 0.85,
          parts: old?.parts ?? { truth: true, prediction: true },
          crosshair: null,
          said: '',
        },
      });
      await this.withViewer(async (viewer) => {
        this.#set(await viewer.showImage(bytes));
        viewer.setLayout(this.#store.state.view?.layout ?? 'planes');
      });
    } catch (error) {
      this.#store.set({ viewProblem: failureOf(error) });
    }
  }

  /** Shows a result, in numbers and over the image. */
  async showResult(result: ResultReport): Promise<void> {
    this.#store.set({ result, selectedLesion: null });
    await this.withViewer(async (viewer) => await viewer.showOverlay(result.overlay));
  }

  async showLesion(number: number): Promise<void> {
    const lesion = this.#store.state.result?.lesions.find((each) => each.number === number);
    if (!lesion) return;
    this.#store.set({ selectedLesion: number });
    await this.withViewer((viewer) => viewer.moveTo(lesion.place));
  }

  /** Goes to the next part of the result, or to the one before; round again at the ends. */
  async stepLesion(by: 1 | -1): Promise<void> {
    const { result, selectedLesion } = this.#store.state;
    const count = result?.lesions.length ?? 0;
    if (count === 0) {
      this.say('There is nothing found to go to.');
      return;
    }
    const number =
      selectedLesion === null ? (by > 0 ? 1 : count) : ((selectedLesion - 1 + by + count) % count) + 1;
    await this.showLesion(number);
    this.say(`Number ${number} of ${count}`);
  }

  async setWindow(window: readonly [number, number]): Promise<void> {
    this.#set({ window });
    await this.withViewer((viewer) => viewer.setWindow(window));
  }

  async setOverlay(opacity: number, parts: OverlayParts): Promise<void> {
    this.#set({ opacity, parts });
    await this.withViewer((viewer) => viewer.setOverlay(opacity, parts));
  }

  async setLayout(layout: ViewLayout): Promise<void> {
    this.#set({ layout });
    await this.withViewer((viewer) => viewer.setLayout(layout));
  }

  /** Lets screen readers say what came of a key. */
  say(said: string): void {
    this.#set({ said });
  }
}

/** Images of the scan that can be shown. */
export function shownImages(files: FilesReport): FilesReport['files'] {
  return files.files.filter(
    ({ role, detail }) => role !== null && detail !== '' && MODALITY_ROLES.includes(role),
  );
}
