import { describe, expect, it } from 'vitest';
import { lesionStatistics, maskDice, oracleThresholdDice } from '../../../bench/phantom-statistics.ts';
import { UsageError } from '../../../src/core/errors.ts';
import { MemoryFiles } from '../../../src/core/files.ts';
import { loadScan } from '../../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import {
  MODALITIES,
  makePhantom,
  type Phantom,
  PhantomSubject,
  writePhantomDataset,
} from '../../../src/study/phantom/index.ts';
import { loadAtQuantile } from '../../../src/study/phantom/lesion-statistics.ts';

const TINY = { shape: [45, 54, 45], spacing: 4 } as const;
const SMALL = { shape: [61, 73, 61], spacing: 3 } as const;

const sum = (values: ArrayLike<number>): number =>
  Array.prototype.reduce.call(values, (s, v) => s + v, 0) as number;

/** Patients made once and used by several tests. */
const patients: Phantom[] = [1, 2].flatMap((seed) =>
  [0, 1, 2, 3].map((subjectIndex) => makePhantom({ seed, subjectIndex, ...SMALL })),
);

describe('a phantom', () => {
  it('is the same for the same seed and another for another seed, patient or visit', () => {
    const first = makePhantom({ seed: 5, ...TINY });
    const again = makePhantom({ seed: 5, ...TINY });
    for (const modality of MODALITIES) expect(again.modalities[modality]).toEqual(first.modalities[modality]);
    expect(again.raters).toEqual(first.raters);
    expect(again.tissues).toEqual(first.tissues);
    for (const change of [{ seed: 6 }, { subjectIndex: 1 }]) {
      const other = makePhantom({ seed: 5, ...TINY, ...change });
      expect(maskDice(other.lesions, first.lesions)).toBeLessThan(0.5);
      expect(other.modalities.T1w).not.toEqual(first.modalities.T1w);
      expect(other.brain).not.toEqual(first.brain);
    }
    expect(makePhantom({ seed: 5, ...TINY, visit: 1 }).modalities.FLAIR).not.toEqual(first.modalities.FLAIR);
  });

  it('has a brain of plausible size, tissues that sum to one in it, and nothing outside it', () => {
    for (const { brain, tissues, modalities, grid } of patients) {
      const ml = 27 / 1000;
      expect(sum(brain) * ml).toBeGreaterThan(1000);
      expect(sum(brain) * ml).toBeLessThan(1800);
      const [gm, wm, csf] = [sum(tissues.GM) * ml, sum(tissues.WM) * ml, sum(tissues.CSF) * ml];
      expect(gm / wm).toBeGreaterThan(0.8);
      expect(gm / wm).toBeLessThan(2);
      expect(csf / (gm + wm + csf)).toBeGreaterThan(0.1);
      expect(csf / (gm + wm + csf)).toBeLessThan(0.4);
      let worst = 0;
      let strays = 0;
      let dark = 0;
      for (let i = 0; i < brain.length; i++) {
        const total = tissues.GM[i]! + tissues.WM[i]! + tissues.CSF[i]!;
        worst = Math.max(worst, Math.abs(total - brain[i]!));
        for (const modality of MODALITIES) {
          if (brain[i] === 0 && modalities[modality][i] !== 0) strays++;
          if (brain[i] === 1 && !(modalities[modality][i]! >= 1)) dark++;
        }
      }
      expect(worst).toBeLessThan(1e-5);
      expect([strays, dark]).toEqual([0, 0]);
      expect(grid.shape).toEqual(SMALL.shape);
    }
  });

  it('shows tissues in each image in the order that real scans do', () => {
    for (const { tissues, modalities, lesions } of patients) {
      const mean = (image: Float32Array, map: Float32Array): number => {
        let n = 0;
        let total = 0;
        for (let i = 0; i < map.length; i++) {
          if (map[i]! < 0.95 || lesions[i] === 1) continue;
          n++;
          total += image[i]!;
        }
        return total / n;
      };
      const [gm, wm, csf] = [tissues.GM, tissues.WM, tissues.CSF];
      const order = (image: Float32Array): string =>
        (
          [
            ['C', mean(image, csf)],
            ['G', mean(image, gm)],
            ['W', mean(image, wm)],
          ] as const
        )
          .toSorted((a, b) => a[1] - b[1])
          .map(([name]) => name)
          .join('');
      expect(order(modalities.T1w)).toBe('CGW');
      expect(order(modalities.T2w)).toBe('WGC');
      expect(order(modalities.FLAIR)).toBe('CWG');
      expect(mean(modalities.PDw, gm)).toBeGreaterThan(mean(modalities.PDw, wm));
    }
  });

  it('keeps its brain whole where the field of view is smaller than a head', () => {
    const { brain, lesions, grid } = makePhantom({ seed: 3, shape: [40, 48, 40], spacing: 2 });
    const [nx, ny, nz] = grid.shape;
    let onBorder = 0;
    for (let i = 0; i < brain.length; i++) {
      const [x, y, z] = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
      if (brain[i] === 1 && (x === 0 || y === 0 || z === 0 || x === nx - 1 || y === ny - 1 || z === nz - 1))
        onBorder++;
    }
    expect(onBorder).toBe(0);
    expect(sum(brain) / brain.length).toBeGreaterThan(0.15);
    expect(sum(lesions)).toBeGreaterThan(10);
  });

  it('takes noise, bias field and lesion load as settings', () => {
    const clean = makePhantom({ seed: 4, ...TINY, noise: 0, biasField: 0, lesionLoad: 20 });
    const noisy = makePhantom({ seed: 4, ...TINY, noise: 0.2, biasField: 0, lesionLoad: 20 });
    const spread = ({ modalities, tissues, lesions }: Phantom): number => {
      const white = [...modalities.T1w].filter((_, i) => tissues.WM[i]! > 0.99 && lesions[i] === 0);
      const mean = sum(white) / white.length;
      return Math.sqrt(sum(white.map((v) => (v - mean) ** 2)) / white.length) / mean;
    };
    expect(spread(clean)).toBeLessThan(0.08);
    expect(spread(noisy)).toBeGreaterThan(0.17);
    expect((sum(clean.lesions) * 64) / 1000).toBeGreaterThan(14);
    expect((sum(clean.lesions) * 64) / 1000).toBeLessThan(26);
  });

  it.each([
    [{ seed: 0.5 }, 'seed'],
    [{ seed: 1, shape: [8, 8, 8] as const }, 'shape'],
    [{ seed: 1, spacing: 0 }, 'spacing'],
    [{ seed: 1, subjectIndex: -1 }, 'subjectIndex'],
    [{ seed: 1, visit: 1.5 }, 'visit'],
    [{ seed: 1, noise: 2 }, 'noise'],
    [{ seed: 1, biasField: -1 }, 'biasField'],
    [{ seed: 1, lesionLoad: 0 }, 'lesionLoad'],
  ])('refuses %j', (options, name) => {
    expect(() => makePhantom(options)).toThrow(UsageError);
    expect(() => makePhantom(options)).toThrow(`phantom: ${name} must be`);
  });
});

