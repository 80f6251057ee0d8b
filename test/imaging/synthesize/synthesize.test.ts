import { describe, expect, it } from 'vitest';
import { DatasetError, UsageError } from '../../../src/core/errors.ts';
import { MemoryFiles } from '../../../src/core/files.ts';
import { Random } from '../../../src/core/random.ts';
import { findScans } from '../../../src/imaging/dataset/dataset.ts';
import { loadScan } from '../../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { writeNifti } from '../../../src/imaging/nifti/write.ts';
import { dissect, LABELS } from '../../../src/imaging/synthesize/anatomy.ts';
import { drawContrast } from '../../../src/imaging/synthesize/contrast.ts';
import { chamferDistance, gaussian } from '../../../src/imaging/synthesize/fields.ts';
import { placeLesions } from '../../../src/imaging/synthesize/lesions.ts';
import { synthesize } from '../../../src/imaging/synthesize/synthesize.ts';
import { findLabelMaps, readAnatomy, writeSyntheticDataset } from '../../../src/imaging/synthesize/write.ts';
import { labelComponents } from '../../../src/imaging/volume/components.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';

/** A ball of fluid, white matter, grey matter and a rim of fluid, voxels of 2 mm, with two lesions. */
const SHAPE = [56, 60, 52] as const;
const GRID = axisAlignedGrid(SHAPE, [2, 2, 2]);

function ball(): Uint8Array {
  const [nx, ny, nz] = SHAPE;
  const out = new Uint8Array(nx * ny * nz);
  for (let z = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++) {
        const at = [x - nx / 2, y - ny / 2, z - nz / 2] as const;
        const r = Math.hypot(...at);
        const i = (z * ny + y) * nx + x;
        if (r < 24) out[i] = LABELS.CSF;
        if (r < 23) out[i] = LABELS.GM;
        if (r < 19) out[i] = LABELS.WM;
        if (r < 6) out[i] = LABELS.CSF;
        if (Math.hypot(at[0] - 9, at[1], at[2]) < 2.5) out[i] = LABELS.lesion;
        if (Math.hypot(at[0] + 13, at[1] - 3, at[2]) < 1.5) out[i] = LABELS.lesion;
      }
  return out;
}

function mapFile(data: Uint8Array): Uint8Array {
  return writeNifti({ grid: GRID, data }, { datatype: 'uint8' });
}

async function files(...maps: Uint8Array[]): Promise<MemoryFiles> {
  const folder = new MemoryFiles('labels');
  for (const [i, map] of maps.entries()) await folder.write(`sub-0${i + 1}_dseg.nii.gz`, mapFile(map));
  return folder;
}

const brain = dissect('01', GRID, ball());
const OPTIONS = { count: 2, seed: 4, voxel: 2, healthy: 0, version: '0' };

describe('the fields', () => {
  it('have the distance of a plane exactly and of any voxel within 13 %', () => {
    const shape = [21, 19, 17] as const;
    const mask = new Uint8Array(21 * 19 * 17);
    const seed = (8 * 19 + 9) * 21 + 10;
    mask[seed] = 1;
    const distance = chamferDistance(mask, shape);
    for (let i = 0; i < mask.length; i++) {
      const real = Math.hypot((i % 21) - 10, (Math.floor(i / 21) % 19) - 9, Math.floor(i / (21 * 19)) - 8);
      expect(distance[i]!).toBeGreaterThanOrEqual(real - 1e-4);
      expect(distance[i]!).toBeLessThanOrEqual(real * 1.13 + 1e-4);
    }
  });

  it('are filtered with a kernel that sums to 1 and has the asked deviation', () => {
    const shape = [25, 25, 25] as const;
    const data = new Float32Array(25 ** 3);
    data[(12 * 25 + 12) * 25 + 12] = 1;
    gaussian(data, shape, 1.5);
    let sum = 0;
    let square = 0;
    data.forEach((v, i) => {
      sum += v;
      square += v * ((i % 25) - 12) ** 2;
    });
    expect(sum).toBeCloseTo(1, 5);
    expect(Math.sqrt(square)).toBeCloseTo(1.5, 1);
  });
});

describe('a label map', () => {
  it('is taken apart: lesions are white matter, and known one by one', () => {
    expect(brain.tissue.includes(LABELS.lesion)).toBe(false);
    const map = ball();
    map.forEach((value, i) => {
      expect(brain.lesions[i]).toBe(value === LABELS.lesion ? 1 : 0);
      if (value === LABELS.lesion) expect(brain.tissue[i]).toBe(LABELS.WM);
    });
    const sizes = labelComponents(brain.lesions, SHAPE).sizes;
    expect(brain.bank.map(({ offsets }) => offsets.length / 3)).toEqual(sizes);
  });

  it('loses the grey matter that a lesion left around itself, and keeps the cortex', () => {
    const map = ball();
    const [nx, ny] = SHAPE;
    const rim = (26 * ny + 30) * nx + 28 + 9 + 3;
    map[rim] = LABELS.GM;
    const { tissue } = dissect('01', GRID, map);
    expect(tissue[rim]).toBe(LABELS.WM);
    const cortex = (26 * ny + 30) * nx + 28 + 21;
    expect(tissue[cortex]).toBe(LABELS.GM);
  });

  it('with unknown labels is refused with the list of them', async () => {
    const map = ball();
    map[5] = 9;
    map[6] = 77;
    const folder = await files(map);
    const [file] = await findLabelMaps(folder);
    const reading = readAnatomy(folder, file!);
    await expect(reading).rejects.toThrow(DatasetError);
    await expect(reading).rejects.toThrow('sub-01_dseg.nii.gz: unknown labels 9, 77');
    await expect(reading).rejects.toMatchObject({ hint: expect.stringContaining('4 (lesion)') });
  });

  it('without a tissue, a folder without maps and a name that is not there are refused', async () => {
    const folder = await files(ball().map((v) => (v === LABELS.GM ? LABELS.WM : v)));
    const [file] = await findLabelMaps(folder);
    await expect(readAnatomy(folder, file!)).rejects.toThrow('no voxel has label 2 (GM)');
    await expect(findLabelMaps(new MemoryFiles('none'))).rejects.toThrow(DatasetError);
    await expect(findLabelMaps(folder, ['07'])).rejects.toMatchObject({ hint: 'There are 01.' });
  });
});

