import type { FileSource } from '../../core/files.ts';
import { joinPath } from './tissue-files.ts';

/** Folders that are looked into, and files of each: enough for an archive of patients, studies and series. */
const DEPTH = 5;
const FOLDERS = 50;
const PER_FOLDER = 3;

/** Where `DICM` stands in a DICOM file. */
const MAGIC_AT = 128;
const MAGIC = 'DICM';

/**
 * Whether bytes are the beginning of a DICOM file: `DICM` after a preamble of 128 bytes.
 * @param bytes at least the first 132
 */
export function isDicom(bytes: Uint8Array): boolean {
  return [...MAGIC].every((letter, i) => bytes[MAGIC_AT + i] === letter.charCodeAt(0));
}

/** Reads the beginning of a file, and whether it is DICOM. @returns false also if it cannot be read */
export async function isDicomFile(files: FileSource, path: string): Promise<boolean> {
  try {
    const reader = (await files.open(path)).stream().getReader();
    const head = new Uint8Array(MAGIC_AT + MAGIC.length);
    let filled = 0;
    while (filled < head.length) {
      const { done, value } = await reader.read();
      if (done) break;
      const part = value.subarray(0, head.length - filled);
      head.set(part, filled);
      filled += part.length;
    }
    await reader.cancel();
    return isDicom(head);
  } catch {
    return false;
  }
}

/** The first DICOM file of a tree, by its content: scanners name them as they like. Undefined if none is seen. */
export async function findDicom(files: FileSource): Promise<string | undefined> {
  let looked = 0;
  const walk = async (path: string, depth: number): Promise<string | undefined> => {
    if (looked++ >= FOLDERS) return undefined;
    const entries = (await files.list(path)).filter(({ name }) => !name.startsWith('.'));
    const plain = entries.filter(
      ({ name, kind }) => kind === 'file' && !/\.(nii|gz|json|tsv|txt)$/i.test(name),
    );
    for (const { name } of plain.slice(0, PER_FOLDER))
      if (name === 'DICOMDIR' || (await isDicomFile(files, joinPath(path, name))))
        return joinPath(path, name);
    if (depth === 0) return undefined;
    for (const { name, kind } of entries) {
      const found = kind === 'folder' ? await walk(joinPath(path, name), depth - 1) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return await walk('', DEPTH);
}
