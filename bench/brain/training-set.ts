/**
 * Makes what the brain network is trained on: `tsx bench/brain/training-set.ts OUT [MINDGRAB]`. Raw scans of ../shared/data on a
 * coarse grid, each in several contrasts: its own, its grey values drawn anew by a curve, or one value per class of tissue; mirrored and
 * with a smaller field of view at random. MINDGRAB is a folder of that network's masks, for images without a good one.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Random } from '../../src/core/random.ts';
import { readNifti } from '../../src/imaging/nifti/read.ts';
import { writeNifti } from '../../src/imaging/nifti/write.ts';
import { coarseHead } from '../../src/imaging/volume/coarse-head.ts';
import { resample } from '../../src/imaging/volume/resample.ts';
import type { Grid, Volume } from '../../src/imaging/volume/volume.ts';
import { sharedData } from '../../test/data.ts';

const SPACING = 3;
const PATCH = [64, 64, 48] as const;

interface Head {
  readonly grid: Grid;
  readonly data: Float32Array;
  readonly seen: Uint8Array;
  readonly brain: Uint8Array;
}

const [out, teacher] = process.argv.slice(2);
const data = sharedData();
if (!out || !data) process.exit(1);
const root = `${data}/open-ms-longitudinal_raw`;
const read = async (path: string): Promise<Volume> =>
  (await readNifti(new Uint8Array(readFileSync(path)), path)).volume;

const SCANS = [
  ...[
    'L01_ses-1_FLAIR',
    'L01_ses-1_T1w',
    'L01_ses-1_T2w',
    'L01_ses-2_FLAIR',
    'L01_ses-2_T1w',
    'L01_ses-2_T2w',
  ],
  ...['L12_ses-1_FLAIR', 'L12_ses-1_T1w', 'L12_ses-2_FLAIR', 'L12_ses-2_T1w'],
  ...['L20_ses-2_FLAIR', 'L20_ses-2_T1w'],
];
const TAUGHT = ['L03_ses-1_FLAIR', 'L03_ses-1_T2w', 'L03_ses-2_FLAIR', 'L03_ses-2_T1w'];

mkdirSync(out, { recursive: true });
writeFileSync(`${out}/dataset_description.json`, JSON.stringify({ Name: 'heads', BIDSVersion: '1.9.0' }));
for (const [at, name] of SCANS.entries()) await add(name, await goodMask(name), 10, 100 + at);
if (teacher) for (const [at, name] of TAUGHT.entries()) await add(name, await taughtMask(name), 6, 200 + at);
if (teacher) {
  const mask = await read(`${teacher}/sub-01_T1w_mindgrab.nii.gz`);
  await add('H01_ses-1_T1w', mask, 30, 300, `${data}/head-t1_brainchop/sub-01_T1w.nii.gz`);
}

/** The mask of the data; of a T2w the FLAIR's, moved. */
async function goodMask(name: string): Promise<Volume> {
  const [subject, session, modality] = name.split('_') as [string, string, string];
  const stem = `${root}/derivatives/brainmask/sub-${subject}/${session}/anat/sub-${subject}_${session}`;
  if (modality !== 'T2w') return await read(`${stem}_space-${modality}_desc-brain_mask.nii.gz`);
  return await moved(await read(`${stem}_space-FLAIR_desc-brain_mask.nii.gz`), name);
}

/** MindGrab's mask of the visit's FLAIR, moved to another image of it. */
async function taughtMask(name: string): Promise<Volume> {
  const [subject, session, modality] = name.split('_') as [string, string, string];
  const mask = await read(`${teacher}/sub-${subject}_${session}_FLAIR_mindgrab.nii.gz`);
  return modality === 'FLAIR' ? mask : await moved(mask, name);
}

/** A mask of the FLAIR on the grid of another image of the visit, by the transform of the data. */
async function moved(mask: Volume, name: string): Promise<Volume> {
  const [subject, session, modality] = name.split('_') as [string, string, string];
  const path = `${root}/derivatives/transforms/sub-${subject}/${session}/anat/sub-${subject}_${session}_xfm.json`;
  const { transforms } = JSON.parse(readFileSync(path, 'utf8')) as {
    transforms: { from: string; to: string; matrix: number[][] }[];
  };
  const rows = transforms.find(({ from, to }) => from === 'FLAIR' && to === modality)!.matrix;
  const columns = Float64Array.from({ length: 16 }, (_, i) => rows[i % 4]![Math.floor(i / 4)]!);
  const grid = { ...mask.grid, affine: product(columns, mask.grid.affine) };
  const other = await read(`${root}/sub-${subject}/${session}/anat/sub-${name}.nii.gz`);
  return resample({ grid, data: mask.data }, other.grid);
}

function product(a: Float64Array, b: Readonly<Float64Array>): Float64Array {
  return Float64Array.from({ length: 16 }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < 4; k++) sum += a[k * 4 + (i % 4)]! * b[Math.floor(i / 4) * 4 + k]!;
    return sum;
  });
}

