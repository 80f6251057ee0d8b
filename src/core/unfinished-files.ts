import type { FileStore } from './files.ts';

const UNFINISHED = /^\..+\.\d+-\d+\.tmp$/;

/** The name under which a file is written before it takes its own: what a killed process leaves. */
export function unfinishedName(name: string, pid: number, write: number): string {
  return `.${name.slice(0, 200)}.${pid}-${write}.tmp`;
}

/**
 * Takes away what killed processes left half-written. For the only process that works in the folder.
 * @param deep folders inside it as well
 * @throws StorageError
 */
export async function removeUnfinished(files: FileStore, folder: string, deep = false): Promise<void> {
  for (const { name, kind } of await files.list(folder)) {
    const path = folder === '' ? name : `${folder}/${name}`;
    if (kind === 'file' && UNFINISHED.test(name)) await files.remove(path);
    if (kind === 'folder' && deep) await removeUnfinished(files, path, true);
  }
}
