import { MODEL_LIST_FILE, parseModelList } from '../checkpoint/model-list.ts';
import { type FileRole, MODALITY_ROLES } from '../dataset/file-role.ts';
import { EngineCancelled, type EngineClient, EngineFailure } from './engine-client.ts';
import { doKey, type KeyAction } from './keys.ts';
import { problem, problemOf } from './problem.ts';
import type {
  Calls,
  Download,
  DroppedFile,
  FilesReport,
  LearningProgress,
  ModelReport,
  Problem,
  ResultReport,
} from './protocol.ts';
import { INITIAL_STATE, type State, type TuningState, type ViewState } from './state.ts';
import { TileClock } from './tile-clock.ts';
import type { OverlayParts, Tool, Viewer, ViewLayout } from './viewer.ts';

/** Overlap of the sliding window: half of nnU-Net's, a third of its time; the difference is at the borders. */
const OVERLAP = 0.25;
const PHANTOM_SEED = 11;

/** What the page does: its state, and the actions that change it. */
export class App {
  readonly #client: EngineClient;
  readonly #render: (state: State) => void;
  #state: State = INITIAL_STATE;
  #viewer: Promise<Viewer> | undefined;
  #review: ReturnType<typeof setTimeout> | undefined;

  /** @param render draws a state; called once a change, never nested */
  constructor(client: EngineClient, render: (state: State) => void) {
    this.#client = client;
    this.#render = render;
  }

  get state(): State {
    return this.#state;
  }

