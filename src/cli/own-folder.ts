import { StorageError } from '../core/errors.ts';
import { DESCRIPTION_FILE, derivativeDescription } from '../imaging/dataset/derivative.ts';
import type { NodeFolder } from '../platform/node-files.ts';
import { packageVersion } from '../platform/terminal.ts';

/**
 * Makes a folder one of voxelgrad's derivatives: derivatives go into a new folder or one that voxelgrad made before,
 * never among other files, since their names are those of true masks and maps.
 *
 * @param name what BIDS's description calls the content: `voxelgrad predictions`
 * @throws StorageError where the folder cannot be written or holds other files.
 */
export async function claimFolder(out: NodeFolder, name: string): Promise<void> {
  await out.checkWritable();
  await requireOwnFolder(out, name);
  await out.tidy();
  await out.write(DESCRIPTION_FILE, derivativeDescription(name, packageVersion()));
}

/** @throws StorageError where the folder holds files that are none of `name`'s. */
export async function requireOwnFolder(out: NodeFolder, name: string): Promise<void> {
  const names = (await out.list('')).map((entry) => entry.name).filter((file) => !file.startsWith('.'));
  if (names.length === 0) return;
  const text = names.includes(DESCRIPTION_FILE)
    ? new TextDecoder().decode(await out.read(DESCRIPTION_FILE))
    : '';
  if (text.includes(`"Name": ${JSON.stringify(name)}`)) return;
  const what = name.replace(/^voxelgrad /, '');
  throw new StorageError(`${out.name}: holds files that are no ${what} (${names.slice(0, 3).join(', ')})`, {
    hint: 'Choose a new folder.',
  });
}
