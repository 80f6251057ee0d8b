import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GpuError, UsageError } from '../../../src/core/errors.ts';
import { chooseCases, parseConvShape, STEP } from '../../../src/pipeline/bench/catalogue.ts';
import { convTranspose3dCases } from '../../../src/pipeline/bench/conv-transpose3d-cases.ts';
import { conv3dCases } from '../../../src/pipeline/bench/conv3d-cases.ts';
import {
  addCases,
  dropoutCases,
  pointwiseCases,
  softmaxCases,
} from '../../../src/pipeline/bench/elementwise-cases.ts';
import {
  concatCases,
  globalAveragePoolCases,
  linearCases,
  upsampleCases,
} from '../../../src/pipeline/bench/head-cases.ts';
import { timeNetwork } from '../../../src/pipeline/bench/networks.ts';
import { batchNormCases, groupNormCases } from '../../../src/pipeline/bench/norm-cases.ts';
import { formatPeers } from '../../../src/pipeline/bench/peer-report.ts';
import { averagePoolCases, maxPoolCases } from '../../../src/pipeline/bench/pooling-cases.ts';
import {
  type BenchReport,
  type BenchRow,
  benchRow,
  formatMarkdown,
} from '../../../src/pipeline/bench/report.ts';
import { rooflinePicture } from '../../../src/pipeline/bench/roofline.ts';
import { runCase } from '../../../src/pipeline/bench/run-case.ts';
import { timeStep } from '../../../src/pipeline/bench/step.ts';
import { adamCase, lossCases } from '../../../src/pipeline/bench/step-cases.ts';
import { buildCli, runCli } from '../../support/cli.ts';
import { useGpu } from '../../support/gpu.ts';

const host = useGpu();
const QUICK = { variants: false, seconds: 0 };

const SMALL = [
  ...conv3dCases({ samples: 2, from: [3, 5], to: 6, extents: [4, 5, 6] }),
  ...conv3dCases({ samples: 1, from: [8], to: 8, extents: [8, 8, 8] }),
  ...conv3dCases(parseConvShape('3+2->4@2x5x6x7 k1x3x5 s1x2x1 d3')!),
  ...convTranspose3dCases(parseConvShape('3->4@2x2x3x4 s1x2x1')!),
  ...convTranspose3dCases({ samples: 2, from: [4], to: 3, extents: [2, 3, 4] }),
  ...batchNormCases([2, 3, 4, 4, 4]),
  ...groupNormCases([2, 3, 4, 4, 4]),
  ...addCases([1, 2, 4, 4, 4]),
  ...dropoutCases([1, 2, 4, 4, 4]),
  ...pointwiseCases([1, 2, 4, 4, 4]),
  ...maxPoolCases([2, 3, 4, 6, 8]),
  ...averagePoolCases([2, 3, 4, 6, 8]),
  ...softmaxCases([2, 4, 3, 4, 4]),
  ...concatCases([2, 3, 4, 4, 5]),
  ...globalAveragePoolCases([2, 3, 4, 4, 5]),
  ...linearCases(3, 20, 7),
  ...upsampleCases([2, 3, 2, 3, 4]),
  ...lossCases([8, 8, 8]),
  adamCase(1000),
];

describe('runCase', () => {
  it.each(SMALL.map((each) => [`${each.kernel} ${each.shape}`, each] as const))(
    'finds what the plain formula gives: %s',
    async (_, each) => {
      const [timing] = await runCase(host.gpu, each, QUICK);
      expect(timing!.error).toBeLessThan(1e-3);
      expect(timing!.bestMs).toBeGreaterThan(0);
      expect(timing!.ms).toBeGreaterThanOrEqual(timing!.bestMs);
      expect(host.gpu.buffers).toEqual([]);
    },
  );

  it('times every variant in the same rounds', async () => {
    const [forward] = conv3dCases({ samples: 1, from: [8], to: 8, extents: [8, 8, 8] });
    const timings = await runCase(host.gpu, forward!, { ...QUICK, variants: true });
    expect(timings.length).toBeGreaterThan(1);
    expect(new Set(timings.map(({ variant }) => variant)).size).toBe(timings.length);
  });

  it('does not time what computes something else', async () => {
    const [forward] = conv3dCases({ samples: 1, from: [2], to: 2, extents: [4, 4, 4] });
    const wrong: typeof forward = {
      ...forward!,
      record: async (tape) => {
        const recording = await forward!.record(tape);
        const expected = (i: number): number => recording.check.expected(i) + 0.1;
        return { ...recording, check: { ...recording.check, expected } };
      },
    };
    await expect(runCase(host.gpu, wrong, QUICK)).rejects.toThrow(GpuError);
    await expect(runCase(host.gpu, wrong, QUICK)).rejects.toThrow(
      /conv3d\/forward 2->2@4x4x4, .*: element \d+ is/,
    );
    expect(host.gpu.buffers).toEqual([]);
  });
});

