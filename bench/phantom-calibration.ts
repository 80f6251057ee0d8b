/**
 * Real lesions beside made-up ones: load, count, sizes and place at 1 mm. The constants of
 * src/dataset/phantom/lesion-statistics.ts were read off the first half of this table.
 *
 *     node bench/phantom-calibration.ts [phantoms=12] [seed=1]      (Node 22.18 or later runs TypeScript as it is)
 *
 * Real masks: `open-ms-lesjak2017_lesion-masks_1mm` and the ventricles of `templates/icbm152…on-subject-grid_2mm`
 * below VOXELGRAD_DATA or ../shared/data; without them only the phantoms are measured.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { distanceTransform } from '../src/imaging/evaluate/surface.ts';
import { readMask, readNifti } from '../src/imaging/nifti/read.ts';
import { labelComponents } from '../src/imaging/volume/components.ts';
import { type Grid, toWorld, voxelCount } from '../src/imaging/volume/volume.ts';
import { makePhantom } from '../src/study/phantom/index.ts';
import {
  type LesionStatistics,
  lesionStatistics,
  maskDice,
  median,
  oracleThresholdDice,
  ventricleDistance,
} from './phantom-statistics.ts';

const DATA = process.env.VOXELGRAD_DATA ?? '../shared/data';
const MASKS = join(DATA, 'open-ms-lesjak2017_lesion-masks_1mm');
const TEMPLATE = join(DATA, 'templates/icbm152_2009a_sym_on-subject-grid_2mm');

/**
 * The lateral ventricles: fluid more than 20 mm below the brain's surface and connected to the region where their
 * bodies lie. The grid's world must have its origin near the anterior commissure.
 */
function findVentricles(fluid: ArrayLike<number>, brain: Uint8Array, grid: Grid): Uint8Array {
  const outside = brain.map((v) => 1 - v);
  const depth = distanceTransform(outside, grid.shape, grid.spacing);
  const [nx, ny] = grid.shape;
  const deep = new Uint8Array(voxelCount(grid));
  const body = new Uint8Array(deep.length);
  for (let i = 0; i < deep.length; i++) {
    if (!(fluid[i]! > 0.5) || depth[i]! <= 20) continue;
    const [x, y, z] = toWorld(grid, [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))]);
    if (Math.abs(x) > 45 || y < -60 || y > 45 || z < -22 || z > 33) continue;
    deep[i] = 1;
    if (Math.abs(x) < 16 && y > -20 && y < 12 && z > 12 && z < 24) body[i] = 1;
  }
  const { labels } = labelComponents(deep, grid.shape);
  const wanted = new Set<number>();
  for (let i = 0; i < deep.length; i++) if (body[i] === 1) wanted.add(labels[i]!);
  return deep.map((v, i) => (v === 1 && wanted.has(labels[i]!) ? 1 : 0));
}

async function measureReal(): Promise<LesionStatistics[]> {
  const template = async (tissue: string): Promise<{ grid: Grid; data: Float32Array }> => {
    const name = `tpl-ICBM152NLin2009aSym_space-lesjakMNI_res-2_label-${tissue}_probseg.nii.gz`;
    const { volume } = await readNifti(readFileSync(join(TEMPLATE, name)), name);
    return volume;
  };
  const fluid = await template('CSF');
  const grey = await template('GM');
  const white = await template('WM');
  const top = fluid.data.reduce((m, v) => Math.max(m, v), 0);
  const share = fluid.data.map((v) => v / top);
  const brain = Uint8Array.from(share, (v, i) => (v + (grey.data[i]! + white.data[i]!) / top > 0.5 ? 1 : 0));
  const coarse = ventricleDistance(findVentricles(share, brain, fluid.grid), fluid.grid);
  const out: LesionStatistics[] = [];
  for (const file of readdirSync(MASKS)
    .filter((name) => name.endsWith('.nii.gz'))
    .sort()) {
    const { volume } = await readMask(readFileSync(join(MASKS, file)), file);
    const { grid, data } = volume;
    const [nx, ny, nz] = grid.shape;
    const [cx, cy] = fluid.grid.shape;
    const distance = new Float32Array(data.length);
    for (let k = 0, i = 0; k < nz; k++) {
      for (let j = 0; j < ny; j++) {
        for (let x = 0; x < nx; x++, i++) distance[i] = coarse[((k >> 1) * cy + (j >> 1)) * cx + (x >> 1)]!;
      }
    }
    out.push(lesionStatistics(data, grid, distance));
  }
  return out;
}