describe('lesions of a phantom', () => {
  it('follow the measured distribution of loads', () => {
    expect(loadAtQuantile(0)).toBeCloseTo(0.32, 5);
    expect(loadAtQuantile(0.5)).toBeCloseTo(14.3, 5);
    expect(loadAtQuantile(1)).toBeCloseTo(52, 5);
    for (const { lesions, grid, brain } of patients) {
      const far = new Float64Array(brain.length).fill(99);
      const { ml, components } = lesionStatistics(lesions, grid, far);
      expect(ml).toBeGreaterThan(0.3);
      expect(ml).toBeLessThan(60);
      expect(components).toBeGreaterThan(3);
      expect(components).toBeLessThan(400);
    }
    const loads = patients.map(({ lesions }) => sum(lesions));
    expect(Math.max(...loads) / Math.min(...loads)).toBeGreaterThan(4);
  });

  it('lie in white matter, and much of a large load by the ventricles', () => {
    const options = { seed: 9, ...SMALL, noise: 0, biasField: 0 };
    const bare = makePhantom({ ...options, lesionLoad: 0.01 });
    const full = makePhantom({ ...options, lesionLoad: 25 });
    let white = 0;
    let count = 0;
    for (let i = 0; i < full.lesions.length; i++) {
      if (full.lesions[i] === 0 || bare.lesions[i] === 1) continue;
      white += bare.tissues.WM[i]!;
      count++;
    }
    expect(white / count).toBeGreaterThan(0.85);
    // The brain's inner half by distance from the middle of the ventricles holds most of the lesions.
    const [nx, ny] = full.grid.shape;
    const { affine } = full.grid;
    let inner = 0;
    for (let i = 0; i < full.lesions.length; i++) {
      if (full.lesions[i] === 0) continue;
      const x = affine[12]! + 3 * (i % nx);
      const y = affine[13]! + 3 * (Math.floor(i / nx) % ny);
      const z = affine[14]! + 3 * Math.floor(i / (nx * ny));
      if (Math.abs(x) < 42 && y > -80 && y < 48 && z > -24 && z < 42) inner++;
    }
    expect(inner / sum(full.lesions)).toBeGreaterThan(0.7);
  });

  it('count as white matter in the tissue maps', () => {
    for (const { lesions, tissues } of patients) {
      expect(sum(tissues.WM.filter((_, i) => lesions[i] === 1))).toBe(sum(lesions));
    }
  });

  it('are bright on FLAIR, T2 and PD and dark on T1, on the whole', () => {
    for (const { lesions, tissues, modalities } of patients) {
      const mean = (image: Float32Array, inside: (i: number) => boolean): number => {
        const values = [...image].filter((_, i) => inside(i));
        return sum(values) / values.length;
      };
      for (const modality of MODALITIES) {
        const image = modalities[modality];
        const lesion = mean(image, (i) => lesions[i] === 1);
        const white = mean(image, (i) => lesions[i] === 0 && tissues.WM[i]! > 0.95);
        if (modality === 'T1w') expect(lesion / white).toBeLessThan(0.97);
        else expect(lesion / white).toBeGreaterThan(1.04);
      }
    }
  });

  it('cannot be had by a threshold of FLAIR, even one chosen with the truth', () => {
    const dice = patients.map((p) => oracleThresholdDice(p.modalities.FLAIR, p.lesions, p.brain));
    const mean = sum(dice) / dice.length;
    expect(mean).toBeGreaterThan(0.25);
    expect(mean).toBeLessThan(0.55);
    expect(dice.filter((d) => d < 0.6).length).toBeGreaterThanOrEqual(dice.length - 1);
  });

  it('are drawn by two raters who agree as well as raters do', () => {
    for (const { raters, lesions } of patients) {
      expect(maskDice(raters[0], raters[1])).toBeGreaterThan(0.68);
      expect(maskDice(raters[0], raters[1])).toBeLessThan(0.88);
      for (const rater of raters) expect(maskDice(rater, lesions)).toBeGreaterThan(0.7);
    }
  });
});

