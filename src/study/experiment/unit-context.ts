import type { DeviceLostError } from '../../core/errors.ts';
import type { FileStore } from '../../core/files.ts';
import type { AbortSignal } from '../../core/globals.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import type { Dataset } from '../../imaging/dataset/dataset.ts';
import type { TrainingData } from '../../pipeline/train/prepare.ts';
import type { ExperimentRecord } from '../report/experiment-record.ts';
import type { ScanShelf } from './scan-shelf.ts';

/** What a unit works with. */
export interface UnitContext {
  readonly record: ExperimentRecord;
  /** With the tissue maps that the record's settings name. */
  readonly dataset: Dataset;
  /** The experiment's folder. */
  readonly out: FileStore;
  readonly shelf: ScanShelf;
  /** Of voxelgrad. */
  readonly version: string;
  /** Where the data set lies, as seen from a unit's folder of maps or predictions; left out if that is not known. */
  readonly raw?: string | undefined;
  /** Stops a unit where it can go on later; the unit rejects with its reason. */
  readonly signal?: AbortSignal;
  /** The device, opened when first asked for. */
  gpu(): Promise<Gpu>;
  /** Opens a new device after one was lost in training. */
  reopen?(lost: DeviceLostError): Promise<Gpu>;
  /** Kernel variants by slot for a net; where left out the built-in table decides. */
  kernels?(data: TrainingData): Promise<Readonly<Record<string, string>>>;
  /** @param share of the unit that is done, 0 to 1 */
  onProgress?(share: number, detail: string): void;
  /** Told what is unusual but no error. */
  warn?(text: string): void;
}
