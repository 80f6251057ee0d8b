import { VoxelgradError } from '../../core/errors.ts';
import type { FileSource } from '../../core/files.ts';
import { type ModelFacts, modelFacts } from './facts.ts';
import { decodeModel, type ModelInfo } from './model.ts';

/** A network that was found in a folder. */
export interface FoundModel {
  /** Where its file lies in the folder: `run/model.safetensors`. */
  readonly path: string;
  readonly bytes: number;
  /** Undefined where the file cannot be read; then there is a problem. */
  readonly facts: ModelFacts | undefined;
  readonly card: ModelInfo['card'];
  readonly problem: string | undefined;
}

const MODEL = 'model.safetensors';
/** Folders within folders that are looked into. */
const DEPTH = 3;
/** What holds no networks of its own: a run's checkpoints, the net that corrects its input, and packages. */
const PASSED_OVER = /^(\.|checkpoints$|stage-1$|node_modules$)/;

/**
 * Every network in a folder and the folders below it, by path: of runs and of imports alike. A file that cannot be read is
 * in the list with what is wrong with it.
 * @throws StorageError where a folder cannot be read.
 */
export async function findModels(files: FileSource, at = '', depth: number = DEPTH): Promise<FoundModel[]> {
  const found: FoundModel[] = [];
  for (const { name, kind } of await files.list(at)) {
    const path = at === '' ? name : `${at}/${name}`;
    if (kind === 'file' && name === MODEL) found.push(await describe(files, path));
    else if (kind === 'folder' && depth > 0 && !PASSED_OVER.test(name))
      found.push(...(await findModels(files, path, depth - 1)));
  }
  return found;
}

async function describe(files: FileSource, path: string): Promise<FoundModel> {
  const bytes = await files.read(path);
  try {
    return describeModel(bytes, path);
  } catch (error) {
    if (!(error instanceof VoxelgradError)) throw error;
    return { path, bytes: bytes.length, facts: undefined, card: undefined, problem: error.message };
  }
}

/** What there is to say of a model file. @throws CheckpointError, FileFormatError. */
export function describeModel(bytes: Uint8Array, path: string): FoundModel {
  const { info } = decodeModel(bytes, path);
  return { path, bytes: bytes.length, facts: modelFacts(info), card: info.card, problem: undefined };
}
