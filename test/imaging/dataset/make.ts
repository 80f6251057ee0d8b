import { MemoryFiles } from '../../../src/core/files.ts';
import { writeNifti } from '../../../src/imaging/nifti/write.ts';
import {
  axisAlignedGrid,
  type Grid,
  gridFromAffine,
  voxelCount,
} from '../../../src/imaging/volume/volume.ts';

/** A small left-handed (LAS) grid, as real data has it. */
export const GRID: Grid = gridFromAffine(
  [12, 14, 10],
  new Float64Array([-2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 90, -126, -72, 1]),
);
export const OTHER_GRID: Grid = axisAlignedGrid([12, 14, 10], [2, 2, 2.5]);

export type Value = (x: number, y: number, z: number) => number;

/** Inside an ellipsoid in the middle of the grid. */
export const inBrain: Value = (x, y, z) =>
  ((x - 5.5) / 4) ** 2 + ((y - 6.5) / 5) ** 2 + ((z - 4.5) / 3.5) ** 2 <= 1 ? 1 : 0;
/** Two lesions: one of 2x2x2 voxels inside, one voxel outside the brain. */
export const lesion: Value = (x, y, z) =>
  (x >= 5 && x <= 6 && y >= 6 && y <= 7 && z >= 4 && z <= 5) || (x === 0 && y === 0 && z === 0) ? 1 : 0;

/** Values of a function on a grid's voxels. */
export function values(value: Value, grid: Grid = GRID): Float32Array {
  const [nx, ny] = grid.shape;
  return Float32Array.from({ length: voxelCount(grid) }, (_, i) =>
    value(i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))),
  );
}

export function image(value: Value, grid: Grid = GRID): Uint8Array {
  return writeNifti({ grid, data: values(value, grid) }, { datatype: 'float32' });
}

export function maskFile(value: Value, grid: Grid = GRID): Uint8Array {
  return writeNifti({ grid, data: values(value, grid) }, { datatype: 'uint8' });
}

/** A skull-stripped image with a gradient, brighter in lesions. */
export const brainImage =
  (bright: number): Value =>
  (x, y, z) =>
    inBrain(x, y, z) * (100 + x + 2 * y + 3 * z + bright * lesion(x, y, z));

/** A tree from path and content. */
export function tree(files: Readonly<Record<string, Uint8Array | string>>, name = 'set'): MemoryFiles {
  const memory = new MemoryFiles(name);
  for (const [path, content] of Object.entries(files))
    memory.files.set(path, typeof content === 'string' ? new TextEncoder().encode(content) : content);
  return memory;
}

/** A tree of empty files, for tests that never read one. */
export function names(...paths: string[]): MemoryFiles {
  return tree(Object.fromEntries(paths.map((path) => [path, ''])));
}

/** A whole BIDS patient: three modalities, masks, tissue maps. */
export function bidsPatient(id: string): Record<string, Uint8Array> {
  const anat = `sub-${id}/anat`;
  const tissue = (share: number): Uint8Array => image((x, y, z) => inBrain(x, y, z) * share);
  return {
    [`${anat}/sub-${id}_FLAIR.nii.gz`]: image(brainImage(80)),
    [`${anat}/sub-${id}_T1w.nii.gz`]: image(brainImage(-30)),
    [`${anat}/sub-${id}_T2w.nii.gz`]: image(brainImage(40)),
    [`derivatives/lesions/${anat}/sub-${id}_label-lesion_mask.nii.gz`]: maskFile(lesion),
    [`derivatives/brainmask/${anat}/sub-${id}_desc-brain_mask.nii.gz`]: maskFile(inBrain),
    [`derivatives/spm/${anat}/c1sub-${id}_T1w.nii.gz`]: tissue(0.5),
    [`derivatives/spm/${anat}/c2sub-${id}_T1w.nii.gz`]: tissue(0.3),
    [`derivatives/spm/${anat}/c3sub-${id}_T1w.nii.gz`]: tissue(0.1),
  };
}
