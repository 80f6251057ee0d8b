import type { Model } from '../checkpoint/checkpoint.ts';
import type { FileSink } from '../core/files.ts';
import type { Dataset, Scan } from '../dataset/dataset.ts';

/** What a prediction is asked to do. */
export interface PredictRequest {
  readonly model: Model;
  readonly dataset: Dataset;
  readonly scans: readonly Scan[];
  /** Whose tissue maps a multi-input model reads; true for the preferred ones. */
  readonly tissue: string | true;
  /** A voxel is lesion where its probability is at or above this. */
  readonly threshold: number;
  /** Overlap of neighbouring windows, as a share of their edge; 0 to below 1. */
  readonly overlap: number;
  /** Where masks and maps are written, at the paths of `predictionPath`. */
  readonly out: FileSink;
  /** Called after every tile of the scan that runs. */
  onTile?(done: number, total: number, scan: Scan): void;
  /** Called after every scan. */
  onScan?(done: number, scan: PredictedScan): void;
}

/** One scan that was predicted. */
export interface PredictedScan {
  readonly subject: string;
  readonly session: string | null;
  /** Paths relative to the output folder. */
  readonly mask: string;
  readonly probabilities: string;
  readonly seconds: number;
}
