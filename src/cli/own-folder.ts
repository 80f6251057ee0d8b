import type { ArgDef } from 'citty';
import { StorageError } from '../core/errors.ts';
import { type Scan, scanFolder, scanName } from '../imaging/dataset/dataset.ts';
import {
  DESCRIPTION_FILE,
  type DerivativeOrigin,
  derivativeDescription,
  describedModel,
  IGNORE_FILE,
  ignoredNames,
} from '../imaging/dataset/derivative.ts';
import { hasFile } from '../pipeline/train/run-record.ts';
import type { NodeFolder } from '../platform/node-files.ts';
import { packageVersion } from '../platform/terminal.ts';

/**
 * Makes a folder one of voxelgrad's derivatives: derivatives go into a new folder or one that voxelgrad made before,
 * never among other files, since their names are those of true masks and maps.
 *
 * @param name what BIDS's description calls the content: `voxelgrad predictions`
 * @throws StorageError where the folder cannot be written or holds other files.
 */
export async function claimFolder(
  out: NodeFolder,
  name: string,
  origin: DerivativeOrigin = {},
): Promise<void> {
  await out.checkWritable();
  await requireOwnFolder(out, name, origin.model);
  await out.tidy();
  await out.write(DESCRIPTION_FILE, derivativeDescription(name, packageVersion(), origin));
  await out.write(IGNORE_FILE, ignoredNames());
}

/**
 * @param model SHA-256 of the network whose files they must be, if one makes them
 * @throws StorageError where the folder holds files that are none of `name`'s, or another network's.
 */
export async function requireOwnFolder(out: NodeFolder, name: string, model?: string): Promise<void> {
  const names = (await out.list('')).map((entry) => entry.name).filter((file) => !file.startsWith('.'));
  if (names.length === 0) return;
  const text = names.includes(DESCRIPTION_FILE)
    ? new TextDecoder().decode(await out.read(DESCRIPTION_FILE))
    : '';
  if (text.includes(`"Name": ${JSON.stringify(name)}`)) {
    const other = describedModel(text);
    if (model === undefined || other === undefined || other === model) return;
    throw new StorageError(
      `${out.name}: holds what another model made (${other.slice(0, 12)}…, this one is ${model.slice(0, 12)}…)`,
      { hint: 'Choose a new folder, so that nobody takes one for the other.' },
    );
  }
  const what = name.replace(/^voxelgrad /, '');
  throw new StorageError(`${out.name}: holds files that are not ${what} (${names.slice(0, 3).join(', ')})`, {
    hint: 'Choose a new folder.',
  });
}

/** The option that lets outputs be replaced. */
export const OVERWRITE_ARG: ArgDef = {
  type: 'boolean',
  description: 'Replace what the folder holds of these scans',
};

/**
 * Nothing that was made before, and may have been corrected by hand since, is lost to a repeated command.
 * @param overwrite whether that was asked for
 * @throws StorageError naming the scans of which the folder holds files already.
 */
export async function requireNew(out: NodeFolder, scans: readonly Scan[], overwrite: boolean): Promise<void> {
  if (overwrite) return;
  const there: string[] = [];
  for (const scan of scans) {
    const files = await out.list(scanFolder(scan));
    if (files.some(({ name }) => name.startsWith(`${scanName(scan)}_`))) there.push(scanName(scan));
  }
  refuseToReplace(out, 'files of ', there, 'Choose another folder, name other scans with --subjects, or');
}

/** {@link requireNew} by the paths of files. @throws StorageError naming those that the folder holds already. */
export async function requireNewFiles(
  out: NodeFolder,
  paths: readonly string[],
  overwrite: boolean,
): Promise<void> {
  if (overwrite) return;
  const there: string[] = [];
  for (const path of paths) if (await hasFile(out, path)) there.push(path);
  refuseToReplace(out, '', there, 'Choose another folder, or');
}

/** @param otherwise what else can be done */
function refuseToReplace(out: NodeFolder, what: string, there: readonly string[], otherwise: string): void {
  if (there.length === 0) return;
  const more = there.length > 3 ? ` and ${there.length - 3} more` : '';
  throw new StorageError(`${out.name}: holds ${what}${there.slice(0, 3).join(', ')}${more} already`, {
    hint: `${otherwise} add --overwrite to replace them.`,
  });
}
