import { rename } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { codeOf } from './storage-error.ts';

/** What Windows answers while a virus scanner, an indexer or a reader has one of the two files open. */
const BUSY = ['EPERM', 'EACCES', 'EBUSY'];
/** Waits between tries, in milliseconds: 5 s in all. */
const WAITS = [10, 20, 50, 100, 200, 400, 800, 1400, 2020] as const;

/** What {@link renameOver} does by default; a test puts another system in its place. */
export interface RenameSystem {
  readonly platform: NodeJS.Platform;
  readonly rename: (from: string, to: string) => Promise<void>;
  readonly wait: (ms: number) => Promise<unknown>;
}

/**
 * Gives a file the name of another, which it replaces. On Windows a file that is open in another process cannot be replaced;
 * such a file is closed again within moments, so that the call tries for up to 5 s.
 *
 * @throws the last error of the file system.
 */
export async function renameOver(
  from: string,
  to: string,
  system: RenameSystem = { platform: process.platform, rename, wait },
): Promise<void> {
  const waits = system.platform === 'win32' ? WAITS : [];
  for (let tries = 0; ; tries++) {
    try {
      await system.rename(from, to);
      return;
    } catch (error) {
      const ms = waits[tries];
      if (ms === undefined || !BUSY.includes(codeOf(error))) throw error;
      await system.wait(ms);
    }
  }
}