  #set(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    this.#render(this.#state);
  }

  /** Opens the GPU and loads the first of the listed models. */
  async start(): Promise<void> {
    this.#set({});
    try {
      this.#set({ system: await this.#client.call('open', null) });
    } catch (error) {
      this.#set({ systemProblem: failureOf(error) });
      return;
    }
    try {
      const models = parseModelList(await (await fetchFile(MODEL_LIST_FILE)).text(), MODEL_LIST_FILE);
      this.#set({ models, keptModels: await this.#client.call('keptModels', null) });
      await this.changeLearning('learning', null);
      if (models[0]) await this.loadListedModel(models[0].file);
    } catch (error) {
      this.#set({ modelProblem: failureOf(error) });
    }
  }

  /** Takes up files and folders; a `model.safetensors` among them becomes the model. */
  async addFiles(dropped: readonly DroppedFile[]): Promise<void> {
    this.#set({ dragging: false });
    const model = dropped.find(({ path }) => path.endsWith('.safetensors'));
    if (model) await this.loadOwnModel(model.file);
    const others = dropped.filter(({ path }) => !path.endsWith('.safetensors'));
    if (others.length > 0) await this.#changeFiles(() => this.#client.call('addFiles', others));
  }

  async usePhantom(): Promise<void> {
    await this.#changeFiles(() => this.#client.call('usePhantom', { seed: PHANTOM_SEED }));
  }

  async chooseScan(name: string): Promise<void> {
    await this.#changeFiles(() => this.#client.call('chooseScan', name));
  }

  async setRole(path: string, role: FileRole | null): Promise<void> {
    await this.#changeFiles(() => this.#client.call('setRole', { path, role }));
  }

  async removeFile(path: string): Promise<void> {
    await this.#changeFiles(() => this.#client.call('removeFile', path));
  }

  async clearFiles(): Promise<void> {
    await this.#changeFiles(() => this.#client.call('clearFiles', null));
  }

  async #changeFiles(change: () => Promise<FilesReport>): Promise<void> {
    this.#set({ reading: true, filesProblem: null });
    try {
      const files = await change();
      await this.#leaveDrawing();
      this.#set({
        files,
        reading: false,
        result: null,
        runProblem: null,
        selectedLesion: null,
        learningProblem: null,
      });
      await this.#showFirstImage(files);
    } catch (error) {
      this.#set({ reading: false, filesProblem: failureOf(error) });
    }
  }

  async loadListedModel(file: string): Promise<void> {
    const listed = this.#state.models.find((model) => model.file === file);
    const fetched = async (path: string): Promise<ArrayBuffer> => await (await fetchFile(path)).arrayBuffer();
    await this.#loadModel(listed?.name ?? file, file, () => fetched(file));
    const { stageOne } = listed ?? {};
    if (stageOne && this.#state.modelFile === file)
      await this.loadStageOne(stageOne, () => fetched(stageOne));
  }

  async loadOwnModel(file: File): Promise<void> {
    await this.#loadModel(file.name, null, async () => await file.arrayBuffer());
  }

  /** The net whose lesions correct the tissue maps that are made for the loaded one. */
  async loadStageOne(name: string, read: () => Promise<ArrayBuffer>): Promise<void> {
    try {
      const bytes = new Uint8Array(await read());
      this.#set({ model: await this.#client.call('loadStageOne', { name, bytes }), modelProblem: null });
    } catch (error) {
      this.#set({ modelProblem: failureOf(error) });
    }
  }

  /** A network that was trained in this browser before. */
  async loadKeptModel(name: string): Promise<void> {
    await this.#takeModel(null, () => this.#client.call('loadKeptModel', name));
  }

  async forgetModel(name: string): Promise<void> {
    await this.#attempt(async () => this.#set({ keptModels: await this.#client.call('forgetModel', name) }));
  }

  async #loadModel(name: string, file: string | null, read: () => Promise<ArrayBuffer>): Promise<void> {
    await this.#takeModel(file, async () => {
      const bytes = new Uint8Array(await read());
      return await this.#client.call('loadModel', { name, bytes });
    });
  }

  async #takeModel(
    file: string | null,
    load: () => Promise<{ model: ModelReport; files: FilesReport }>,
  ): Promise<void> {
    try {
      const { model, files } = await load();
      this.#set({ model, modelFile: file, modelProblem: null });
      if (this.#state.files) this.#set({ files });
    } catch (error) {
      // The model that was loaded before stays.
      this.#set({ modelProblem: failureOf(error) });
    }
  }

  async segment(): Promise<void> {
    if (this.#state.run) return;
    await this.#leaveDrawing();
    const controller = new AbortController();
    this.#set({ run: { progress: null, secondsLeft: null, controller }, runProblem: null });
    const clock = new TileClock();
    try {
      const result = await this.#client.call(
        'segment',
        { overlap: OVERLAP },
        {
          signal: controller.signal,
          onProgress: (progress) =>
            this.#set({ run: { progress, secondsLeft: clock.left(progress), controller } }),
        },
      );
      this.#set({ run: null });
      await this.#showResult(result);
      // The largest lesion, so that something of the result is seen.
      if (result.lesions.length > 0) await this.showLesion(1);
      this.#set({ system: await this.#client.call('system', null) });
    } catch (error) {
      this.#set({ run: null, runProblem: error instanceof EngineCancelled ? null : failureOf(error) });
    }
  }

  cancel(): void {
    this.#state.run?.controller.abort();
  }

  /** The last result at another threshold, a moment after the slider rests. */
  setThreshold(threshold: number): void {
    clearTimeout(this.#review);
    this.#review = setTimeout(() => void this.#reviewAt(threshold), 120);
  }

  async #reviewAt(threshold: number): Promise<void> {
    try {
      await this.#showResult(await this.#client.call('review', { threshold }));
    } catch (error) {
      this.#set({ runProblem: failureOf(error) });
    }
  }

  async #showResult(result: ResultReport): Promise<void> {
    this.#set({ result, selectedLesion: null });
    await this.#withViewer(async (viewer) => await viewer.showOverlay(result.overlay));
  }

  /** Loads a canvas with NiiVue, which comes only now. */
  attachViewer(canvas: HTMLCanvasElement): void {
    this.#viewer ??= import('./viewer.ts').then(
      async ({ Viewer }) => await Viewer.create(canvas, (crosshair) => this.#setView({ crosshair })),
    );
  }

  async #withViewer(work: (viewer: Viewer) => Promise<void> | void): Promise<void> {
    try {
      const viewer = await this.#viewer;
      if (viewer) await work(viewer);
      this.#set({ viewProblem: null });
    } catch (error) {
      const { message } = problemOf(error);
      this.#set({
        viewProblem: problem(`The scan cannot be shown: ${message}`, 'The viewer needs WebGL 2.'),
      });
    }
  }

  async #showFirstImage(files: FilesReport): Promise<void> {
    const images = shownImages(files);
    const same = images.find(({ path }) => path === this.#state.view?.image);
    const first = images[0];
    if (!first) this.#set({ view: null });
    await this.#withViewer(async (viewer) => await viewer.showOverlay(null));
    if (first && (!same || files.scans.length > 0)) await this.showImage(first.path);
  }

  async showImage(path: string): Promise<void> {
    try {
      const bytes = await this.#client.call('image', path);
      const old = this.#state.view;
      // Drawn first, so that the canvas is there for the viewer.
      this.#set({
        view: {
          image: path,
          layout: old?.layout ?? 'planes',
          window: [0, 1],
          range: [0, 1],
          opacity: old?.opacity ?? 0.85,
          parts: old?.parts ?? { truth: true, prediction: true },
          crosshair: null,
          said: '',
        },
      });
      await this.#withViewer(async (viewer) => {
        this.#setView(await viewer.showImage(bytes));
        viewer.setLayout(this.#state.view?.layout ?? 'planes');
      });
    } catch (error) {
      this.#set({ viewProblem: failureOf(error) });
    }
  }

  #setView(change: Partial<ViewState>): void {
    const { view } = this.#state;
    if (view) this.#set({ view: { ...view, ...change } });
  }

  async setWindow(window: readonly [number, number]): Promise<void> {
    this.#setView({ window });
    await this.#withViewer((viewer) => viewer.setWindow(window));
  }

  async setOverlay(opacity: number, parts: OverlayParts): Promise<void> {
    this.#setView({ opacity, parts });
    await this.#withViewer((viewer) => viewer.setOverlay(opacity, parts));
  }

  async setLayout(layout: ViewLayout): Promise<void> {
    this.#setView({ layout });
    await this.#withViewer((viewer) => viewer.setLayout(layout));
  }

  async showLesion(number: number): Promise<void> {
    const lesion = this.#state.result?.lesions.find((each) => each.number === number);
    if (!lesion) return;
    this.#set({ selectedLesion: number });
    await this.#withViewer((viewer) => viewer.moveTo(lesion.place));
  }

  /** Lets the predicted mask be corrected in the viewer. */
  async startCorrection(): Promise<void> {
    await this.#attempt(async () => {
      const mask = await this.#client.call('drawing', null);
      await this.#withViewer(async (viewer) => await viewer.startDrawing(mask));
      await this.setTool('paint', 3);
    });
  }

  async setTool(tool: Tool, size: number): Promise<void> {
    this.#set({ correcting: { tool, size } });
    await this.#withViewer((viewer) => viewer.setTool(tool, size));
  }

  async undoStroke(): Promise<void> {
    await this.#withViewer((viewer) => viewer.undo());
  }

  /** Does what a key on the image asks for. */
  async pressKey(action: KeyAction): Promise<void> {
    const { view, correcting } = this.#state;
    if (!view) return;
    // The tools show what the key draws with.
    if (correcting && action.kind === 'draw') await this.setTool(action.tool, correcting.size);
    await this.#withViewer((viewer) =>
      this.#setView({ said: doKey(viewer, action, view.layout, correcting !== null) }),
    );
  }

  /** Takes what was drawn for the true mask. */
  async finishCorrection(): Promise<void> {
    await this.#attempt(async () => {
      const viewer = await this.#viewer;
      if (!viewer) return;
      const result = await this.#client.call('correct', await viewer.drawing());
      await this.#leaveDrawing();
      await this.#showResult(result);
    });
  }

  async discardCorrection(): Promise<void> {
    await this.#leaveDrawing();
  }

  async #leaveDrawing(): Promise<void> {
    if (!this.#state.correcting) return;
    this.#set({ correcting: null });
    await this.#withViewer((viewer) => viewer.endDrawing());
  }

  /** Asks for, or changes, the scans to learn from and the run. */
  async changeLearning<Name extends 'learning' | 'keepScan' | 'setUse' | 'forgetScan' | 'discardTuning'>(
    call: Name,
    ask: Calls[Name]['ask'],
  ): Promise<void> {
    try {
      this.#set({ learning: await this.#client.call(call, ask), learningProblem: null });
    } catch (error) {
      this.#set({ learningProblem: failureOf(error) });
    }
  }

  /** Trains the network on; or goes on with the run that is paused; or ends that with what it learned. */
  async tune<Name extends 'fineTune' | 'resumeTuning' | 'finishTuning'>(
    call: Name,
    ask: Calls[Name]['ask'],
  ): Promise<void> {
    const controller = new AbortController();
    const run = this.#state.learning?.run;
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
      this.#set({ tuning });
    };
    this.#set({ tuning, learningProblem: null });
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
      this.#set({ model, modelFile: null, keptModels, learning, tuning: null });
    } catch (error) {
      await this.changeLearning('learning', null);
      const failed = error instanceof EngineCancelled ? null : failureOf(error);
      this.#set({ tuning: null, learningProblem: failed ?? this.#state.learningProblem });
    }
    this.#set({ system: await this.#client.call('system', null) });
  }

  pauseTuning(): void {
    this.#state.tuning?.controller.abort();
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#set({ runProblem: null });
    } catch (error) {
      this.#set({ runProblem: failureOf(error) });
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
      this.#set({ runProblem: failureOf(error) });
    }
  }

  setDragging(dragging: boolean): void {
    if (dragging !== this.#state.dragging) this.#set({ dragging });
  }
}

/** Images of the scan that can be shown. */
export function shownImages(files: FilesReport): FilesReport['files'] {
  return files.files.filter(
    ({ role, detail }) => role !== null && detail !== '' && MODALITY_ROLES.includes(role),
  );
}

function failureOf(error: unknown): Problem {
  return error instanceof EngineFailure ? error.problem : problemOf(error);
}

/** @throws EngineFailure where the page's own server does not have the file. */
async function fetchFile(file: string): Promise<Response> {
  const response = await fetch(file).catch(() => undefined);
  if (response?.ok) return response;
  throw new EngineFailure(
    problem(`the file ${file} could not be loaded`, 'Reload the page, or use your own model.'),
  );
}
