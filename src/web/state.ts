import type { ListedModel } from '../checkpoint/model-list.ts';
import type {
  FilesReport,
  ModelReport,
  Problem,
  ResultReport,
  SystemReport,
  TileProgress,
} from './protocol.ts';
import type { CrosshairReport, OverlayParts, ViewLayout } from './viewer.ts';

/** A segmentation under way. */
export interface RunState {
  readonly progress: TileProgress | null;
  /** Seconds left by the tiles so far; null before the second one. */
  readonly secondsLeft: number | null;
  readonly controller: AbortController;
}

/** What the viewer shows, and how. */
export interface ViewState {
  /** Path of the image shown. */
  readonly image: string;
  readonly layout: ViewLayout;
  readonly window: readonly [number, number];
  readonly range: readonly [number, number];
  readonly opacity: number;
  readonly parts: OverlayParts;
  readonly crosshair: CrosshairReport | null;
}

/** Everything the page shows. */
export interface State {
  readonly system: SystemReport | null;
  /** Why nothing can run here. */
  readonly systemProblem: Problem | null;
  readonly files: FilesReport | null;
  /** Files are being read. */
  readonly reading: boolean;
  readonly filesProblem: Problem | null;
  readonly models: readonly ListedModel[];
  readonly model: ModelReport | null;
  /** File of the listed model that is loaded; null for the user's own. */
  readonly modelFile: string | null;
  readonly modelProblem: Problem | null;
  readonly run: RunState | null;
  readonly runProblem: Problem | null;
  readonly result: ResultReport | null;
  readonly view: ViewState | null;
  readonly viewProblem: Problem | null;
  readonly selectedLesion: number | null;
  readonly dragging: boolean;
}

export const INITIAL_STATE: State = {
  system: null,
  systemProblem: null,
  files: null,
  reading: false,
  filesProblem: null,
  models: [],
  model: null,
  modelFile: null,
  modelProblem: null,
  run: null,
  runProblem: null,
  result: null,
  view: null,
  viewProblem: null,
  selectedLesion: null,
  dragging: false,
};
