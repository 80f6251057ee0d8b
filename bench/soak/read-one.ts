/** Reads the image at a path, and prints the bytes that were resident before, and the most that were. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { readVoxels } from '../../src/imaging/nifti/read.ts';
import { NodeFolder } from '../../src/platform/node-files.ts';

const path = process.argv[2]!;
const folder = new NodeFolder(dirname(path));
const before = process.memoryUsage.rss();
const { voxels } = await readVoxels(await folder.open(basename(path)), path);
const peak = mostResident();
console.log(JSON.stringify({ before, peak, voxels: voxels.length }));

/** Where it can be had, that of this program alone: the system's maximum holds what its parent had when it began. */
function mostResident(): number {
  const file = '/proc/self/status';
  const own = existsSync(file) && /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(file, 'utf8'))?.[1];
  return 1024 * (own ? Number(own) : process.resourceUsage().maxRSS);
}
