import type { ListedModel } from '../engine/checkpoint/model-list.ts';
import type {
  FilesReport,
  LearningReport,
  ModelReport,
  Problem,
  ResultReport,
  SystemReport,
  TileProgress,
} from './protocol.ts';
import type { CrosshairReport, OverlayParts, Tool, ViewLayout } from './viewer.ts';

/** A segmentation under way. */
export interface RunState {
  readonly progress: TileProgress | null;
  /** Seconds left by the tiles so far; null before the second one. */
  readonly secondsLeft: number | null;
  readonly controller: AbortController;
}

/** A correction under way. */
export interface CorrectingState {
  readonly tool: Tool;
  /** Edge of the brush in voxels. */
  readonly size: number;
}

/** Fine-tuning under way. */
export interface TuningState {
  readonly steps: number;
  readonly losses: readonly number[];
  /** What is done beside the steps; null during them. */
  readonly phase: { readonly name: 'before' | 'threshold' | 'after'; readonly share: number } | null;
  /** Something unusual that the user should know. */
  readonly note: string | null;
  readonly controller: AbortController;
}

/** What the viewer shows, and how. */
export interface ViewState {
  /** Path of the image shown. */
  readonly image: string;
  readonly layout: ViewLayout;
  readonly window: readonly [number, number];
  readonly range: readonly [number, number];
  /** Edges of a voxel of the image in mm. */
  readonly voxel: readonly [number, number, number];
  readonly opacity: number;
  readonly parts: OverlayParts;
  readonly crosshair: CrosshairReport | null;
  /** What came of the last key, for screen readers. */
  readonly said: string;
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
  /** Names of networks that were trained in this browser. */
  readonly keptModels: readonly string[];
  readonly modelProblem: Problem | null;
  readonly run: RunState | null;
  readonly runProblem: Problem | null;
  readonly result: ResultReport | null;
  readonly view: ViewState | null;
  readonly viewProblem: Problem | null;
  readonly selectedLesion: number | null;
  readonly correcting: CorrectingState | null;
  readonly learning: LearningReport | null;
  readonly learningProblem: Problem | null;
  readonly tuning: TuningState | null;
  readonly dragging: boolean;
}

/** Whether the engine is at work, or the mask is being drawn: the scan and the model must stay as they are. */
export function isBusy({ reading, run, tuning, correcting }: State): boolean {
  return reading || run !== null || tuning !== null || correcting !== null;
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
  keptModels: [],
  modelProblem: null,
  run: null,
  runProblem: null,
  result: null,
  view: null,
  viewProblem: null,
  selectedLesion: null,
  correcting: null,
  learning: null,
  learningProblem: null,
  tuning: null,
  dragging: false,
};
