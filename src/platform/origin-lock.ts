import { StorageError } from '../core/errors.ts';

/**
 * Does work that only one tab of the origin may do at a time. The browser gives the lock back when the work ends, and
 * when its tab is closed.
 * @param what is done, for the message: `fine-tuning`
 * @throws StorageError where another tab is at it; whatever `work` throws.
 */
export async function withOriginLock<T>(what: string, work: () => Promise<T>): Promise<T> {
  return await navigator.locks.request(`voxelgrad ${what}`, { ifAvailable: true }, async (lock) => {
    if (lock) return await work();
    throw new StorageError(`another tab is at ${what}`, {
      hint: 'Continue there, or close that tab first.',
    });
  });
}