describe('visits of a patient', () => {
  it('share the anatomy, and the lesions change a little', () => {
    const subject = new PhantomSubject({ seed: 7, subjectIndex: 1, ...SMALL, lesionLoad: 15 });
    const [first, second, fourth] = [subject.scan(0), subject.scan(1), subject.scan(3)];
    expect(second.brain).toEqual(first.brain);
    const changed = first.tissues.GM.filter(
      (grey, i) => first.lesions[i] === 0 && fourth.lesions[i] === 0 && fourth.tissues.GM[i] !== grey,
    );
    expect(changed.length).toBe(0);
    const near = maskDice(first.lesions, second.lesions);
    const far = maskDice(first.lesions, fourth.lesions);
    expect(near).toBeGreaterThan(0.8);
    expect(near).toBeLessThan(1);
    expect(far).toBeGreaterThan(0.65);
    expect(far).toBeLessThan(near);
    expect(
      makePhantom({ seed: 7, subjectIndex: 1, ...SMALL, lesionLoad: 15, visit: 1 }).modalities.T2w,
    ).toEqual(second.modalities.T2w);
  });
});

describe('a phantom data set', () => {
  it('has the ISBI 2015 layout and reads back as it was made', async () => {
    const files = new MemoryFiles();
    const seen: string[] = [];
    const written = await writePhantomDataset(
      files,
      { seed: 11, subjects: 2, visits: 2, ...TINY },
      (progress) => {
        seen.push(`${progress.done}/${progress.total} ${progress.scan}`);
      },
    );
    expect(seen).toEqual([
      '1/4 training01_01',
      '2/4 training01_02',
      '3/4 training02_01',
      '4/4 training02_02',
    ]);
    expect(files.files.size).toBe(4 * 9);
    expect(written[3]?.files).toEqual([
      ...['flair', 'mprage', 'pd', 't2'].map(
        (m) => `training/training02/preprocessed/training02_02_${m}_pp.nii.gz`,
      ),
      ...[1, 2, 3].map((c) => `training/training02/preprocessed/c${c}training02_02_mprage_pp.nii.gz`),
      ...[1, 2].map((r) => `training/training02/masks/training02_02_mask${r}.nii.gz`),
    ]);

    const dataset = await openDataset(files);
    expect(dataset.layout).toBe('isbi2015');
    expect(dataset.subjects.map((s) => s.scans.length)).toEqual([2, 2]);
    const scan = await loadScan(dataset, dataset.subjects[1]!.scans[1]!, { tissue: true, rater: '2' });
    const truth = makePhantom({ seed: 11, subjectIndex: 1, visit: 1, ...TINY });
    expect(scan.channels.map((c) => c.name).toSorted()).toEqual([...MODALITIES].toSorted());
    for (const { name, data } of scan.channels) {
      expect(data).toEqual(truth.modalities[name as (typeof MODALITIES)[number]]);
    }
    expect(scan.brain).toEqual(truth.brain);
    expect(scan.lesions).toEqual(truth.raters[1]);
    expect(scan.grid.spacing).toEqual([4, 4, 4]);
    expect(written[3]?.lesionMl).toBeCloseTo((sum(truth.lesions) * 64) / 1000, 6);
  });

  it('refuses a number of patients that the layout cannot name', async () => {
    await expect(writePhantomDataset(new MemoryFiles(), { seed: 1, subjects: 100 })).rejects.toThrow(
      'phantom: subjects must be a whole number from 1 to 99, not 100',
    );
  });
});
