/**
 * Measures a brain network on raw scans: `tsx bench/brain/measure.ts MODEL OUT NAME...` with names such as `L01_ses-1_FLAIR`. A line of
 * JSON per scan: Dice against the data's mask, pieces, volume, seconds; with `--robust` also of the scan changed. Mosaics go to OUT.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Random } from '../../src/core/random.ts';
import { type NiftiImage, readNifti } from '../../src/imaging/nifti/read.ts';
import { mosaicPng } from '../../src/imaging/results/mosaic.ts';
import { resize, resizedGrid } from '../../src/imaging/volume/resize.ts';
import { gridFromAffine, voxelVolume } from '../../src/imaging/volume/volume.ts';
import { decodeModel } from '../../src/pipeline/models/model.ts';
import { brainByModel } from '../../src/pipeline/predict/brain-by-model.ts';
import { openNodeGpu } from '../../src/platform/node.ts';
import { sharedData } from '../../test/data.ts';

const words = process.argv.slice(2).filter((word) => word !== '--robust');
const robust = process.argv.includes('--robust');
const threshold = process.env.THRESHOLD === undefined ? undefined : Number(process.env.THRESHOLD);
const [file, out, ...names] = words as [string, string, ...string[]];
const root = `${sharedData()}/open-ms-longitudinal_raw`;
const model = decodeModel(new Uint8Array(readFileSync(file)), file);
mkdirSync(out, { recursive: true });
const gpu = await openNodeGpu({ quiet: true });
const read = async (path: string): Promise<NiftiImage> =>
  await readNifti(new Uint8Array(readFileSync(path)), path);

type Changed = { readonly image: NiftiImage; readonly truth: Uint8Array | undefined };

/** What a network must stand. */
const CHANGES: Readonly<Record<string, (of: Changed) => Changed>> = {
  inverted: ({ image, truth }) => ({
    image: withData(image, (v, top) => (v > 0.03 * top ? 1.1 * top - v : v)),
    truth,
  }),
  bias: ({ image, truth }) => {
    const [nx, ny] = image.volume.grid.shape;
    return {
      image: withData(
        image,
        (v, _, i) => v * Math.exp(0.8 * ((i % nx) / nx - 0.5) + 0.6 * ((Math.floor(i / nx) % ny) / ny - 0.5)),
      ),
      truth,
    };
  },
  noise: ({ image, truth }) => {
    const random = new Random(7);
    return { image: withData(image, (v, top) => Math.abs(v + 0.08 * top * random.normal())), truth };
  },
  thick: ({ image, truth }) => {
    const { grid, data } = image.volume;
    const coarse = resizedGrid(grid, [grid.spacing[0], grid.spacing[1], 5]);
    const volume = { grid: coarse, data: resize(data, grid, coarse) };
    const mask = truth && Uint8Array.from(resize(truth, grid, coarse), (v) => (v >= 0.5 ? 1 : 0));
    return { image: { ...image, volume }, truth: mask };
  },
  'top-half': (of) => cut(of, 0.45, 1),
  'bottom-two-thirds': (of) => cut(of, 0, 0.66),
};

function withData(image: NiftiImage, change: (value: number, top: number, i: number) => number): NiftiImage {
  const { grid, data } = image.volume;
  const sorted = data.filter((v) => v > 0).sort();
  const top = sorted[Math.floor(0.98 * sorted.length)]!;
  return { ...image, volume: { grid, data: data.map((v, i) => change(v, top, i)) } };
}

/** A part of the slices. */
function cut({ image, truth }: Changed, from: number, to: number): Changed {
  const { grid, data } = image.volume;
  const [nx, ny, nz] = grid.shape;
  const [low, high] = [Math.floor(from * nz), Math.floor(to * nz)];
  const affine = Float64Array.from(grid.affine);
  for (let r = 0; r < 3; r++) affine[12 + r]! += low * affine[8 + r]!;
  const volume = {
    grid: gridFromAffine([nx, ny, high - low], affine),
    data: data.slice(low * nx * ny, high * nx * ny),
  };
  return { image: { ...image, volume }, truth: truth?.slice(low * nx * ny, high * nx * ny) };
}

for (const name of names) {
  const own = name.includes('/');
  const [subject, session, modality] = name.split('_') as [string, string, string];
  const folder = `sub-${subject}/${session}/anat/sub-${subject}_${session}`;
  const image = await read(own ? name : `${root}/${folder}_${modality}.nii.gz`);
  const place = `${root}/derivatives/brainmask/${folder}_space-${modality}_desc-brain_mask.nii.gz`;
  const given = !own && existsSync(place) ? (await read(place)).volume.data : undefined;
  const truth = given && Uint8Array.from(given, (v) => (v > 0.5 ? 1 : 0));
  const title = own
    ? name
        .split('/')
        .at(-1)!
        .replace(/\.nii.*/, '')
    : name;
  await judge(title, { image, truth });
  if (!robust) continue;
  for (const [what, change] of Object.entries(CHANGES))
    await judge(`${title} ${what}`, change({ image, truth }));
}
await gpu.close();

async function judge(title: string, { image, truth }: Changed): Promise<void> {
  const begin = performance.now();
  const brain = await brainByModel(gpu, model, image, { threshold });
  const seconds = (performance.now() - begin) / 1000;
  let [both, a, b] = [0, 0, 0];
  brain.forEach((v, i) => {
    const w = truth?.[i] ?? 0;
    a += v;
    b += w;
    both += v & w;
  });
  const { grid, data } = image.volume;
  const line = {
    scan: title,
    dice: truth && +((2 * both) / (a + b)).toFixed(4),
    sensitivity: truth && +(both / b).toFixed(4),
    precision: truth && +(both / a).toFixed(4),
    ml: Math.round((a * voxelVolume(grid)) / 1000),
    seconds: +seconds.toFixed(1),
  };
  console.log(JSON.stringify(line));
  const head = Uint8Array.from(data, (v) => (v !== 0 ? 1 : 0));
  writeFileSync(
    `${out}/${title.replace(/\W+/g, '-')}.png`,
    mosaicPng({
      grid,
      brain: head,
      intensity: (i) => data[i]!,
      label: (i) => (brain[i] ? 1 : truth?.[i] ? 2 : 0),
    }),
  );
}
