import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, it } from 'vitest';
import { writeNifti } from '../../../src/imaging/nifti/write.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-memory-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('a file of 134 MB is read in less memory than its bytes alone would take', () => {
  const edge = 256;
  const grid = axisAlignedGrid([edge, edge, edge], [1, 1, 1]);
  const data = Float32Array.from({ length: edge ** 3 }, (_, i) => i % 1013);
  const file = writeNifti({ grid, data }, { datatype: 'float64', gzip: false });
  const path = join(folder, 'x.nii.gz');
  writeFileSync(path, gzipSync(file, { level: 0 }));
  const script = fileURLToPath(new URL('../../../bench/soak/read-one.ts', import.meta.url));
  const out = execFileSync(process.execPath, ['--import', 'tsx', script, path], { encoding: 'utf8' });
  const { before, peak, voxels } = JSON.parse(out) as { before: number; peak: number; voxels: number };
  expect(voxels).toBe(edge ** 3);
  const grown = peak - before;
  expect(grown).toBeGreaterThan(0.9 * 4 * voxels);
  expect(grown).toBeLessThan(0.9 * file.length);
});