describe('lesions', () => {
  it('that are moved lie in white matter, never in fluid', () => {
    let placed = 0;
    let astray = 0;
    for (let seed = 0; seed < 6; seed++) {
      const { ids, count } = placeLesions(new Random(seed), brain, [brain], false);
      placed += count;
      let white = 0;
      let all = 0;
      ids.forEach((id, i) => {
        if (id === 0) return;
        all++;
        if (brain.tissue[i] === LABELS.WM) white++;
        else if (brain.tissue[i] !== LABELS.GM) astray++;
      });
      expect(white / all).toBeGreaterThan(0.6);
    }
    expect(astray).toBe(0);
    expect(placed).toBeGreaterThan(20);
    expect(placeLesions(new Random(1), brain, [brain], true).count).toBe(0);
  });
});

describe('contrasts', () => {
  it('are those of FLAIR and T1w', () => {
    const random = new Random(3);
    for (let n = 0; n < 200; n++) {
      const flair = drawContrast(random, 'FLAIR');
      expect(flair.CSF).toBeLessThan(flair.WM);
      expect(flair.WM).toBeLessThan(flair.GM);
      expect(flair.WM + flair.lesion).toBeGreaterThan(flair.GM);
      const t1 = drawContrast(random, 'T1w');
      expect(t1.CSF).toBeLessThan(t1.GM);
      expect(t1.GM).toBeLessThan(t1.WM);
      expect(t1.lesion).toBeLessThan(0);
      expect(t1.WM + t1.lesion).toBeGreaterThan(0);
    }
  });
});

describe('a synthetic scan', () => {
  it('shows the contrast that was drawn, by tissue', () => {
    const {
      images,
      contrasts,
      lesions,
      brain: inside,
    } = synthesize(brain, [brain], {
      seed: 12,
      voxel: 2,
      healthy: 0,
    });
    const mean = (data: Float32Array, mask: (i: number) => boolean): number => {
      let sum = 0;
      let count = 0;
      data.forEach((v, i) => {
        if (!mask(i)) return;
        sum += v;
        count++;
      });
      return sum / count / 1000;
    };
    for (const modality of ['FLAIR', 'T1w'] as const) {
      const { CSF, GM } = contrasts[modality];
      const whole = mean(images[modality], (i) => inside[i] === 1);
      expect(whole).toBeGreaterThan(0.8 * Math.min(CSF, GM));
      expect(whole).toBeLessThan(1.3 * Math.max(1, GM));
      expect(images[modality].every((v, i) => v > 0 === (inside[i] === 1))).toBe(true);
    }
    const bright = mean(images.FLAIR, (i) => lesions[i] === 1);
    expect(bright).toBeGreaterThan(mean(images.FLAIR, (i) => inside[i] === 1 && lesions[i] === 0));
  });

  it('without lesions has none', () => {
    const { lesions } = synthesize(brain, [brain], { seed: 1, voxel: 2, healthy: 1 });
    expect(lesions.includes(1)).toBe(false);
  });
});

describe('a synthetic data set', () => {
  it('is the same for the same seed and another for another one, and says that it is synthetic', async () => {
    const labels = await files(ball());
    const maps = await findLabelMaps(labels);
    const write = async (seed: number): Promise<MemoryFiles> => {
      const out = new MemoryFiles('out');
      await writeSyntheticDataset(labels, maps, out, { ...OPTIONS, seed });
      return out;
    };
    const [first, again, other] = [await write(4), await write(4), await write(5)];
    const path = 'sub-syn0002/anat/sub-syn0002_FLAIR.nii.gz';
    expect(await again.read(path)).toEqual(await first.read(path));
    expect(await other.read(path)).not.toEqual(await first.read(path));
    const sidecar = JSON.parse(
      new TextDecoder().decode(await first.read('sub-syn0001/anat/sub-syn0001_T1w.json')),
    ) as Record<string, unknown>;
    expect(sidecar).toMatchObject({ Synthetic: true, SourceLabelMap: '01', SkullStripped: true });
    const dataset = await openDataset(first);
    const scans = findScans(dataset);
    expect(scans.map(({ subject }) => subject)).toEqual(['syn0001', 'syn0002']);
    const loaded = await loadScan(dataset, scans[0]!);
    expect(loaded.brainSource).toBe('mask');
    expect(loaded.channels.map(({ name }) => name)).toEqual(['FLAIR', 'T1w']);
    expect(loaded.lesions!.includes(1)).toBe(true);
  });

  it('refuses settings out of range', async () => {
    const labels = await files(ball());
    const maps = await findLabelMaps(labels);
    for (const wrong of [{ count: 0 }, { voxel: 0.2 }, { healthy: 2 }])
      await expect(
        writeSyntheticDataset(labels, maps, new MemoryFiles('out'), { ...OPTIONS, ...wrong }),
      ).rejects.toThrow(UsageError);
  });
});