describe('timeNetwork', () => {
  const network = {
    channels: 2,
    baseChannels: 2,
    levels: 2,
    patch: 8,
    batch: 2,
  } as const;
  it.each(['nnunet', 'meshnet', 'unet-regression'])('times a step of a %s', async (kind) => {
    const scanValue = kind === 'unet-regression';
    const one = { kernel: 'network/step', network: { ...network, kind, scanValue, patch: 16 } } as const;
    const timing = await timeNetwork(host.gpu, one, { seconds: 0 });
    expect(timing.shape).toBe(`2->2@2x16x16x16, base 2, 2 levels, ${kind}`);
    expect(timing.ms).toBeGreaterThan(0);
    expect(host.gpu.buffers).toEqual([]);
  });

  it.each(['network/step', 'network/forward'] as const)('times a %s', async (kernel) => {
    const timing = await timeNetwork(host.gpu, { kernel, network }, { seconds: 0 });
    expect(timing).toMatchObject({ kernel, shape: '2->2@2x8x8x8, base 2, 2 levels', passes: 1 });
    expect(timing.pass).toEqual({ kernel, shape: timing.shape });
    expect(timing.bestMs).toBeGreaterThan(0);
    expect(timing.ms).toBeGreaterThanOrEqual(timing.bestMs);
    expect(host.gpu.buffers).toEqual([]);
  });
});

describe('timeStep', () => {
  it('takes a step apart by kernel', async () => {
    const shape = {
      channels: 1,
      baseChannels: 2,
      levels: 2,
      patch: 8,
      batch: 1,
    } as const;
    const step = await timeStep(host.gpu, shape, { seconds: 0.1 });
    expect(step.ms).toBeGreaterThan(step.hostMs);
    expect(step.hostMs).toBeGreaterThanOrEqual(step.hostBestMs);
    expect(step.encodeMs).toBeGreaterThanOrEqual(step.encodeBestMs);
    expect(step.encodeBestMs).toBeGreaterThan(0);
    expect(step.tensorBytes).toBeGreaterThanOrEqual(step.livenessBytes);
    const total = step.byKernel.reduce((sum, { ms }) => sum + ms, 0);
    expect(total).toBeCloseTo(step.kernelMs);
    const labels = step.byKernel.map(({ kernel }) => kernel);
    for (const label of ['conv3d/forward', 'batch-norm/backward_input', 'adam/update'])
      expect(labels).toContain(label);
    expect(host.gpu.buffers).toEqual([]);
  });
});

