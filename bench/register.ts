/**
 * `npm run bench:register`: rigid registration on the raw scans of ../shared/data/open-ms-longitudinal_raw (or VOXELGRAD_DATA) against the
 * data's own transforms: mean distance over the brain's voxels, in both directions, with the brain mask and without it, and
 * the capture range from eight starts (`-- capture`). Lines go to bench/results/register.jsonl; seconds are wall time.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { readNifti } from '../src/imaging/nifti/read.ts';
import { gpuComparison } from '../src/imaging/register/joint-histogram.ts';
import { gridCentre, poseMatrix } from '../src/imaging/register/pose.ts';
import { inverseTransform, registerVolumes } from '../src/imaging/register/register.ts';
import { movedGrid } from '../src/imaging/volume/resample-spline.ts';
import { toWorld, type Volume } from '../src/imaging/volume/volume.ts';
import { openNodeGpu } from '../src/platform/node.ts';
import { sharedData } from '../test/data.ts';

const PAIRS = [
  ...[['L01', 1, 'T1w'] as const, ['L01', 2, 'T1w'] as const, ['L03', 2, 'T1w'] as const],
  ...[['L12', 1, 'T1w'] as const, ['L12', 2, 'T1w'] as const, ['L20', 2, 'T1w'] as const],
  ...[['L01', 1, 'T2w'] as const, ['L01', 2, 'T2w'] as const, ['L03', 1, 'T2w'] as const],
];
/** Corners of a cube: turns of 20 degrees and shifts of 20 mm in all. */
const STARTS = Array.from({ length: 8 }, (_, i) => {
  const [a, b, c] = [i & 1, i & 2, i & 4].map((bit) => (bit ? 1 : -1)) as [number, number, number];
  const [shift, turn] = [20 / Math.sqrt(3), ((20 / Math.sqrt(3)) * 80 * Math.PI) / 180];
  return [a * shift, b * shift, c * shift, b * turn, c * turn, a * turn];
});

const data = sharedData();
if (!data) process.exit(0);
const root = `${data}/open-ms-longitudinal_raw`;
const gpu = await openNodeGpu();
const compare = gpuComparison(gpu);
const read = async (path: string): Promise<Volume> =>
  (await readNifti(new Uint8Array(readFileSync(path)), path)).volume;

for (const [subject, visit, modality] of PAIRS) {
  const folder = `sub-${subject}/ses-${visit}/anat/sub-${subject}_ses-${visit}`;
  const flair = await read(`${root}/${folder}_FLAIR.nii.gz`);
  const other = await read(`${root}/${folder}_${modality}.nii.gz`);
  const masked = await read(`${root}/derivatives/brainmask/${folder}_space-FLAIR_desc-brain_mask.nii.gz`);
  const mask = Uint8Array.from(masked.data, (v) => (v > 0 ? 1 : 0));
  const { transforms } = JSON.parse(
    readFileSync(`${root}/derivatives/transforms/${folder}_xfm.json`, 'utf8'),
  ) as {
    transforms: { from: string; to: string; matrix: number[][] }[];
  };
  const rows = transforms.find(({ from, to }) => from === 'FLAIR' && to === modality)!.matrix;
  const truth = Float64Array.from({ length: 16 }, (_, i) => rows[i % 4]![Math.floor(i / 4)]!);
  const error = (transform: Float64Array): number => meanDistance(transform, truth, masked, mask);
  const pair = `${subject}-${visit} ${modality}`;
  if (process.argv[2] === 'capture') {
    const errors: number[] = [];
    for (const start of STARTS) {
      const moved = poseMatrix(start, gridCentre(other.grid));
      const found = await registerVolumes(
        compare,
        flair,
        { ...other, grid: movedGrid(other.grid, moved) },
        { mask },
      );
      const whole = new Float64Array(16);
      multiply(whole, moved, found.transform);
      errors.push(error(whole));
    }
    report({ pair, capture: errors.map(round), within: errors.filter((e) => e <= 0.5).length });
    continue;
  }
  const timed = async (use?: Uint8Array): Promise<{ mm: number; seconds: number }> => {
    const begin = performance.now();
    const found = await registerVolumes(compare, flair, other, { mask: use });
    return { mm: round(error(found.transform)), seconds: round((performance.now() - begin) / 1000) };
  };
  const back = await registerVolumes(compare, other, flair);
  report({
    pair,
    header: round(error(Float64Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1))),
    masked: await timed(mask),
    whole: await timed(),
    backWhole: round(error(inverseTransform(back.transform))),
  });
}
await gpu.close();

function report(line: object): void {
  const text = JSON.stringify({ ...line, adapter: gpu.capabilities.family, load: round(loadavg()[0]!) });
  console.log(text);
  appendFileSync(new URL('results/register.jsonl', import.meta.url), `${text}\n`);
}

function round(v: number): number {
  return Math.round(v * 1000) / 1000;
}

/** out = a b, column-major. */
function multiply(out: Float64Array, a: Float64Array, b: Float64Array): void {
  for (let i = 0; i < 16; i++) {
    let sum = 0;
    for (let k = 0; k < 4; k++) sum += a[k * 4 + (i % 4)]! * b[Math.floor(i / 4) * 4 + k]!;
    out[i] = sum;
  }
}

function meanDistance(a: Float64Array, b: Float64Array, { grid }: Volume, mask: Uint8Array): number {
  const [nx, ny] = grid.shape;
  let [sum, count] = [0, 0];
  for (let i = 0; i < mask.length; i += 7) {
    if (mask[i] === 0) continue;
    const p = toWorld(grid, [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))]);
    const gap = (r: number): number =>
      (a[r]! - b[r]!) * p[0] +
      (a[4 + r]! - b[4 + r]!) * p[1] +
      (a[8 + r]! - b[8 + r]!) * p[2] +
      a[12 + r]! -
      b[12 + r]!;
    sum += Math.hypot(gap(0), gap(1), gap(2));
    count++;
  }
  return sum / count;
}
