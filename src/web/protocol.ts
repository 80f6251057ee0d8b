import type { Extents } from '../core/shape.ts';
import type { FileRole } from '../imaging/dataset/file-role.ts';
import type { ScanMetrics } from '../imaging/evaluate/metrics.ts';
import type { Part } from '../imaging/results/parts.ts';

/** A fault as the page shows it: one sentence, and what to do. */
export interface Problem {
  readonly message: string;
  readonly hint: string | null;
  /** The setting that decides the matter, where the page can offer it. */
  readonly setting?: string | undefined;
}

/** A file that somebody dropped or chose, with its path inside a dropped folder. */
export interface DroppedFile {
  readonly path: string;
  readonly file: File;
}

/** One file of the scan. */
export interface FileReport {
  readonly path: string;
  /** The path's last part. */
  readonly name: string;
  readonly role: FileRole | null;
  /** Its grid: `91x109x91 at 2x2x2 mm`; empty where it could not be read. */
  readonly detail: string;
  readonly problem: Problem | null;
  /** What the loaded model makes of it that its owner should know; beside the first image only. */
  readonly note: string | null;
}

/** What has been dropped, as far as the engine understands it. */
export interface FilesReport {
  /** Scans of a dropped data set to choose from; empty for single files. */
  readonly scans: readonly string[];
  readonly scan: string | null;
  /** What was found and is not used, a sentence each. */
  readonly notes: readonly string[];
  readonly files: readonly FileReport[];
  /** Whether the loaded model can run on the scan. */
  readonly ready: boolean;
  /** Why it cannot, where no single file is at fault. */
  readonly problem: Problem | null;
}

/** What a loaded network is. */
export interface ModelReport {
  readonly name: string;
  /** The preset, or the task. */
  readonly task: string;
  readonly modalities: readonly string[];
  /** What it finds. */
  readonly labels: readonly string[];
  /** Of the first label; null if none decides. */
  readonly threshold: number | null;
  readonly parameters: number;
  /** Kind of the network. */
  readonly network: string;
  /** Where it comes from and under which licence, of a network that was made elsewhere. */
  readonly source: string | null;
  readonly licence: string | null;
  readonly patch: Extents;
  /** The net that corrects the tissue maps that are made: its name, null for none; missing where it reads no maps. */
  readonly stageOne?: string | null;
}

/** What runs. */
export interface SystemReport {
  readonly adapter: string;
  readonly software: boolean;
  readonly features: readonly string[];
  /** By name; bytes where the name ends in `Bytes`. */
  readonly limits: Readonly<Record<string, number>>;
  /** In GPU buffers now. */
  readonly bufferBytes: number;
  /** How often a lost device was replaced. */
  readonly devicesLost: number;
}

/** How far a run has come: in making tissue maps, finding the lesions that correct them, or segmenting. */
export interface TileProgress {
  readonly phase: 'tissues' | 'stage-1' | 'tiles';
  readonly done: number;
  readonly total: number;
}

/** What a kept scan is for: to learn from, or to be kept aside and judged by. */
export type LearningUse = 'learn' | 'aside';

/** A scan with a true mask that is kept in this browser. */
export interface LearningScanReport {
  readonly id: string;
  readonly name: string;
  readonly use: LearningUse;
  /** Dice of a scan kept aside, with the network before and after fine-tuning; null where it was not judged. */
  readonly diceBefore: number | null;
  readonly diceAfter: number | null;
}

/** The scans to learn from, and the fine-tuning run that is under way or was the last. */
export interface LearningReport {
  readonly scans: readonly LearningScanReport[];
  readonly run: {
    /** What the network is called that comes of it. */
    readonly model: string;
    readonly finished: boolean;
    /** That were asked for. */
    readonly steps: number;
    /** Of the steps so far. */
    readonly losses: readonly number[];
  } | null;
  /** Whether it outlives the tab; false where the browser has no storage. */
  readonly kept: boolean;
}

/** How far fine-tuning has come. `done` of `total` is a share of the phase. */
export type LearningProgress =
  | { readonly phase: 'before' | 'threshold' | 'after'; readonly done: number; readonly total: number }
  /** From 1. After a lost device or a closed tab it starts below the last one that was told. */
  | { readonly phase: 'step'; readonly step: number; readonly loss: number }
  | { readonly phase: 'note'; readonly text: string };

/** What came of fine-tuning: the network that was trained is the loaded one. */
export interface LearnedReport {
  readonly model: ModelReport;
  readonly learning: LearningReport;
}

/** One label of a segmentation, at one threshold. */
export interface ResultReport {
  readonly label: string;
  /** All that can be shown. */
  readonly labels: readonly string[];
  /** Null if the most probable label counts. */
  readonly threshold: number | null;
  /** What training chose on its own scans; null if none decides. */
  readonly ownThreshold: number | null;
  /** Parts of a smaller longest diameter in mm are left out; 0 keeps all. Null if the most probable label counts. */
  readonly minDiameter: number | null;
  readonly lesions: readonly Part[];
  /** Against the true mask; null where there is none. */
  readonly metrics: ScanMetrics | null;
  /** Name of the file that holds the true mask; null where there is none. */
  readonly truth: string | null;
  /** What a correction changed; null where the mask is the model's own. */
  readonly correction: CorrectionReport | null;
  /** Of the run that made the probabilities. */
  readonly seconds: number;
  readonly tiles: number;
  /** What was done to the scan for it, in sentences. */
  readonly notes: readonly string[];
  /** uint8 NIfTI, not compressed: 1 truth alone, 2 prediction alone, 3 both. */
  readonly overlay: Uint8Array;
}

