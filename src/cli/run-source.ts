import { StorageError } from '../core/errors.ts';
import { type FileSource, MemoryFiles } from '../core/files.ts';
import { type ListedModel, MODEL_LIST_FILE, parseModelList } from '../engine/checkpoint/model-list.ts';
import { RUN_FILES } from '../pipeline/train/run-record.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { shippedFolders } from '../platform/shipped-models.ts';

/** The network that is used if none is named. */
export const DEFAULT_MODEL = 'ms-lesions';

/** The networks that come with the program, and where their files lie. */
export interface ShippedModels {
  readonly folder: NodeFolder;
  readonly list: readonly ListedModel[];
}

/** Finds them; undefined in a copy without any. @throws CheckpointError for a damaged list, StorageError. */
export async function shippedModels(): Promise<ShippedModels | undefined> {
  for (const place of shippedFolders()) {
    const folder = new NodeFolder(place);
    if (!(await folder.exists())) continue;
    const names = (await folder.list('')).map(({ name }) => name);
    if (!names.includes(MODEL_LIST_FILE)) continue;
    const text = new TextDecoder().decode(await folder.read(MODEL_LIST_FILE));
    return { folder, list: parseModelList(text, MODEL_LIST_FILE) };
  }
  return undefined;
}

/** What a network that comes with the program is called: `ms-lesions` for `models/ms-lesions.safetensors`. */
export function shippedName({ file }: ListedModel): string {
  return file.replace(/^.*\//, '').replace(/\.safetensors$/, '');
}

/**
 * What RUN stands for: the folder of a run or an import, a model file, or the name of a network that comes with the
 * program. A folder or a file of that name goes before it.
 * @returns a folder with `model.safetensors`
 * @throws StorageError for what is none of these, with the names that exist; CheckpointError for a damaged list.
 */
export async function openRun(place: string): Promise<FileSource> {
  if (place.endsWith('.safetensors')) {
    const cut = Math.max(place.lastIndexOf('/'), place.lastIndexOf('\\')) + 1;
    const name = place.slice(cut);
    return await asRun(name, await new NodeFolder(place.slice(0, cut) || '.').read(name));
  }
  const folder = new NodeFolder(place);
  if (await folder.exists()) return folder;
  const shipped = await shippedModels();
  const listed = shipped?.list.find((each) => shippedName(each) === place);
  if (shipped && listed) return await asRun(place, await shipped.folder.read(listed.file));
  const names = (shipped?.list ?? []).map(shippedName);
  throw new StorageError(
    `${place}: there is no such folder, and no network of that name comes with the program`,
    {
      hint: `Give the folder of a run, a model file (.safetensors), or ${
        names.length > 0
          ? `one of ${names.join(', ')}`
          : 'build the program again: its own networks are missing'
      }.`,
    },
  );
}

async function asRun(name: string, bytes: Uint8Array): Promise<FileSource> {
  const files = new MemoryFiles(name);
  await files.write(RUN_FILES.model, bytes);
  return files;
}
