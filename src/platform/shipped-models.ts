import { join } from 'node:path';
import { StorageError } from '../core/errors.ts';
import { packageFolder } from './checkout.ts';
import { NodeFolder } from './node-files.ts';

/** Folders in which the networks that come with the package may lie, in `models`: the source tree's own first. */
export function shippedFolders(): readonly string[] {
  return ['src/web/public', 'dist/web'].map((place) => join(packageFolder(), place));
}

/**
 * The file of a network that comes with the program, such as `brain`.
 * @throws StorageError if the package does not hold it.
 */
export async function readShippedModel(name: string): Promise<Uint8Array> {
  const file = `${name}.safetensors`;
  for (const place of shippedFolders()) {
    const folder = new NodeFolder(join(place, 'models'));
    if ((await folder.exists()) && (await folder.list('')).some((entry) => entry.name === file))
      return await folder.read(file);
  }
  throw new StorageError(`the network ${file} is in none of ${shippedFolders().join(', ')}`, {
    hint: 'Install the package again, or run `npm run build:web` in a checkout.',
  });
}
