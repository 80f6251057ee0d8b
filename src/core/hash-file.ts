import type { FileSource } from './files.ts';
import { sha256 } from './hash.ts';

/** SHA-256 of a file, in hexadecimal; read in pieces where the platform can. @throws StorageError */
export async function hashFile(files: FileSource, path: string): Promise<string> {
  const content = await files.open(path);
  return content.sha256 ? await content.sha256() : await sha256(await files.read(path));
}
