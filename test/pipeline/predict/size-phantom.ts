import { MemoryFiles } from '../../../src/core/files.ts';
import { Random } from '../../../src/core/random.ts';
import type { ScanVoxels } from '../../../src/imaging/dataset/resample-scan.ts';
import { writeNifti } from '../../../src/imaging/nifti/write.ts';
import { type Grid, toWorld, voxelCount } from '../../../src/imaging/volume/volume.ts';

/** A ball in world coordinates, in mm. */
interface Ball {
  readonly centre: readonly [number, number, number];
  readonly radius: number;
}

/** A brain in which nothing but its size tells a lesion from what is none: both are balls of the same brightness. */
export interface SizePhantom {
  readonly lesions: readonly Ball[];
  readonly others: readonly Ball[];
}

const BRAIN: Ball = { centre: [0, 0, 0], radius: 31 };
const LESION_RADIUS = 5;
const OTHER_RADIUS = 2.5;

/** A patient with eight lesions and twenty-four smaller balls. */
export function sizePhantom(seed: number): SizePhantom {
  const random = new Random(seed);
  const balls: Ball[] = [];
  while (balls.length < 32) {
    const radius = balls.length < 8 ? LESION_RADIUS : OTHER_RADIUS;
    const centre = [0, 1, 2].map(() => random.uniform(-26, 26)) as [number, number, number];
    const apart = balls.every((ball) => distance(centre, ball.centre) > radius + ball.radius + 2.5);
    if (apart && distance(centre, BRAIN.centre) < BRAIN.radius - radius - 2) balls.push({ centre, radius });
  }
  return { lesions: balls.slice(0, 8), others: balls.slice(8) };
}

/** The patient as a scanner with this grid sees it: FLAIR, brain and truth. */
export function scanOf(
  { lesions, others }: SizePhantom,
  grid: Grid,
  seed: number,
): Required<Pick<ScanVoxels, 'grid' | 'channels' | 'brain'>> & { readonly lesions: Uint8Array } {
  const random = new Random(seed);
  const [nx, ny] = grid.shape;
  const count = voxelCount(grid);
  const flair = new Float32Array(count);
  const brain = new Uint8Array(count);
  const truth = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const at = toWorld(grid, [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))]);
    if (distance(at, BRAIN.centre) > BRAIN.radius) continue;
    brain[i] = 1;
    const depth = (ball: Ball): number => ball.radius - distance(at, ball.centre);
    const deepest = Math.max(...[...lesions, ...others].map(depth));
    // An edge of 2 mm, as partial volume makes it.
    flair[i] = 100 + 80 * Math.min(1, Math.max(0, 0.5 + deepest / 2)) + random.normal(0, 5);
    if (lesions.some((ball) => depth(ball) >= 0)) truth[i] = 1;
  }
  return { grid, channels: [{ name: 'FLAIR', data: flair }], brain, lesions: truth };
}

/** Scans as a BIDS data set, subjects 01, 02, ... */
export function datasetOf(scans: readonly ReturnType<typeof scanOf>[]): MemoryFiles {
  const files = new MemoryFiles('sizes');
  for (const [i, { grid, channels, brain, lesions }] of scans.entries()) {
    const id = `sub-${String(i + 1).padStart(2, '0')}`;
    const write = (path: string, data: Float32Array | Uint8Array): void => {
      const datatype = data instanceof Uint8Array ? 'uint8' : 'float32';
      files.files.set(path, writeNifti({ grid, data }, { datatype }));
    };
    write(`${id}/anat/${id}_FLAIR.nii.gz`, channels[0]!.data);
    write(`derivatives/lesions/${id}/anat/${id}_label-lesion_mask.nii.gz`, lesions);
    write(`derivatives/brainmask/${id}/anat/${id}_desc-brain_mask.nii.gz`, brain);
  }
  return files;
}

function distance(a: readonly [number, number, number], b: readonly [number, number, number]): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}
