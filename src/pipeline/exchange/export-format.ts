import type { FileSink } from '../../core/files.ts';
import type { Model } from '../models/model.ts';

/** What is exported. */
export interface ExportRequest {
  readonly model: Model;
  /** How the model is called: a word for names of files and classes. */
  readonly name: string;
  /** Of voxelgrad. */
  readonly version: string;
}

/** What an export has written, and what its reader must know. */
export interface Exported {
  /** Paths in the folder, the main file first. */
  readonly files: readonly string[];
  /** A clause each: what the format leaves out. */
  readonly notes: readonly string[];
}

/** A format that other programs read networks in: one file here, one line in the registry. */
export interface ExportFormat {
  /** How it is chosen: `onnx`. */
  readonly name: string;
  /** One sentence for lists: what it is, and what reads it. */
  readonly title: string;
  /**
   * Writes a model.
   * @throws UsageError naming what of the network the format cannot express; StorageError.
   */
  write(request: ExportRequest, out: FileSink): Promise<Exported>;
}
