import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * The folder of real brain MRI that some tests use: VOXELGRAD_DATA, or ../shared/data beside the project.
 * Tests that need it skip where it is absent: `describe.skipIf(data === undefined)`.
 */
export function sharedData(): string | undefined {
  const wanted = process.env.VOXELGRAD_DATA;
  const folder = wanted ?? fileURLToPath(new URL('../../shared/data', import.meta.url));
  if (existsSync(folder)) return folder;
  console.warn(`real MRI not found at ${folder}: tests that need it are skipped (set VOXELGRAD_DATA)`);
  return undefined;
}
