import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where what can be found again is kept: `voxelgrad` in XDG_CACHE_HOME, else in `.cache` of the home folder. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'voxelgrad');
}
