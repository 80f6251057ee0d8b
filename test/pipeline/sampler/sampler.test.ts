import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { sizeOf } from '../../../src/core/shape.ts';
import type { Gpu } from '../../../src/engine/gpu/gpu.ts';
import { encodeDispatches } from '../../../src/engine/tape/plan.ts';
import { TensorStore } from '../../../src/engine/tape/store.ts';
import { tensor } from '../../../src/engine/tape/tensor.ts';
import { bindAugmentations } from '../../../src/pipeline/augment/index.ts';
import { mirroring } from '../../../src/pipeline/augment/transform.ts';
import { DEFAULT_SAMPLER, type PatchDraw } from '../../../src/pipeline/sampler/draw-patch.ts';
import { PatchCutter } from '../../../src/pipeline/sampler/patch-cutter.ts';
import {
  PatchSampler,
  type SamplerOptions,
  type SamplerScan,
} from '../../../src/pipeline/sampler/sampler.ts';
import { useGpu } from '../../support/gpu.ts';

type Extent3 = readonly [number, number, number];

/** Values with a quarter of zeros, exact in 32 bits. */
function randomVolume(shape: Extent3, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: sizeOf(shape) }, () => (random.uniform() < 0.25 ? 0 : random.normal()));
}

/** A patch that is copied, mirrored, and scaled. */
interface Cut {
  readonly corner: Extent3;
  readonly mirror?: readonly boolean[];
  readonly scale?: number;
  readonly shift?: number;
}

/** The patch by the plain formula. */
function cutOnCpu(volume: Float32Array, shape: Extent3, patch: Extent3, cut: Cut): Float32Array {
  const { corner, mirror = [false, false, false], scale = 1, shift = 0 } = cut;
  const out = new Float32Array(sizeOf(patch));
  let i = 0;
  for (let z = 0; z < patch[0]; z++)
    for (let y = 0; y < patch[1]; y++)
      for (let x = 0; x < patch[2]; x++, i++) {
        const at = [z, y, x].map((p, a) => corner[a]! + (mirror[a] ? patch[a]! - 1 - p : p));
        if (at.some((p, a) => p < 0 || p >= shape[a]!)) continue;
        const v = volume[(at[0]! * shape[1] + at[1]!) * shape[2] + at[2]!]!;
        out[i] = v === 0 ? 0 : Math.fround(v * Math.fround(scale) + Math.fround(shift));
      }
  return out;
}

function submit(gpu: Gpu, encode: (pass: GPUComputePassEncoder) => void): void {
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  encode(pass);
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
}

/** Largest absolute difference; zeros must be zeros. */
function difference(actual: Float32Array, expected: Float32Array): number {
  expect(actual.length).toBe(expected.length);
  let largest = 0;
  for (let i = 0; i < actual.length; i++) {
    if (expected[i] === 0 && actual[i] !== 0) return Number.POSITIVE_INFINITY;
    const d = Math.abs(actual[i]! - expected[i]!);
    largest = Number.isNaN(d) ? Number.POSITIVE_INFINITY : Math.max(largest, d);
  }
  return largest;
}

