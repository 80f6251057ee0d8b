import { StorageError } from '../core/errors.ts';
import { canonicalJson } from '../core/json.ts';
import type { NodeFolder } from '../platform/node-files.ts';
import { packageVersion } from '../platform/terminal.ts';

const DESCRIPTION = 'dataset_description.json';

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
  await out.write(DESCRIPTION, description(name));
}

/** @throws StorageError where the folder holds files that are none of `name`'s. */
export async function requireOwnFolder(out: NodeFolder, name: string): Promise<void> {
  const names = (await out.list('')).map((entry) => entry.name).filter((file) => !file.startsWith('.'));
  if (names.length === 0) return;
  const text = names.includes(DESCRIPTION) ? new TextDecoder().decode(await out.read(DESCRIPTION)) : '';
  if (text.includes(`"Name": ${JSON.stringify(name)}`)) return;
  const what = name.replace(/^voxelgrad /, '');
  throw new StorageError(`${out.name}: holds files that are no ${what} (${names.slice(0, 3).join(', ')})`, {
    hint: 'Choose a new folder.',
  });
}

/** What BIDS wants of a folder of derivatives; a later run tells predictions from truth by it. */
function description(name: string): Uint8Array {
  const content = {
    Name: name,
    BIDSVersion: '1.9.0',
    DatasetType: 'derivative',
    GeneratedBy: [{ Name: 'voxelgrad', Version: packageVersion() }],
  };
  return new TextEncoder().encode(`${canonicalJson(content, 2)}\n`);
}
