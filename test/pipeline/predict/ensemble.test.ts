import { expect, it } from 'vitest';
import type { LoadedScan } from '../../../src/imaging/dataset/load-scan.ts';
import { readNifti } from '../../../src/imaging/nifti/read.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';
import { type Model, withThreshold } from '../../../src/pipeline/models/model.ts';
import {
  freshSnapshot,
  requireSameTask,
  segmentEnsemble,
  withPredictors,
} from '../../../src/pipeline/predict/ensemble.ts';
import type { HeadResult } from '../../../src/pipeline/predict/head-result.ts';
import { segment } from '../../../src/pipeline/predict/segment.ts';
import { image, type Value, values } from '../../imaging/dataset/make.ts';
import { useGpu } from '../../support/gpu.ts';
import { untrained } from './untrained.ts';

const context = useGpu();
const GRID = axisAlignedGrid([26, 24, 22], [1, 1, 1]);

async function scanOf(): Promise<LoadedScan> {
  const inside: Value = (x, y, z) =>
    Math.abs(x - 13) < 7 && Math.abs(y - 12) < 6 && Math.abs(z - 11) < 5 ? 1 : 0;
  const flair: Value = (x, y, z) => inside(x, y, z) * (100 + 20 * Math.sin(x + 2 * y + 3 * z));
  return {
    subject: '07',
    session: null,
    grid: GRID,
    header: (await readNifti(image(flair, GRID), 'flair')).header,
    channels: [{ name: 'FLAIR', data: values(flair, GRID) }],
    brain: Uint8Array.from(values(inside, GRID)),
    brainSource: 'mask',
    raters: new Map(),
  };
}

/** Another network of the same kind, that decides by another threshold. */
function altered({ info, weights }: Model, factor: number, threshold: number): Model {
  const changed = [...weights].map(([name, data]) => [name, data.map((v) => v * factor)] as const);
  return { info: withThreshold(info, threshold), weights: new Map(changed) };
}

it('is the mean of what its networks say, and of their thresholds; it resumes between networks', {
  timeout: 240_000,
}, async () => {
  const { gpu } = context;
  const scan = await scanOf();
  const first = await untrained(gpu, 'single', ['FLAIR'], [1, 1, 1]);
  const models = [altered(first, 1, 0.4), altered(first, 1.5, 0.6), altered(first, 0.5, 0.8)];
  const alone: HeadResult[] = [];
  for (const model of models) alone.push((await segment(gpu, model, scan)).heads.get('lesion')!);
  const tiles: number[] = [];
  await withPredictors(gpu, models, async (predictors) => {
    const snapshot = freshSnapshot();
    const run = (options: Parameters<typeof segmentEnsemble>[3]): ReturnType<typeof segmentEnsemble> =>
      segmentEnsemble(predictors, models, scan, options, snapshot);
    const stop = new AbortController();
    const stopped = run({
      signal: stop.signal,
      onTile(done, total) {
        tiles.push(done / total);
        // In the second network: the first one's maps are kept.
        if (done > total / 3) stop.abort(new Error('stopped'));
      },
    });
    await expect(stopped).rejects.toThrow('stopped');
    expect(snapshot.members).toBe(1);
    const { heads } = await run({ onTile: (done, total) => tiles.push(done / total) });
    const { maps, decision } = heads.get('lesion')!;
    const found = maps.get('lesion')!;
    const spread = new Set<number>();
    found.forEach((p, i) => {
      const each = alone.map((head) => head.maps.get('lesion')![i]!);
      spread.add(each[0]! - each[1]!);
      expect(Math.abs(p - (each[0]! + each[1]! + each[2]!) / 3)).toBeLessThan(1e-6);
    });
    expect(spread.size).toBeGreaterThan(100);
    expect(decision.kind === 'threshold' && decision.thresholds[0]).toBeCloseTo(0.6, 6);
  });
  expect(tiles.at(-1)).toBe(1);
});

it('is refused for networks of other tasks', { timeout: 240_000 }, async () => {
  const { gpu } = context;
  const single = await untrained(gpu, 'single', ['FLAIR'], [1, 1, 1]);
  const both = await untrained(gpu, 'single', ['FLAIR', 'T1w'], [1, 1, 1]);
  const more = await untrained(gpu, 'multi-output', ['FLAIR'], [1, 1, 1]);
  const check = (other: Model): void =>
    requireSameTask([
      ['run-1', single],
      ['run-2', other],
    ]);
  expect(() => check(altered(single, 2, 0.1))).not.toThrow();
  expect(() => check(both)).toThrow('run-1 and run-2 cannot be put together: images that they read differ');
  expect(() => check(more)).toThrow('outputs differ (single, multi-output)');
});