describe('cutting patches', () => {
  const context = useGpu();
  const shape: Extent3 = [11, 13, 17];
  const cuts: readonly (readonly [string, Extent3, Cut])[] = [
    ['at the corner', [5, 7, 9], { corner: [0, 0, 0] }],
    ['flush with the far border', [5, 7, 9], { corner: [6, 6, 8] }],
    ['mirrored along x', [5, 7, 9], { corner: [1, 2, 3], mirror: [false, false, true] }],
    ['mirrored along y', [5, 7, 9], { corner: [1, 2, 3], mirror: [false, true, false] }],
    ['mirrored along z', [5, 7, 9], { corner: [1, 2, 3], mirror: [true, false, false] }],
    ['mirrored along all', [4, 4, 4], { corner: [3, 5, 7], mirror: [true, true, true] }],
    ['beyond the border on one side', [5, 7, 9], { corner: [9, 10, 14] }],
    [
      'beyond the border on the other, mirrored',
      [5, 7, 9],
      { corner: [-2, -3, -4], mirror: [true, false, true] },
    ],
    ['larger than the volume', [16, 20, 24], { corner: [-2, -3, -4] }],
    ['more rows than a workgroup takes', [3, 37, 40], { corner: [2, -10, -11] }],
    ['one voxel', [1, 1, 1], { corner: [10, 12, 16] }],
  ];

  it.each(cuts)('%s', async (_, patch, cut) => {
    const { gpu } = context;
    // Two items of two channels: patches of odd size start at odd places.
    const batch = await TensorStore.create(gpu, 'batch', [{ name: 'input', shape: [2, 2, ...patch] }]);
    const store = await TensorStore.create(gpu, 'volume', [
      { name: 'a', shape },
      { name: 'b', shape },
    ]);
    const volumes = [randomVolume(shape, 1), randomVolume(shape, 2)];
    store.write('a', volumes[0]!);
    store.write('b', volumes[1]!);
    batch.write('input', new Float32Array(4 * sizeOf(patch)).fill(Number.NaN));
    const cutter = await PatchCutter.create(gpu, batch.get('input'));
    const bound = await cutter.bind(1, [store.get('a'), store.get('b')]);
    const { corner, mirror = [false, false, false] } = cut;
    const [z, y, x] = mirror.map((mirrored) => (mirrored ? -1 : 1)) as [number, number, number];
    for (const channel of [0, 1])
      expect(
        cutter.set(1, channel, { shape }, { corner, transform: { matrix: [z, 0, 0, 0, y, 0, 0, 0, x] } }),
      ).toBe('copy');
    cutter.upload();
    submit(gpu, (pass) => encodeDispatches(pass, bound.copy));
    const result = await batch.read('input');
    const size = sizeOf(patch);
    volumes.forEach((volume, c) => {
      const own = result.subarray((2 + c) * size, (3 + c) * size);
      expect(own).toEqual(cutOnCpu(volume, shape, patch, cut));
    });
    expect(result.subarray(0, 2 * size).every(Number.isNaN), 'the other item').toBe(true);
    cutter.destroy();
    for (const each of [batch, store]) each.destroy();
  });

  it('refuses a volume that the device cannot bind whole', async () => {
    const { gpu } = context;
    const batch = await TensorStore.create(gpu, 'batch', [{ name: 'input', shape: [1, 1, 2, 2, 2] }]);
    const most = gpu.capabilities.maxBindingBytes / 4;
    const cutter = await PatchCutter.create(gpu, batch.get('input'));
    const { placement } = batch.get('input');
    const huge = tensor('flair', [most / 64, 8, 16], placement);
    await expect(cutter.bind(0, [huge])).rejects.toThrow(/flair .* this adapter binds at most/);
    cutter.destroy();
    batch.destroy();
  });
});

const SHAPES: readonly Extent3[] = [
  [11, 13, 17],
  [9, 8, 10],
];

function scans(): SamplerScan[] {
  return SHAPES.map((shape, s) => {
    const brain = new Uint8Array(sizeOf(shape)).fill(1, 100);
    const lesions = new Uint8Array(sizeOf(shape));
    if (s === 0) lesions[777] = 1;
    const tissue = [0, 1, 2].map((c) => randomVolume(shape, 10 * s + c + 200).map(Math.abs));
    return {
      name: `sub-0${s}`,
      shape,
      brain,
      foreground: [lesions],
      volumes: {
        input: [0, 1, 2].map((c) => randomVolume(shape, 10 * s + c)),
        lesion: [Float32Array.from(lesions)],
        tissue,
      },
    };
  });
}

