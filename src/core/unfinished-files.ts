import type { FileStore } from './files.ts';
import { toHex } from './hash.ts';

/** The names of {@link unfinishedName}, and those of earlier versions: a process id and a counter. */
const UNFINISHED = /^\.(?:.+\.(?:[0-9a-f]{16}|\d+-\d+)|voxelgrad-\d+-\d+)\.tmp$/;

/**
 * A name under which a file is written before it takes its own: what a killed process leaves. It is random, since process
 * ids come again: in a container every program may be number 1.
 */
export function unfinishedName(name: string): string {
  return `.${name.slice(0, 200)}.${toHex(crypto.getRandomValues(new Uint8Array(8)))}.tmp`;
}

/** Whether a file's name says that it was never finished. */
export function isUnfinished(name: string): boolean {
  return UNFINISHED.test(name);
}

/**
 * Takes away what killed processes left half-written. For the only process that works in the folder.
 * @param deep folders inside it as well
 * @throws StorageError
 */
export async function removeUnfinished(files: FileStore, folder: string, deep = false): Promise<void> {
  for (const { name, kind } of await files.list(folder)) {
    const path = folder === '' ? name : `${folder}/${name}`;
    if (kind === 'file' && isUnfinished(name)) await files.remove(path);
    if (kind === 'folder' && deep) await removeUnfinished(files, path, true);
  }
}