function measurePhantoms(count: number, seed: number): LesionStatistics[] {
  const out: LesionStatistics[] = [];
  for (let subjectIndex = 0; subjectIndex < count; subjectIndex++) {
    const started = performance.now();
    const phantom = makePhantom({ seed, subjectIndex, shape: [182, 218, 182], spacing: 1 });
    const seconds = (performance.now() - started) / 1000;
    const { grid, lesions, brain, tissues, raters, modalities } = phantom;
    const distance = ventricleDistance(findVentricles(tissues.CSF, brain, grid), grid);
    const statistics = lesionStatistics(lesions, grid, distance);
    out.push(statistics);
    console.log(
      `phantom ${subjectIndex}: ${seconds.toFixed(1)} s, ${statistics.ml.toFixed(2)} ml in ${statistics.components}, ` +
        `best FLAIR threshold Dice ${oracleThresholdDice(modalities.FLAIR, lesions, brain).toFixed(2)}, ` +
        `raters' Dice ${maskDice(raters[0], raters[1]).toFixed(2)}`,
    );
  }
  return out;
}

function summarise(title: string, all: readonly LesionStatistics[]): void {
  const column = (pick: (s: LesionStatistics) => number): string => {
    const values = all.map(pick).sort((a, b) => a - b);
    const at = (q: number): string => values[Math.round(q * (values.length - 1))]!.toPrecision(3);
    return `${at(0).padStart(8)}${at(0.25).padStart(9)}${at(0.5).padStart(9)}${at(0.75).padStart(9)}${at(1).padStart(9)}`;
  };
  console.log(`\n${title} (${all.length})                 min      25 %     50 %     75 %      max`);
  console.log(`load, ml                       ${column((s) => s.ml)}`);
  console.log(`components                     ${column((s) => s.components)}`);
  console.log(`median component, mm3          ${column((s) => s.medianMm3)}`);
  console.log(`share of the largest           ${column((s) => s.largestShare)}`);
  console.log(`share of the ten largest       ${column((s) => s.topTenShare)}`);
  console.log(`components at the ventricles   ${column((s) => s.periventricularCount)}`);
  console.log(`volume at the ventricles       ${column((s) => s.periventricularVolume)}`);
  console.log(`median distance to them, mm    ${column((s) => s.medianDistance)}`);
  const sizes = all.flatMap((s) => [...s.sizes]);
  const shares = [3, 10, 30, 100, 300, 1000, Number.POSITIVE_INFINITY].map((top, i, tops) => {
    const from = i === 0 ? 0 : tops[i - 1]!;
    return (sizes.filter((v) => v >= from && v < top).length / sizes.length).toFixed(2);
  });
  console.log(`components of <3, <10, <30, <100, <300, <1000, more mm3: ${shares.join(' ')}`);
  const x = all.map((s) => Math.log(s.ml));
  const y = all.map((s) => Math.log(s.components));
  const mean = (v: number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
  const [mx, my] = [mean(x), mean(y)];
  const slope = mean(x.map((v, i) => (v - mx) * (y[i]! - my))) / mean(x.map((v) => (v - mx) ** 2));
  console.log(`ln(components) = ${(my - slope * mx).toFixed(2)} + ${slope.toFixed(2)} ln(ml)`);
  console.log(`median of medians of component volume: ${median(all.map((s) => s.medianMm3)).toFixed(1)} mm3`);
}

const phantoms = measurePhantoms(Number(process.argv[2] ?? 12), Number(process.argv[3] ?? 1));
if (existsSync(MASKS) && existsSync(TEMPLATE)) summarise('Real masks', await measureReal());
else console.log(`No real masks in ${MASKS}: only phantoms are measured.`);
summarise('Phantoms  ', phantoms);