describe('the patch sampler', () => {
  const context = useGpu();
  const patch: Extent3 = [5, 7, 9];

  const outputs = (gpu: Gpu, volume: Extent3 = patch): Promise<TensorStore> =>
    TensorStore.create(gpu, 'batch', [
      { name: 'input', shape: [3, 3, ...volume] },
      { name: 'lesion', shape: [3, 1, ...volume] },
      { name: 'tissue', shape: [3, 3, ...volume] },
    ]);
  const optionsFor = (store: TensorStore, changes: Partial<SamplerOptions> = {}): SamplerOptions => ({
    ...DEFAULT_SAMPLER,
    outputs: store,
    images: 2,
    random: new Random(5),
    ...changes,
  });

  it('fills inputs and targets with what it drew: images jittered, maps and targets only cut', async () => {
    const { gpu } = context;
    const store = await outputs(gpu);
    const sampler = await PatchSampler.create(
      gpu,
      scans(),
      optionsFor(store, { augmentations: bindAugmentations(['mirror', 'intensity'], { intensity: 0.3 }) }),
    );
    const seen = new Set<number>();
    for (let step = 0; step < 4; step++) {
      for (const [name, { shape }] of store.tensors)
        store.write(name, new Float32Array(sizeOf(shape)).fill(Number.NaN));
      submit(gpu, sampler.next());
      const size = sizeOf(patch);
      for (const [name, { shape }] of store.tensors) {
        const result = await store.read(name);
        sampler.draws.forEach(({ scan, corner, transform, intensities }: PatchDraw, item) => {
          const mirror = mirroring(transform)!;
          seen.add(scan);
          for (let c = 0; c < shape[1]!; c++) {
            const passes = name === 'input' ? intensities.get('intensity')![c] : undefined;
            const given = passes?.[0]?.params as Record<string, { f32: number }> | undefined;
            const jitter = given ? { scale: given.scale!.f32, shift: given.shift!.f32 } : {};
            const volume = scans()[scan]!.volumes[name]![c]!;
            const expected = cutOnCpu(volume, SHAPES[scan]!, patch, { corner, mirror, ...jitter });
            const start = (item * shape[1]! + c) * size;
            const actual = result.slice(start, start + size);
            if ('scale' in jitter) expect(difference(actual, expected)).toBeLessThan(1e-6);
            else expect(actual).toEqual(expected);
          }
        });
      }
    }
    expect([...seen].sort()).toEqual([0, 1]);
    sampler.destroy();
    store.destroy();
  });

  it('goes on bit for bit from a saved state', async () => {
    const { gpu } = context;
    const store = await outputs(gpu);
    const sampler = await PatchSampler.create(gpu, scans(), optionsFor(store));
    const step = async (of: PatchSampler): Promise<unknown> => {
      submit(gpu, of.next());
      return [of.draws, await store.read('input'), await store.read('lesion')];
    };
    await step(sampler);
    const { state } = sampler;
    const expected = [await step(sampler), await step(sampler)];
    const other = await PatchSampler.create(gpu, scans(), optionsFor(store, { random: new Random(99) }));
    other.restore(state);
    expect([await step(other), await step(other)]).toEqual(expected);
    sampler.restore(state);
    expect(await step(sampler)).toEqual(expected[0]);
    for (const each of [sampler, other]) each.destroy();
    store.destroy();
  });

  it('may draw ahead of the GPU: each step gets its own numbers', async () => {
    const { gpu } = context;
    const store = await outputs(gpu);
    const kept = await TensorStore.create(gpu, 'kept', [{ name: 'first', shape: store.get('lesion').shape }]);
    const sampler = await PatchSampler.create(
      gpu,
      scans(),
      optionsFor(store, { foregroundShare: 1, augmentations: [] }),
    );
    const expected: Float32Array[] = [];
    const region = (of: TensorStore, name: string): { buffer: GPUBuffer; offset: number } =>
      of.get(name).placement as { buffer: GPUBuffer; offset: number };
    for (let step = 0; step < 2; step++) {
      submit(gpu, sampler.next());
      expected.push(
        ...sampler.draws.map(({ scan, corner }) =>
          cutOnCpu(scans()[scan]!.volumes.lesion![0]!, SHAPES[scan]!, patch, { corner }),
        ),
      );
      if (step > 0) continue;
      const encoder = gpu.device.createCommandEncoder();
      const [from, to] = [region(store, 'lesion'), region(kept, 'first')];
      encoder.copyBufferToBuffer(from.buffer, from.offset, to.buffer, to.offset, 3 * sizeOf(patch) * 4);
      gpu.device.queue.submit([encoder.finish()]);
    }
    const results = [...(await kept.read('first')), ...(await store.read('lesion'))];
    expect(results).toEqual(expected.flatMap((values) => [...values]));
    sampler.destroy();
    for (const each of [store, kept]) each.destroy();
  });

  it('refuses what it cannot draw from, and leaves nothing allocated', async () => {
    const { gpu } = context;
    const store = await outputs(gpu);
    const large = await outputs(gpu, [9, 9, 9]);
    const bytes = gpu.allocatedBytes;
    const [first, second] = scans() as [SamplerScan, SamplerScan];
    const make = (
      list: readonly SamplerScan[],
      changes: Partial<SamplerOptions> = {},
    ): Promise<PatchSampler> => PatchSampler.create(gpu, list, optionsFor(changes.outputs ?? store, changes));
    await expect(make([])).rejects.toThrow(/there is no scan/);
    await expect(make([first, second], { outputs: large })).rejects.toThrow(
      /sub-01: a patch of 9x9x9 is larger than the volume, 9x8x10/,
    );
    await expect(make([{ ...first, brain: new Uint8Array(sizeOf(first.shape)) }])).rejects.toThrow(
      /sub-00: the brain mask is empty/,
    );
    await expect(make([{ ...first, brain: new Uint8Array(3) }])).rejects.toThrow(
      /brain has 2431 voxels; got 3/,
    );
    await expect(make([{ ...first, volumes: { ...first.volumes, tissue: [] } }])).rejects.toThrow(
      /sub-00 gives tissue 3 channels of 2431 voxels; got 0 of none/,
    );
    await expect(make([first], { foregroundShare: 1.5 })).rejects.toThrow(
      /foregroundShare lies in \[0, 1\]; got 1.5/,
    );
    await expect(make([first], { images: 4 })).rejects.toThrow(/images lies in \[0, 3\]; got 4/);
    expect(gpu.allocatedBytes).toBe(bytes);
    for (const each of [store, large]) each.destroy();
  });
});
