import { type SettingWords, Wording } from './wording.ts';

/** What every voxelgrad error tells: which rule broke, and what the reader can do about it. */
export interface ErrorOptionsWithHint {
  /** One sentence: what to do next. */
  readonly hint?: string | Wording | undefined;
  /** The setting that decides the matter, for a page that can offer it. */
  readonly setting?: string;
  readonly cause?: unknown;
}

/**
 * Base of all errors that voxelgrad throws on purpose. `code` is stable and can be switched on;
 * `message` names the thing, the rule and the values; `hint` says what to do. Both name settings as code does;
 * {@link tell} has them in other words.
 */
export class VoxelgradError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly setting: string | undefined;
  readonly #message: string | Wording;
  readonly #hint: string | Wording | undefined;
  constructor(code: string, message: string | Wording, options: ErrorOptionsWithHint = {}) {
    super(String(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = options.hint?.toString();
    this.setting = options.setting;
    this.#message = message;
    this.#hint = options.hint;
  }

  /** Message and hint for a reader who knows settings by these words: by options, or by the labels of a form. */
  tell(words: SettingWords): { readonly message: string; readonly hint: string | undefined } {
    return {
      message: this.#message instanceof Wording ? this.#message.in(words) : this.#message,
      hint: this.#hint instanceof Wording ? this.#hint.in(words) : this.#hint,
    };
  }
}

/** A command line, setting or call that cannot be meant (the CLI exits 2). */
export class UsageError extends VoxelgradError {
  constructor(message: string | Wording, options: ErrorOptionsWithHint = {}) {
    super('usage', message, options);
  }
}

/** Shapes that an op's rule refuses; the message names the op, the rule and the shapes. */
export class ShapeError extends VoxelgradError {
  constructor(op: string, rule: string, shapes: string, options: ErrorOptionsWithHint = {}) {
    super('shape', `${op}: ${rule}; got ${shapes}`, options);
  }
}

/** A file that is not what it claims to be: truncated, corrupt, unsupported, non-finite. */
export class FileFormatError extends VoxelgradError {
  constructor(path: string, message: string, options: ErrorOptionsWithHint = {}) {
    super('file-format', `${path}: ${message}`, options);
  }
}

/** A data set that breaks a rule of its layout: missing modality, unknown subject, empty mask. */
export class DatasetError extends VoxelgradError {
  constructor(message: string | Wording, options: ErrorOptionsWithHint = {}) {
    super('dataset', message, options);
  }
}

/** Volumes of one subject that do not share a voxel grid; the message holds both grids. */
export class GridMismatchError extends VoxelgradError {
  constructor(message: string | Wording, options: ErrorOptionsWithHint = {}) {
    super('grid-mismatch', message, options);
  }
}

/** A checkpoint that does not fit the model or the settings it is loaded into. */
export class CheckpointError extends VoxelgradError {
  constructor(message: string | Wording, options: ErrorOptionsWithHint = {}) {
    super('checkpoint', message, options);
  }
}

/** A file or folder that cannot be read or written. */
export class StorageError extends VoxelgradError {
  constructor(message: string | Wording, options: ErrorOptionsWithHint = {}, code = 'storage') {
    super(code, message, options);
  }
}

/** A folder that another process has taken over while this one worked in it; this one has written nothing since. */
export class FolderLostError extends StorageError {
  constructor(message: string | Wording, options: ErrorOptionsWithHint = {}) {
    super(message, options, 'folder-lost');
  }
}

/** No adapter, a kernel that does not compile, or a call that the device's validation refused. */
export class GpuError extends VoxelgradError {
  constructor(message: string | Wording, options: ErrorOptionsWithHint = {}, code = 'gpu') {
    super(code, message, options);
  }
}

/** The device went away (driver reset, destroyed context). Work since the last checkpoint is lost. */
export class DeviceLostError extends GpuError {
  constructor(message: string | Wording, options: ErrorOptionsWithHint = {}) {
    super(message, options, 'device-lost');
  }
}

/** A tensor or arena that the device cannot allocate; the message names it and its size. */
export class OutOfMemoryError extends GpuError {
  constructor(message: string | Wording, options: ErrorOptionsWithHint = {}) {
    super(message, options, 'out-of-memory');
  }
}

/** Training produced a value that is not finite; the message names the step. */
export class NonFiniteError extends VoxelgradError {
  constructor(message: string | Wording, options: ErrorOptionsWithHint = {}) {
    super('non-finite', message, options);
  }
}

/** A result that is not what a record says it must be; the message names the first difference. */
export class VerificationError extends VoxelgradError {
  constructor(message: string | Wording, options: ErrorOptionsWithHint = {}) {
    super('verification', message, options);
  }
}

/** A batch system that is not there or refuses a job, or jobs of it that failed; the message says which. */
export class SchedulerError extends VoxelgradError {
  constructor(message: string | Wording, options: ErrorOptionsWithHint = {}) {
    super('scheduler', message, options);
  }
}

/** A run that was told to stop, by a signal; what it had done is saved where the message says so. */
export class StoppedError extends VoxelgradError {
  /** What the process ends with: 128 and the signal's number. */
  readonly exitCode: number;
  constructor(message: string, exitCode: number, options: ErrorOptionsWithHint = {}) {
    super('stopped', message, options);
    this.exitCode = exitCode;
  }
}
