import { UsageError } from '../core/errors.ts';
import { NodeFolder } from '../platform/node-files.ts';

/** A text file that the user names, by any path. @throws StorageError, UsageError where it is not UTF-8. */
export async function readTextFile(path: string): Promise<string> {
  const at = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1;
  const bytes = await new NodeFolder(path.slice(0, at) || '.').read(path.slice(at));
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new UsageError(`${path} is not text in UTF-8`, { cause });
  }
}
