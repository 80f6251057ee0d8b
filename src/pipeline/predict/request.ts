import type { DeviceLostError } from '../../core/errors.ts';
import type { FileSink } from '../../core/files.ts';
import type { Json } from '../../core/json.ts';
import type { Extents } from '../../core/shape.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import type { Element } from '../../engine/tape/tensor.ts';
import type { Dataset, Scan } from '../../imaging/dataset/dataset.ts';
import type { LoadedScan } from '../../imaging/dataset/load-scan.ts';
import type { PredictionKind } from '../../imaging/dataset/prediction-path.ts';
import type { LabelSummary } from '../../imaging/results/part-files.ts';
import type { Voxels } from '../../imaging/volume/voxels.ts';
import type { Model } from '../models/model.ts';
import type { DecidedBox } from './decide-box.ts';
import type { MapChoice, MapProvider } from './input-maps.ts';
import type { SpacingChange } from './voxel-size.ts';

/** What a prediction is asked to do. */
export interface PredictRequest {
  readonly model: Model;
  /** Further networks of the same task: the mean of what all say is taken (default: none). */
  readonly others?: readonly Model[] | undefined;
  readonly dataset: Dataset;
  readonly scans: readonly Scan[];
  /** Whose maps a network reads beside the images, and what makes those that are not there; made ones are written. */
  readonly maps: MapChoice;
  readonly provider?: MapProvider | undefined;
  /** A voxel is of the main head's labels where its probability is at or above this (default: what training chose). */
  readonly threshold?: number | undefined;
  /** Parts of labels whose longest diameter in mm is smaller are left out of masks, label images and tables. */
  readonly minDiameter?: number | undefined;
  /** Says in which region each part of a label is (default: nothing does). */
  readonly locate?: Locate | undefined;
  /** Overlap of neighbouring windows, as a share of their edge; 0 to below 1. */
  readonly overlap: number;
  /** Whether each tile is seen mirrored along every axis too, 8 times in all, and the mean is taken (default false). */
  readonly mirror?: boolean | undefined;
  /** Extents of the sliding window in voxels, as for `segment` (default: the patch of training). */
  readonly tile?: Extents | undefined;
  /**
   * Bytes that the network and its window may take on the GPU; checked before a scan's first tile (default: no limit).
   * Main memory is not counted: it holds the images once (2 bytes a voxel of a 16-bit file, 4 of a float32), the brain
   * mask, and a float32 map for each foreground class.
   */
  readonly memory?: number | undefined;
  /** Kernel variants by slot (default: the built-in table's). */
  readonly kernels?: Readonly<Record<string, string>> | undefined;
  /** Whether scans of another voxel size than the model's are resampled for it (default true). */
  readonly resample?: boolean | undefined;
  /** What activations are stored as (default f32). */
  readonly precision?: Element | undefined;
  /** Where masks, maps, label images and tables of numbers are written, at the paths of `predictionPath`. */
  readonly out: FileSink;
  /** Seconds between two readbacks of what outlives a lost device (default 2). */
  readonly snapshotSeconds?: number | undefined;
  /**
   * Opens a new device after one was lost; the scan that runs then resumes from its last snapshot, with the same bits.
   * Left out: a lost device ends the prediction.
   */
  readonly reopen?: ((lost: DeviceLostError) => Promise<Gpu>) | undefined;
  /** What sidecars beside the files say of the network and the program (default: no sidecars are written). */
  readonly provenance?: PredictionProvenance | undefined;
  /** Told of a scan, before its first tile, that its voxels are of another size than the model's. */
  onSpacing?(scan: Scan, change: SpacingChange): void;
  /** Called after every tile of the scan that runs; after a lost device some are done again. */
  onTile?(done: number, total: number, scan: Scan): void;
  /** Called after every scan. */
  onScan?(done: number, scan: PredictedScan): void;
}

/** Says in which region each part of a label is; undefined where the task has no label that it knows. */
export type Locate = (
  gpu: Gpu,
  decided: DecidedBox,
  scan: LoadedScan<Voxels>,
) => Promise<LocatedParts | undefined>;

/** What was decided, with the regions of parts, or why they are not known. */
export interface LocatedParts {
  readonly decided: DecidedBox;
  /** A label image of the box that is written beside the others, with its table; missing if regions are not known. */
  readonly image?: {
    readonly kind: PredictionKind;
    readonly voxels: Uint8Array;
    /** What its values mean, from 1. */
    readonly values: readonly string[];
    readonly table: Uint8Array;
  };
  /** Why regions are not given, a clause. */
  readonly reason?: string;
  /** How they were found, for the sidecars. */
  readonly method?: Json;
}

/** What is known of a network that predicts, for the record. */
export interface PredictionProvenance {
  /** Of voxelgrad. */
  readonly version: string;
  /** The network's file as messages call it, and its SHA-256. */
  readonly model: { readonly file: string; readonly sha256: string };
  /** SHA-256 of the further networks of an ensemble. */
  readonly others?: readonly string[] | undefined;
  /** SHA-256 of all files that it was trained on; left out if that is not known. */
  readonly trainingFiles?: ReadonlySet<string> | undefined;
}

/** One scan that was predicted. */
export interface PredictedScan {
  readonly subject: string;
  readonly session: string | null;
  /** Paths relative to the output folder, in the order of the heads. */
  readonly files: readonly string[];
  /** Paths of the tables of parts, one per label. */
  readonly tables: readonly string[];
  /** What was found of each label that the network decides about. */
  readonly found: readonly LabelSummary[];
  /** The numbers of the whole scan by head. */
  readonly values: Readonly<Record<string, number>>;
  /** Where the maps come from that the network read: `supplied`, or how they were made; null if it reads none. */
  readonly maps: string | null;
  /** Paths of the maps that were made. */
  readonly madeMaps: readonly string[];
  /** The voxel sizes (mm), where the network saw the scan at another one than its own; null if it did not. */
  readonly resampled: SpacingChange | null;
  readonly seconds: number;
  /** What a user of the result must know, a clause each. */
  readonly warnings: readonly string[];
}
