import { describe, expect, it } from 'vitest';
import { sizeOf, type Triple } from '../../src/core/shape.ts';
import type { Gpu } from '../../src/engine/gpu/gpu.ts';
import { encodeDispatches } from '../../src/engine/tape/plan.ts';
import { TensorStore } from '../../src/engine/tape/store.ts';
import type { IntensityAugmentation, Matrix3 } from '../../src/pipeline/augment/augmentation.ts';
import { allAugmentations } from '../../src/pipeline/augment/index.ts';
import { rotationMatrix } from '../../src/pipeline/augment/rotation.ts';
import { Augmenter } from '../../src/pipeline/sampler/augmenter.ts';
import { type Interpolation, PatchCutter } from '../../src/pipeline/sampler/patch-cutter.ts';
import { ShiftTables } from '../../src/pipeline/sampler/shift-tables.ts';
import { loadGolden } from '../support/golden.ts';
import { useGpu } from '../support/gpu.ts';
import { relativeError } from '../support/nd.ts';

interface GoldenCase {
  readonly name: string;
  readonly augmentation?: string;
  readonly parameters?: unknown;
  readonly corner?: Triple;
  readonly matrix?: Matrix3;
  readonly spacing?: Triple;
  readonly points?: number;
  readonly angles?: Triple;
}

const golden = loadGolden<GoldenCase>('augmentations');
const intensities = golden.cases.filter(({ augmentation }) => augmentation !== undefined);
const moved = golden.cases.filter(({ matrix }) => matrix !== undefined);
/** Sines, logarithms and powers of drivers are not exact: WGSL allows errors of 2^-11. */
const tolerance = (name: string): number => (/noise|gamma|bias/.test(name) ? 2e-4 : 3e-6);

function submit(gpu: Gpu, dispatches: Parameters<typeof encodeDispatches>[1]): void {
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  encodeDispatches(pass, dispatches);
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
}

describe('augmentations against NumPy, SciPy and PyTorch', () => {
  const context = useGpu();

  it.each(intensities)('$name', async ({ name, augmentation, parameters }) => {
    const { gpu } = context;
    const own = allAugmentations().find(
      (each) => each.name === augmentation,
    ) as IntensityAugmentation<unknown>;
    const values = golden.get(`${name}/values`);
    const patch = values.shape as unknown as Triple;
    const size = sizeOf(patch);
    const batch = await TensorStore.create(gpu, 'batch', [{ name: 'input', shape: [2, 2, ...patch] }]);
    batch.write(
      'input',
      Float32Array.from({ length: 4 * size }, (_, i) => values.data[i % size]!),
    );
    const augmenter = await Augmenter.create(gpu, batch.get('input'), 2, [own.bind()]);
    // The second image of the second patch: neither starts where its binding starts.
    const passes = own.passes(parameters, patch);
    const dispatches = augmenter.set(1, new Map([[own.name, [undefined, passes]]]));
    augmenter.upload();
    submit(gpu, dispatches);
    const result = await batch.read('input');
    const expected = golden.get(`${name}/output`).data;
    expect(relativeError(result.subarray(3 * size), expected)).toBeLessThan(tolerance(name));
    for (let i = 0; i < size; i++) if (values.data[i] === 0) expect(result[3 * size + i]).toBe(0);
    const others = Float32Array.from({ length: 3 * size }, (_, i) => values.data[i % size]!);
    expect(result.subarray(0, 3 * size), 'the other images').toEqual(others);
    augmenter.destroy();
    batch.destroy();
  });

  it.each(moved)('$name', async ({ name, corner, matrix, spacing, points = 0, angles }) => {
    const { gpu } = context;
    if (angles)
      for (const [i, value] of rotationMatrix(...angles).entries())
        expect(value).toBeCloseTo(matrix![i]!, 12);
    const volume = golden.get(`${name}/volume`);
    const shape = volume.shape as unknown as Triple;
    const patch = golden.get(`${name}/linear`).shape;
    const batch = await TensorStore.create(gpu, 'batch', [{ name: 'input', shape: [2, 1, ...patch] }]);
    const store = await TensorStore.create(gpu, 'volume', [{ name: 'a', shape }]);
    store.write('a', Float32Array.from(volume.data));
    const tables = await ShiftTables.create(gpu, 2, points);
    const values = points > 0 ? Float32Array.from(golden.get(`${name}/shifts`).data) : undefined;
    const shifts = values && { points, values };
    if (shifts) tables.send(1, shifts);
    const cutter = await PatchCutter.create(gpu, batch.get('input'));
    const bound = await cutter.bind(1, [store.get('a')], tables.resource(1));
    for (const interpolation of ['linear', 'nearest', 'linear-inside'] satisfies Interpolation[]) {
      const transform = { matrix: matrix!, ...(shifts ? { shifts } : {}) };
      const cut = { corner: corner!, transform, interpolation };
      const which = cutter.set(1, 0, { shape, spacing }, cut);
      expect(which).toBe('resample');
      cutter.upload();
      submit(gpu, bound[which]);
      const result = (await batch.read('input')).subarray(sizeOf(patch));
      const error = relativeError(result, golden.get(`${name}/${interpolation}`).data);
      expect(error, interpolation).toBeLessThan(1e-5);
    }
    for (const each of [cutter, tables, batch, store]) each.destroy();
  });

  it('cover every augmentation but mirroring, which copies', () => {
    const covered = new Set([
      ...intensities.map((each) => each.augmentation),
      ...moved.map(({ name }) => name),
    ]);
    const names = allAugmentations().map(({ name }) => name);
    expect(names.filter((name) => !covered.has(name))).toEqual(['mirror']);
  });
});