async function add(name: string, mask: Volume, variants: number, seed: number, path?: string): Promise<void> {
  const [subject, session, modality] = name.split('_') as [string, string, string];
  const image = await read(path ?? `${root}/sub-${subject}/${session}/anat/sub-${name}.nii.gz`);
  const { grid, data: values, seen } = coarseHead(image, SPACING, PATCH);
  const brain = Uint8Array.from(coarseHead(mask, SPACING, PATCH).data, (v) => (v >= 0.5 ? 1 : 0));
  const head: Head = { grid, data: values, seen, brain };
  const random = new Random(seed);
  for (let k = 0; k < variants; k++) {
    const made = k === 0 ? head : changed(random, head);
    const ses = `${session.replace('ses-', '')}${modality}v${k}`;
    const stem = `sub-${subject}_ses-${ses}`;
    const folder = `sub-${subject}/ses-${ses}/anat`;
    mkdirSync(`${out}/${folder}`, { recursive: true });
    mkdirSync(`${out}/derivatives/masks/${folder}`, { recursive: true });
    writeFileSync(`${out}/${folder}/${stem}_image.nii.gz`, writeNifti(made, { datatype: 'float32' }));
    const derived = `${out}/derivatives/masks/${folder}/${stem}`;
    const { seen: field, brain: inside } = made;
    writeFileSync(
      `${derived}_desc-brain_mask.nii.gz`,
      writeNifti({ grid, data: field }, { datatype: 'uint8' }),
    );
    writeFileSync(`${derived}_dseg.nii.gz`, writeNifti({ grid, data: inside }, { datatype: 'uint8' }));
  }
  console.log(name, grid.shape.join('x'), variants);
}

function changed(random: Random, head: Head): Head {
  let made = head;
  const kind = random.uniform();
  if (kind < 0.45) made = { ...made, data: curve(random, made) };
  else if (kind < 0.75) made = { ...made, data: classes(random, made) };
  if (random.uniform() < 0.5) made = mirrored(made);
  if (random.uniform() < 0.5) made = cropped(random, made);
  return made;
}

/** Values of the field of view, and quantiles of those above the darkest. */
function quantiles({ data: values, seen }: Head, count: number): number[] {
  const inside = values.filter((_, i) => seen[i] !== 0);
  let low = Number.POSITIVE_INFINITY;
  for (const v of inside) low = Math.min(low, v);
  const sorted = inside.filter((v) => v > low).sort();
  return [
    low,
    ...Array.from({ length: count }, (_, k) => sorted[Math.floor(((k + 0.5) / count) * sorted.length)]!),
  ];
}

/** Grey values through a curve of straight pieces, not always rising. Air stays the darkest mostly. */
function curve(random: Random, head: Head): Float32Array {
  const knots = quantiles(head, 4 + random.integer(4)).filter((v, i, all) => i === 0 || v > all[i - 1]!);
  const to = knots.map((_, i) => (i === 0 && random.uniform() < 0.8 ? 0 : random.uniform()));
  return head.data.map((v) => {
    let i = 0;
    while (i < knots.length - 2 && v >= knots[i + 1]!) i++;
    const share = Math.min(1.5, Math.max(0, (v - knots[i]!) / (knots[i + 1]! - knots[i]!)));
    return to[i]! + share * (to[i + 1]! - to[i]!);
  });
}

/** One value per class, of the brain and of the rest alone, with noise of the class's own, a little smoothed. */
function classes(random: Random, head: Head): Float32Array {
  const edges = quantiles(head, 5 + random.integer(4));
  const values = Array.from(
    { length: 2 * edges.length },
    () => [random.uniform(), random.uniform(0, 0.08)] as const,
  );
  // Sometimes brain and rest share their classes, as most of the skull's surroundings do with fluid.
  const shared = random.uniform() < 0.5;
  const air = random.uniform() < 0.8 ? 0 : random.uniform(0, 0.3);
  return head.data.map((v, i) => {
    if (v <= edges[0]!) return air;
    let k = 1;
    while (k < edges.length - 1 && v >= edges[k]!) k++;
    const part = head.brain[i] !== 0 || shared ? k : k + edges.length;
    const [mean, deviation] = values[part]!;
    return mean + deviation * random.normal() + 0.2 * (v / edges.at(-1)!);
  });
}

function mirrored({ grid, data: values, seen, brain }: Head): Head {
  const [nx] = grid.shape;
  const turn = <T extends Float32Array | Uint8Array>(of: T): T =>
    of.map((_, i) => of[i - (i % nx) + nx - 1 - (i % nx)]!) as T;
  return { grid, data: turn(values), seen: turn(seen), brain: turn(brain) };
}

/** A smaller field of view: one or two sides are cut by up to 35 % of it. */
function cropped(random: Random, head: Head): Head {
  const { grid, seen } = head;
  const [nx, ny] = grid.shape;
  const cuts = Array.from({ length: 1 + random.integer(2) }, () => ({
    axis: random.uniform() < 0.6 ? 2 : random.integer(2),
    top: random.uniform() < 0.5,
    share: random.uniform(0.05, 0.35),
  }));
  const kept = Uint8Array.from(seen, (v, i) => {
    const at = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
    const out = cuts.some(({ axis, top, share }) => {
      const place = (at[axis]! + 0.5) / grid.shape[axis]!;
      return top ? place > 1 - share : place < share;
    });
    return out ? 0 : v;
  });
  const where = <T extends Float32Array | Uint8Array>(of: T): T =>
    of.map((v, i) => (kept[i] === 0 ? 0 : v)) as T;
  return { grid, data: where(head.data), seen: kept, brain: where(head.brain) };
}
