import { existsSync } from 'node:fs';
import { gunzipSync } from 'fflate';
import { NodeFolder } from '../../src/platform/node-files.ts';
import { sharedData } from '../../test/data.ts';

/** Extent that the images are cut to along each axis. */
const EXTENT = 4;
const BODY = 352;

/** Small NIfTI files with the headers of real ones; none where the data is absent. */
export async function realHeaders(): Promise<Uint8Array[]> {
  const data = sharedData();
  const found: Uint8Array[] = [];
  if (data === undefined) return found;
  for (const set of [
    'open-ms-lesjak2017_2mm',
    'isbi2015-layout_2mm',
    'open-ms-lesjak2017_lesion-masks_1mm',
  ]) {
    if (!existsSync(`${data}/${set}`)) continue;
    const folder = new NodeFolder(`${data}/${set}`);
    for (const path of (await filesBelow(folder, '')).filter((name) => name.endsWith('.nii.gz')).slice(0, 4))
      found.push(shrink(gunzipSync(await folder.read(path))));
  }
  return found;
}

async function filesBelow(folder: NodeFolder, path: string): Promise<string[]> {
  const found: string[] = [];
  for (const { name, kind } of await folder.list(path)) {
    const full = path === '' ? name : `${path}/${name}`;
    if (kind === 'file') found.push(full);
    else found.push(...(await filesBelow(folder, full)));
  }
  return found;
}

/** The header with its extents replaced, and as many voxels. */
function shrink(bytes: Uint8Array): Uint8Array {
  const bits = new DataView(bytes.buffer, bytes.byteOffset).getInt16(72, true);
  const out = bytes.slice(0, BODY + (EXTENT ** 3 * bits) / 8);
  const view = new DataView(out.buffer);
  for (const axis of [1, 2, 3]) view.setInt16(40 + 2 * axis, EXTENT, true);
  return out;
}