/** How much a user changed of the model's mask. */
export interface CorrectionReport {
  readonly addedMl: number;
  readonly removedMl: number;
}

/** What can be saved; `mask` is the result, `original` the model's mask where that was corrected. */
export type Download = 'mask' | 'original' | 'probabilities' | 'table' | 'report' | 'model';

/** A file to save. */
export interface SavedFile {
  readonly name: string;
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** How the last segmentation is to be looked at; what is missing stays as it is. */
export interface ReviewAsk {
  readonly threshold?: number;
  readonly label?: string;
  /** In mm. */
  readonly minDiameter?: number;
}

/** What the page may ask of the engine: the argument, what comes back, and what is told on the way. */
export interface Calls {
  /** Opens the GPU. */
  open: { ask: null; answer: SystemReport; progress: never };
  system: { ask: null; answer: SystemReport; progress: never };
  /** Adds files; a file at a known path replaces the old one. Files of a folder that are no images are passed over. */
  addFiles: { ask: readonly DroppedFile[]; answer: FilesReport; progress: never };
  /** Takes a made-up patient as the scan. */
  usePhantom: { ask: { seed: number }; answer: FilesReport; progress: never };
  chooseScan: { ask: string; answer: FilesReport; progress: never };
  setRole: { ask: { path: string; role: FileRole | null }; answer: FilesReport; progress: never };
  removeFile: { ask: string; answer: FilesReport; progress: never };
  clearFiles: { ask: null; answer: FilesReport; progress: never };
  loadModel: {
    /** `note`: what its list says of it; reports repeat it. */
    ask: { name: string; bytes: Uint8Array; note?: string | undefined };
    answer: { model: ModelReport; files: FilesReport };
    progress: never;
  };
  /** Takes a net of stage 1 for the loaded one that reads tissue maps. */
  loadStageOne: { ask: { name: string; bytes: Uint8Array }; answer: ModelReport; progress: never };
  /** Networks that were trained in this browser before. */
  keptModels: { ask: null; answer: readonly string[]; progress: never };
  loadKeptModel: {
    ask: string;
    answer: { model: ModelReport; files: FilesReport };
    progress: never;
  };
  forgetModel: { ask: string; answer: readonly string[]; progress: never };
  /** An image of the scan as a NIfTI file that is not compressed. */
  image: { ask: string; answer: Uint8Array; progress: never };
  segment: { ask: { overlap: number; trustBrain: boolean }; answer: ResultReport; progress: TileProgress };
  /** The last segmentation at another threshold, another label of it, or without small parts. */
  review: { ask: ReviewAsk; answer: ResultReport; progress: never };
  /** Takes a part out of the mask that is shown, by its number; the rest is a correction. */
  removePart: { ask: number; answer: ResultReport; progress: never };
  /** The predicted mask, or the correction where there is one, as a NIfTI file that is not compressed. */
  drawing: { ask: null; answer: Uint8Array; progress: never };
  /** Takes a mask that somebody drew for the result. */
  correct: { ask: Uint8Array; answer: ResultReport; progress: never };
  /** Takes a correction back: the model's mask is the result again. */
  dropCorrection: { ask: null; answer: ResultReport; progress: never };
  /** Scans to learn from, and how far fine-tuning is. */
  learning: { ask: null; answer: LearningReport; progress: never };
  /** Keeps the scan that is there, with its true mask or correction. */
  keepScan: { ask: LearningUse; answer: LearningReport; progress: never };
  setUse: { ask: { id: string; use: LearningUse }; answer: LearningReport; progress: never };
  forgetScan: { ask: string; answer: LearningReport; progress: never };
  /** Trains the loaded network on, on the scans to learn from. Cancelled, the run can be resumed, also by another tab. */
  fineTune: { ask: { steps: number }; answer: LearnedReport; progress: LearningProgress };
  /** Goes on with the run that was cancelled or closed, bit for bit. */
  resumeTuning: { ask: null; answer: LearnedReport; progress: LearningProgress };
  /** Takes what such a run has learned so far, and ends it. */
  finishTuning: { ask: null; answer: LearnedReport; progress: LearningProgress };
  /** Forgets the run and what it learned. */
  discardTuning: { ask: null; answer: LearningReport; progress: never };
  save: { ask: Download; answer: SavedFile; progress: never };
}

export type CallName = keyof Calls;

/** From the page to the worker. */
export type Request =
  | {
      readonly [Name in CallName]: {
        readonly id: number;
        readonly call: Name;
        readonly ask: Calls[Name]['ask'];
      };
    }[CallName]
  | { readonly id: number; readonly call: 'cancel' };

/** From the worker to the page. */
export type Reply =
  | { readonly id: number; readonly kind: 'answer'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'progress'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'cancelled' }
  | { readonly id: number; readonly kind: 'failed'; readonly problem: Problem };
