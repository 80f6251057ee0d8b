import { StorageError } from '../core/errors.ts';
import { packageFolder } from './checkout.ts';
import { NodeFolder } from './node-files.ts';

/** Where networks lie that come with the program: in a checkout, and in the app as it is built for the package. */
const FOLDERS = ['src/web/public/models', 'dist/web/models'];

/**
 * The file of a network that comes with the program, such as `brain`.
 * @throws StorageError where there is no such file.
 */
export async function readShippedModel(name: string): Promise<Uint8Array> {
  const file = `${name}.safetensors`;
  const folder = new NodeFolder(packageFolder());
  for (const place of FOLDERS)
    if ((await folder.list(place).catch(() => [])).some((entry) => entry.name === file))
      return await folder.read(`${place}/${file}`);
  throw new StorageError(`${folder.name}: the network ${file} is in neither ${FOLDERS.join(' nor ')}`, {
    hint: 'Install the package again, or run `npm run build:web` in a checkout.',
  });
}
