/** Reads the image at a path, and prints the bytes that were resident before, and the most that were. */
import { basename, dirname } from 'node:path';
import { readVoxels } from '../../src/nifti/read.ts';
import { NodeFolder } from '../../src/platform/node-files.ts';

const path = process.argv[2]!;
const folder = new NodeFolder(dirname(path));
const before = process.memoryUsage.rss();
const { voxels } = await readVoxels(await folder.open(basename(path)), path);
const peak = 1024 * process.resourceUsage().maxRSS;
console.log(JSON.stringify({ before, peak, voxels: voxels.length }));
