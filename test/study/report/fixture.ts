import { Random } from '../../../src/core/random.ts';
import { evaluateScan } from '../../../src/imaging/evaluate/metrics.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';
import type { DemoReportData, DemoVariant } from '../../../src/study/report/demo-report.ts';

/** A made-up held-out patient (ellipsoid head, ventricles, lesions) with made-up results: enough to fill a report. */
export function demoData(): DemoReportData {
  const shape = [46, 54, 44] as const;
  const grid = axisAlignedGrid(shape, [4, 4, 4], [-90, -110, -72]);
  const random = new Random(7);
  const n = shape[0] * shape[1] * shape[2];
  const flair = new Float32Array(n);
  const [brain, truth] = [new Uint8Array(n), new Uint8Array(n)];
  const tissues = { gm: new Float32Array(n), wm: new Float32Array(n), csf: new Float32Array(n) };
  const lesions = [
    ...[
      [-24, -30, 24, 10],
      [26, -22, 26, 9],
      [-20, 20, 20, 7],
      [22, 24, 18, 6],
      [-34, -8, 30, 6],
    ],
    ...[
      [30, 4, 34, 5],
      [-14, -46, 12, 6],
      [16, -44, 8, 5],
    ],
  ];
  for (let z = 0, i = 0; z < shape[2]; z++)
    for (let y = 0; y < shape[1]; y++)
      for (let x = 0; x < shape[0]; x++, i++) {
        const [X, Y, Z] = [x * 4 - 90, y * 4 - 110, z * 4 - 72];
        const fold = 0.04 * Math.sin(X / 7) * Math.cos(Y / 8) * Math.sin(Z / 7);
        const r = Math.hypot(X / 68, (Y + 6) / 84, (Z - 10) / 66) + fold;
        if (r > 1) {
          flair[i] = r < 1.12 ? 60 : Math.abs(random.normal(0, 4));
          continue;
        }
        brain[i] = 1;
        const ventricle = Math.hypot((Math.abs(X) - 11) / 8, (Y + 4) / 30, (Z - 16) / 13) < 1;
        const kind = ventricle || r > 0.96 ? 'csf' : r > 0.84 ? 'gm' : 'wm';
        tissues[kind][i] = 0.9;
        tissues[kind === 'wm' ? 'gm' : 'wm'][i] = 0.1;
        let level = { csf: 40, gm: 130, wm: 105 }[kind];
        for (const [lx, ly, lz, radius] of lesions)
          if (Math.hypot(X - lx!, Y - ly!, Z - lz!) < radius! && kind === 'wm') {
            truth[i] = 1;
            level = 170;
          }
        flair[i] = level + random.normal(0, 6);
      }
  /** The truth with errors: missed, and grown by a voxel along x. */
  const guess = (miss: number, extra: number): Uint8Array => {
    const errors = new Random(Math.round(miss * 1000));
    return truth.map((t, i) => {
      if (t) return errors.uniform() < miss ? 0 : 1;
      const beside = truth[i - 1] || truth[i + 1];
      return (beside && errors.uniform() < extra) || (brain[i] && errors.uniform() < extra / 400) ? 1 : 0;
    });
  };
  const variant = (name: string, miss: number, extra: number, threshold: number): DemoVariant => {
    const noise = new Random(name.length);
    const prediction = guess(miss, extra);
    return {
      variant: name,
      metrics: evaluateScan(prediction, truth, grid),
      threshold,
      steps: 420,
      secondsPerStep: 0.2071 + miss,
      losses: Array.from({ length: 420 }, (_, i) => 0.2 + 0.7 * Math.exp(-i / 90) + noise.normal(0, 0.05)),
      prediction,
    };
  };
  const baseline = guess(0.3, 0.9);
  return {
    adapter: {
      description: 'llvmpipe (LLVM 15.0.6, 256 bits)',
      backend: 'Vulkan',
      software: true,
      driver: 'system',
    },
    seconds: 372.4,
    version: '0.1.0',
    data: 'simulated brains (phantoms)',
    trainingSubjects: ['01', '02', '03', '04'],
    heldOut: { subject: '05', grid, flair, brain, truth, tissues },
    baseline: { k: 2.31, metrics: evaluateScan(baseline, truth, grid), prediction: baseline },
    variants: [
      variant('single', 0.22, 0.25, 0.5),
      variant('multi-input', 0.1, 0.12, 0.9993),
      { ...variant('multi-output', 0.16, 0.2, 0.87), tissues },
    ],
    settings: {
      ...{ modalities: ['FLAIR', 'T1w', 'PD', 'T2w'], patch: 32, batch: 2, 'base channels': 8, levels: 3 },
      ...{ optimizer: 'Adam', 'learning rate': 5e-4, loss: 'generalized-dice', seed: 1, overlap: 0.5 },
    },
  };
}
