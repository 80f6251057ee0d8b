import type { DeviceLostError } from '../../core/errors.ts';
import type { FileSink } from '../../core/files.ts';
import type { Model } from '../../engine/checkpoint/checkpoint.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import type { Element } from '../../engine/tape/tensor.ts';
import type { Dataset, Scan } from '../../imaging/dataset/dataset.ts';
import type { TissueChoice } from './scan-tissues.ts';
import type { SpacingChange } from './voxel-size.ts';

/** What a prediction is asked to do. */
export interface PredictRequest {
  readonly model: Model;
  readonly dataset: Dataset;
  readonly scans: readonly Scan[];
  /**
   * Whose tissue maps a multi-input model reads: a source's; true for the preferred ones, which are made where a scan
   * has none; false to make them for all scans. Maps that are made are written too.
   */
  readonly tissue: TissueChoice;
  /** Corrects the maps that are made: the net of the run's stage 1. Left out: they stay uncorrected. */
  readonly stageOne?: Model | undefined;
  /** A voxel is lesion where its probability is at or above this. */
  readonly threshold: number;
  /** Overlap of neighbouring windows, as a share of their edge; 0 to below 1. */
  readonly overlap: number;
  /** Edge of the sliding window in voxels, a multiple of 2^(levels - 1) (default: the patch of training). */
  readonly tile?: number | undefined;
  /**
   * Bytes that the network and its window may take on the GPU; checked before a scan's first tile (default: no limit).
   * Main memory is not counted: it holds the images once (2 bytes a voxel of a 16-bit file, 4 of a float32), the brain
   * mask, and a float32 map for each foreground class.
   */
  readonly memory?: number | undefined;
  /** Kernel variants by slot (default: the built-in table's). */
  readonly kernels?: Readonly<Record<string, string>>;
  /** Whether scans of another voxel size than the model's are resampled for it (default true). */
  readonly resample?: boolean | undefined;
  /** What activations are stored as (default f32). */
  readonly precision?: Element | undefined;
  /** Where masks and maps are written, at the paths of `predictionPath`. */
  readonly out: FileSink;
  /** Seconds between two readbacks of what outlives a lost device (default 2). */
  readonly snapshotSeconds?: number;
  /**
   * Opens a new device after one was lost; the scan that runs then goes on from its last snapshot, with the same bits.
   * Left out: a lost device ends the prediction.
   */
  readonly reopen?: ((lost: DeviceLostError) => Promise<Gpu>) | undefined;
  /** Told of a scan, before its first tile, that its voxels are of another size than the model's. */
  onSpacing?(scan: Scan, change: SpacingChange): void;
  /** Called after every tile of the scan that runs; after a lost device some are done again. */
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
  /** Where the tissue maps come from that the network read; null where it reads none. */
  readonly tissue: 'supplied' | 'corrected' | 'uncorrected' | null;
  /** Paths of the tissue maps that were made. */
  readonly tissueMaps: readonly string[];
  /** The voxel sizes (mm), where the network saw the scan at another one than its own; null where it did not. */
  readonly resampled: SpacingChange | null;
  readonly seconds: number;
}