describe('chooseCases', () => {
  it('has all the shapes that are quoted, for forward and both gradients', () => {
    const names = chooseCases([]).cases.map(({ kernel, shape }) => `${kernel} ${shape}`);
    for (const shape of ['32->32@32x32x32', '4->16@64x64x64', '16+16->16@64x64x64'])
      for (const part of ['forward', 'backward_input', 'backward_weight'])
        expect(names).toContain(`conv3d/${part} ${shape}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it('chooses by part of a name, and takes shapes of its own', () => {
    expect(chooseCases([STEP])).toEqual({ cases: [], networks: [], step: true });
    const own = chooseCases(['8+8->8@2x32x32x32', 'adam']);
    expect(own.step).toBe(false);
    expect(own.cases.map(({ kernel }) => kernel)).toEqual([
      'adam/step',
      'conv3d/forward',
      'conv3d/backward_input',
      'conv3d/backward_weight',
    ]);
    expect(() => chooseCases(['conv4d'])).toThrow(UsageError);
  });

  it('leaves a whole volume out unless it is named', () => {
    const kernels = (words: readonly string[]): string[] =>
      chooseCases(words).networks.map(({ kernel }) => kernel);
    expect(kernels([])).toEqual([...Array.from({ length: 5 }, () => 'network/step'), 'network/forward']);
    expect(kernels(['network/volume'])).toEqual(['network/volume']);
    expect(kernels(['levels, nnunet'])).toEqual(['network/step']);
  });

  it('reads shapes', () => {
    expect(parseConvShape('16+8->4@2x3x4x5')).toEqual({
      samples: 2,
      from: [16, 8],
      to: 4,
      extents: [3, 4, 5],
    });
    expect(parseConvShape('4->8@9x9x9 k1x3x5 s1x2x2 d16')).toEqual({
      samples: 1,
      from: [4],
      to: 8,
      extents: [9, 9, 9],
      kernel: [1, 3, 5],
      stride: [1, 2, 2],
      dilation: [16, 16, 16],
    });
    for (const text of ['4->8@9x9x9 k2', '4->8@9x9x9 k1x3', '4->8@9x9x9 d0', '4->8@9x9x9 s3'])
      expect(parseConvShape(text)).toBeUndefined();
    for (const text of ['16->8', '0->8@4x4x4', '8->8@4x4', 'relu'])
      expect(parseConvShape(text)).toBeUndefined();
  });
});

describe('report', () => {
  it('counts by the rules', () => {
    const [forward] = conv3dCases({ samples: 1, from: [2], to: 4, extents: [10, 10, 10] });
    const timing = { variant: 'tile', ms: 2, bestMs: 1, spread: 0.1, error: 0 };
    const row = benchRow(forward!, timing, { gflops: 2, gbps: 1 });
    // 2 operations, 27 taps, 2 -> 4 channels, 1000 voxels, in 2 ms.
    expect(row.gflops).toBeCloseTo((2 * 27 * 8 * 1000) / 2e-3 / 1e9);
    expect(row.shareOfPeak).toBeCloseTo(row.gflops / 2);
    expect(row.gbps).toBeCloseTo((4 * (2000 + 216 + 4000)) / 2e-3 / 1e9, 4);
    const [relu] = pointwiseCases([1, 1, 10, 10, 10]);
    const other = benchRow(relu!, timing, { gflops: 2, gbps: 0.008 });
    expect(other).toMatchObject({ gflops: 0, gbps: 0.004, shareOfPeak: 0.5 });
  });
});

describe('formatMarkdown', () => {
  it('adds the share at the least time, and geometric means over the fastest variants of several shapes', () => {
    const row = (kernel: string, shape: string, ms: number, bestMs: number): BenchRow => ({
      ...{ kernel, shape, variant: 'v', ms, bestMs, spread: 0, peers: {} },
      ...{ gflops: 1, gbps: 1, shareOfPeak: 1 / ms },
    });
    const text = formatMarkdown({
      ...{ adapter: 'some adapter', driver: 'system', commit: null, step: null, networks: [] },
      machine: { cores: 2, load: 0.5 },
      peak: { gflops: 10, gbps: 5 },
      rows: [row('a', 'x', 8, 8), row('a', 'x', 4, 2), row('a', 'y', 2.5, 2), row('b', 'x', 2, 1)],
    });
    const lines = text.split('\n').filter((line) => line.startsWith('|'));
    expect(lines[3]).toMatch(/ 25 % +\| 50 % +\|$/);
    // The square roots of 1/4 x 2/5 and of 1/2 x 1/2.
    expect(lines.slice(6)).toEqual([
      '| geometric mean | shapes | of peak | at best |',
      '| -------------- | ------ | ------- | ------- |',
      '| a              | 2      | 32 %    | 50 %    |',
    ]);
  });
});

describe('formatPeers', () => {
  it('puts the peers beside the fastest of our variants, and takes geometric means', () => {
    const row = (shape: string, variant: string, ms: number, peers: BenchRow['peers']): BenchRow => ({
      ...{ kernel: 'conv3d/forward', shape, variant, ms, bestMs: ms / 2, spread: 0, peers },
      ...{ gflops: 1, gbps: 1, shareOfPeak: 1 },
    });
    const a = { tfjs: { ms: 40, bestMs: 5 } };
    const b = { tfjs: { ms: 90, bestMs: 80 }, torch: { ms: 5, bestMs: 4 } };
    const text = formatPeers({
      ...{ adapter: 'some adapter', driver: 'system', commit: 'c0ffee', step: null, networks: [] },
      machine: { cores: 2, load: 0.5 },
      peak: { gflops: 10, gbps: 5 },
      rows: [
        row('a', 'slow', 20, a),
        row('a', 'fast', 10, a),
        row('b', 'only', 10, b),
        row('c', 'alone', 1, {}),
      ],
    });
    const cells = text
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    expect(text).toContain('some adapter (system driver), c0ffee, 2 cores with a load of 0.5 before');
    expect(cells[2]).toEqual(['conv3d/forward', '4x, 6x of 2', '0.8x, 0.5x of 1']);
    expect(cells.slice(5)).toEqual([
      ['conv3d/forward', 'a', '5, 10', '5, 40 (1x, 4x)', ''],
      ['conv3d/forward', 'b', '5, 10', '80, 90 (16x, 9x)', '4, 5 (0.8x, 0.5x)'],
    ]);
  });
});

describe('voxelgrad bench', () => {
  let folder = '';
  beforeAll(() => {
    buildCli();
    folder = mkdtempSync(join(tmpdir(), 'voxelgrad-bench-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('prints JSON alone on stdout and keeps table, history and picture', { timeout: 240_000 }, async () => {
    const words = ['bench', '2->2@4x4x4', '--seconds', '0.01', '--json', '--out', folder];
    const run = await runCli(words);
    expect(run.code, run.stderr).toBe(0);
    const report = JSON.parse(run.stdout) as BenchReport;
    expect(Object.keys(report)).toEqual([
      'adapter',
      'driver',
      'commit',
      'machine',
      'peak',
      'rows',
      'networks',
      'step',
    ]);
    expect(report.rows.map(({ kernel, shape }) => `${kernel} ${shape}`)).toEqual(
      ['forward', 'backward_input', 'backward_weight'].map((part) => `conv3d/${part} 2->2@4x4x4`),
    );
    expect(report.peak.gflops).toBeGreaterThan(0);
    expect(report.step).toBeNull();
    const [line] = readFileSync(join(folder, 'history.jsonl'), 'utf8').trim().split('\n');
    expect(JSON.parse(line!)).toMatchObject(report);
    expect(readFileSync(join(folder, 'bench.md'), 'utf8')).toBe(formatMarkdown(report));
    const svg = readFileSync(join(folder, 'roofline.svg'), 'utf8');
    expect(svg).toBe(rooflinePicture(report));
    expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('tells which peers it skips, and goes on', { timeout: 240_000 }, async () => {
    const words = ['bench', '1->1@2x2x2', '--seconds', '0.01', '--json', '--peers', '--out', folder];
    // No Python of this name, so that this peer is absent wherever the test runs.
    const run = await runCli(words, { env: { VOXELGRAD_PYTHON: 'no-such-python' } });
    expect(run.code, run.stderr).toBe(0);
    expect(run.stderr).toContain('peer torch: skipped in 3 rows: no-such-python does not start');
    const { rows } = JSON.parse(run.stdout) as BenchReport;
    expect(rows).toHaveLength(3);
    for (const { peers } of rows) expect(peers).not.toHaveProperty('torch');
  });

  it('refuses a pattern that means nothing', async () => {
    const run = await runCli(['bench', 'conv4d', '--out', folder]);
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('no row of the bench contains "conv4d"');
    // Before it opens a device: there is no driver.
    const env = { VOXELGRAD_DRIVER: 'system', VK_DRIVER_FILES: '/no/such/driver.json' };
    expect((await runCli(['bench', 'conv4d', '--out', folder], { env })).code).toBe(2);
    if (process.platform !== 'linux') return;
    expect((await runCli(['bench', 'adam', '--out', folder], { env })).code).toBe(1);
  });
});
