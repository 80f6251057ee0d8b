import { CheckpointError, FileFormatError } from '../../core/errors.ts';
import type { FileStore } from '../../core/files.ts';
import { removeUnfinished } from '../../core/unfinished-files.ts';
import { setting, worded } from '../../core/wording.ts';
import { encodeTrainingState } from '../../engine/checkpoint/training-state.ts';
import { decodeTrainingState, type TrainingState } from '../models/model.ts';

/** How many are kept: one more than is needed, for the case that a disk damages the newest. */
const KEPT = 2;
const NAME = /^step-(\d{9})\.safetensors$/;

/** The training checkpoints of a run: `step-000001500.safetensors` in a folder, the two newest. */
export class Checkpoints {
  readonly #files: FileStore;
  readonly #folder: string;

  constructor(files: FileStore, folder: string) {
    this.#files = files;
    this.#folder = folder;
  }

  /**
   * Adds a checkpoint, and once it is there takes away those that are older than the two newest, or of later steps
   * (of a future that was given up).
   * @returns its path
   * @throws CheckpointError for a state that is not finite; StorageError. What was there stays.
   */
  async write(state: TrainingState): Promise<string> {
    const path = this.#path(state.step);
    await this.#files.write(path, await encodeTrainingState(state));
    await this.prune(state.step);
    return path;
  }

  /** Takes away all but the two newest up to a step, which is known to be sound. @throws StorageError. */
  async prune(newest: number): Promise<void> {
    const steps = await this.steps();
    const kept = steps.filter((step) => step <= newest).slice(-KEPT);
    for (const step of steps) if (!kept.includes(step)) await this.#files.remove(this.#path(step));
  }

  /** Steps of the checkpoints that are there, in order. @throws StorageError. */
  async steps(): Promise<number[]> {
    const found = (await this.#files.list(this.#folder)).map(({ name }) => NAME.exec(name));
    return found.flatMap((match) => (match ? [Number(match[1])] : [])).sort((a, b) => a - b);
  }

  /** Reads one. @throws CheckpointError, FileFormatError where it is damaged; StorageError. */
  async read(step: number): Promise<TrainingState> {
    const path = this.#path(step);
    const state = await decodeTrainingState(await this.#files.read(path), `${this.#files.name}/${path}`);
    if (state.step === step) return state;
    throw new CheckpointError(`${this.#files.name}/${path}: is of step ${state.step}`, {
      hint: 'The file was renamed: take it away.',
    });
  }

  /**
   * The newest that is sound; undefined where there is none at all.
   * @param warn told of each damaged one that was passed over
   * @throws CheckpointError where all are damaged; StorageError.
   */
  async latest(warn: (text: string) => void = () => {}): Promise<TrainingState | undefined> {
    const steps = (await this.steps()).reverse();
    let reason: unknown;
    for (const step of steps) {
      try {
        return await this.read(step);
      } catch (error) {
        if (!(error instanceof CheckpointError || error instanceof FileFormatError)) throw error;
        warn(`${error.message}; an older checkpoint is looked for`);
        reason = error;
      }
    }
    if (steps.length === 0) return undefined;
    throw new CheckpointError(`${this.#files.name}/${this.#folder}: no checkpoint is sound`, {
      hint: worded`Start the run anew, with ${setting('overwrite', true)}.`,
      cause: reason,
    });
  }

  /** Takes away what killed processes left half-written. For the only process that works in the folder. */
  async tidy(): Promise<void> {
    await removeUnfinished(this.#files, this.#folder);
  }

  /** Takes all checkpoints away. */
  async clear(): Promise<void> {
    for (const step of await this.steps()) await this.#files.remove(this.#path(step));
  }

  #path(step: number): string {
    return `${this.#folder}/step-${String(step).padStart(9, '0')}.safetensors`;
  }
}
