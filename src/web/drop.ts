import { StorageError } from '../core/errors.ts';
import type { DroppedFile } from './protocol.ts';

/** Files and folders of a drop, folders walked to the bottom. Must be called while the event is being handled. */
export async function droppedFiles(transfer: DataTransfer): Promise<DroppedFile[]> {
  const entries = [...transfer.items]
    .filter((item) => item.kind === 'file')
    .map((item) => item.webkitGetAsEntry())
    .filter((entry) => entry !== null);
  if (entries.length === 0) return [...transfer.files].map((file) => ({ path: file.name, file }));
  const walked = await Promise.all(entries.map(walk));
  return walked.flat();
}

/** Files of a file chooser; a chosen folder's files have their paths in it. */
export function chosenFiles(list: FileList | null): DroppedFile[] {
  return [...(list ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

async function walk(entry: FileSystemEntry): Promise<DroppedFile[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, (cause) => reject(unreadable(entry, cause))),
    );
    return [{ path: entry.fullPath.replace(/^\//, ''), file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const files: DroppedFile[] = [];
  // A reader gives a hundred entries at a time, and none at the end.
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, (cause) => reject(unreadable(entry, cause))),
    );
    if (entries.length === 0) return files;
    for (const each of entries) files.push(...(await walk(each)));
  }
}

function unreadable(entry: FileSystemEntry, cause: unknown): StorageError {
  return new StorageError(`${entry.fullPath.replace(/^\//, '')}: the browser cannot read it`, {
    hint: 'Check its permissions and that it still exists, or choose its files with the button.',
    cause,
  });
}
