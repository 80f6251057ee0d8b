import { homedir } from 'node:os';
import { posix, win32 } from 'node:path';

/**
 * Where each system keeps what a program can make again: XDG_CACHE_HOME if it is set, else `%LOCALAPPDATA%` on Windows,
 * `~/Library/Caches` on macOS and `~/.cache` elsewhere; in it a folder `voxelgrad`.
 */
export function cacheFolder(
  platform: NodeJS.Platform = process.platform,
  environment: NodeJS.ProcessEnv = process.env,
  home: string = homedir(),
): string {
  const { join } = platform === 'win32' ? win32 : posix;
  return join(environment.XDG_CACHE_HOME || systemCache(platform, environment, home), 'voxelgrad');
}

function systemCache(platform: NodeJS.Platform, environment: NodeJS.ProcessEnv, home: string): string {
  if (platform === 'win32') return environment.LOCALAPPDATA || win32.join(home, 'AppData', 'Local');
  return platform === 'darwin' ? posix.join(home, 'Library', 'Caches') : posix.join(home, '.cache');
}
