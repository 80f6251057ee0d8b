import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { conv3d } from '../../../src/engine/ops/conv3d.ts';
import { relu } from '../../../src/engine/ops/relu.ts';
import { TensorStore } from '../../../src/engine/tape/store.ts';
import { Tape } from '../../../src/engine/tape/tape.ts';
import {
  SlidingWindow,
  type TileModel,
  type WindowSnapshot,
} from '../../../src/pipeline/predict/sliding-window.ts';
import { importance, tileCorners } from '../../../src/pipeline/predict/tiles.ts';
import { useGpu } from '../../support/gpu.ts';
import { withBindingLimit } from '../../support/limit.ts';

describe('tiles', () => {
  it('step by half a patch and end flush with the border', () => {
    const corners = tileCorners([20, 8, 13], [8, 8, 8], 0.5);
    expect([...new Set(corners.map(([z]) => z))]).toEqual([0, 4, 8, 12]);
    expect([...new Set(corners.map(([, y]) => y))]).toEqual([0]);
    expect([...new Set(corners.map(([, , x]) => x))]).toEqual([0, 4, 5]);
    expect(corners).toHaveLength(12);
  });

  it('start at 0 where the volume is smaller than the patch', () => {
    expect(tileCorners([5, 6, 7], [8, 8, 8], 0.5)).toEqual([[0, 0, 0]]);
  });

  it('leave out those without brain', () => {
    const brain = new Uint8Array(16 * 8 * 8);
    brain[15 * 64] = 1;
    expect(tileCorners([16, 8, 8], [8, 8, 8], 0, brain)).toEqual([[8, 0, 0]]);
  });

  it('refuse an overlap of 1', () => {
    expect(() => tileCorners([8, 8, 8], [8, 8, 8], 1)).toThrow(/overlap.*below 1; got 1/);
  });

  it('weigh their middle most, symmetrically, never 0', () => {
    const weights = importance(16);
    expect(weights[7]).toBe(weights[8]);
    expect(weights[0]).toBe(weights[15]);
    expect(weights[7]! / weights[5]!).toBeCloseTo(Math.exp((0.5 * (2.5 ** 2 - 0.5 ** 2)) / 4), 5);
    expect(Math.min(...weights)).toBeGreaterThan(0);
  });
});

describe('sliding window', () => {
  const context = useGpu();

  function noise(voxels: number, random: Random): Float32Array[] {
    return [1, 2, 3].map(() => Float32Array.from({ length: voxels }, () => random.uniform()));
  }

  /** A model that passes its three channels through: class 0 is ignored, classes 1 and 2 come back. */
  async function identity(patch: number): Promise<{ model: TileModel; store: TensorStore }> {
    const store = await TensorStore.create(context.gpu, 'input', [
      { name: 'input', shape: [1, 3, patch, patch, patch] },
    ]);
    const tape = new Tape(context.gpu.capabilities);
    const input = store.get('input');
    const output = tape.apply(relu, [input], { slope: 1 });
    return { model: { input, commands: tape.commands, probabilities: new Map([['lesion', output]]) }, store };
  }

  async function roundTrip(
    shape: [number, number, number],
    patch: number,
    overlap: number,
    mirror = false,
  ): Promise<void> {
    const voxels = shape[0] * shape[1] * shape[2];
    const random = new Random(3);
    const channels = noise(voxels, random);
    const { model, store } = await identity(patch);
    const window = await SlidingWindow.create(context.gpu, model, shape);
    const seen: number[] = [];
    try {
      for (const _ of [1, 2]) {
        const maps = await window.predict(channels, { overlap, mirror, onTile: (done) => seen.push(done) });
        const lesion = maps.get('lesion')!;
        expect(lesion).toHaveLength(2);
        for (const k of [1, 2])
          for (let i = 0; i < voxels; i++)
            expect(Math.abs(lesion[k - 1]![i]! - channels[k]![i]!)).toBeLessThan(2e-6);
      }
    } finally {
      window.destroy();
      store.destroy();
    }
    const tiles = tileCorners(shape, [patch, patch, patch], overlap).length * (mirror ? 8 : 1);
    expect(seen).toHaveLength(2 * tiles);
    expect(seen.at(-1)).toBe(tiles);
  }

  it('gives back what the network gives, where tiles overlap', async () => {
    await roundTrip([11, 9, 21], 8, 0.5);
  });

  it('gives back what the network gives, where tiles are seen mirrored too', async () => {
    await roundTrip([11, 9, 21], 8, 0.5, true);
    await roundTrip([5, 9, 3], 8, 0.25, true);
  });

  it('takes the mean over mirrored tiles of what a network says', async () => {
    const { gpu } = context;
    // A network that looks to one side only: each voxel gets the difference to its neighbour at x - 1.
    const store = await TensorStore.create(gpu, 'input', [{ name: 'input', shape: [1, 1, 4, 4, 4] }]);
    const weights = await TensorStore.create(gpu, 'weights', [{ name: 'weight', shape: [2, 1, 3, 3, 3] }]);
    weights.write(
      'weight',
      Float32Array.from({ length: 54 }, (_, i) => (i === 40 ? 1 : i === 39 ? -1 : 0)),
    );
    const tape = new Tape(gpu.capabilities);
    const input = store.get('input');
    const output = tape.apply(conv3d, [input, weights.get('weight')], { padding: 1 });
    const model = { input, commands: tape.commands, probabilities: new Map([['lesion', output]]) };
    const window = await SlidingWindow.create(gpu, model, [4, 4, 4]);
    const random = new Random(11);
    const channel = Float32Array.from({ length: 64 }, () => random.uniform());
    const map = (await window.predict([channel], { mirror: true })).get('lesion')![0]!;
    const at = (i: number, x: number): number => (x < 0 || x > 3 ? 0 : channel[i - (i % 4) + x]!);
    map.forEach((value, i) => {
      const x = i % 4;
      // Half of the tiles see the neighbour at x + 1 in its place.
      const expected = channel[i]! - 0.5 * (at(i, x - 1) + at(i, x + 1));
      expect(Math.abs(value - expected)).toBeLessThan(1e-5);
    });
    for (const each of [window, store, weights]) each.destroy();
  });

  it('gives back what the network gives, where the volume is smaller than a tile', async () => {
    await roundTrip([5, 9, 3], 8, 0.25);
  });

  it('gives back what the network gives, where the device binds one channel of a tile', async () => {
    // The volume of 8064 bytes fits, and of a tile one channel of 5324; its channels start at odd elements.
    const limit = 7 * 9 * 32 * 4;
    const { bound } = await withBindingLimit(context.gpu, limit, () => roundTrip([7, 9, 32], 11, 0.5));
    expect(bound.largest).toBeLessThanOrEqual(limit);
  });

  it('gives back what the network gives, where the volume is many times as deep as a tile', async () => {
    await roundTrip([53, 6, 9], 8, 0.5);
  });

  it('takes on the GPU what a tile and its planes take, however deep the volume', async () => {
    const { model, store } = await identity(8);
    const bytes: number[] = [];
    for (const depth of [8, 24, 300]) {
      const before = context.gpu.allocatedBytes;
      const window = await SlidingWindow.create(context.gpu, model, [depth, 10, 12]);
      bytes.push(context.gpu.allocatedBytes - before);
      window.destroy();
    }
    store.destroy();
    expect(new Set(bytes).size).toBe(1);
    // Two maps and the weights, of eight planes each.
    expect(bytes[0]).toBeGreaterThan(3 * 8 * 120 * 4);
  });

  it('passes planes without brain, more than a slab holds', async () => {
    const shape = [60, 8, 8] as const;
    const { model, store } = await identity(8);
    const window = await SlidingWindow.create(context.gpu, model, shape);
    const brain = new Uint8Array(60 * 64);
    brain[2 * 64 + 5] = 1;
    brain[41 * 64 + 9] = 1;
    const channels = noise(60 * 64, new Random(8));
    const map = (await window.predict(channels, { overlap: 0.5, brain })).get('lesion')![1]!;
    window.destroy();
    store.destroy();
    // Tiles start at every fourth plane; those that touch the two voxels count.
    map.forEach((p, i) => {
      const z = Math.floor(i / 64);
      const inside = z < 8 || (z >= 36 && z < 48);
      expect(Math.abs(p - (inside ? channels[2]![i]! : 0))).toBeLessThan(2e-6);
    });
  });

  it('is 0 where no tile came, and stops when told to', async () => {
    const { model, store } = await identity(8);
    const window = await SlidingWindow.create(context.gpu, model, [16, 8, 8]);
    const brain = new Uint8Array(1024);
    brain[0] = 1;
    const channels = [1, 2, 3].map(() => new Float32Array(1024).fill(1));
    const map = (await window.predict(channels, { overlap: 0, brain })).get('lesion')![0]!;
    expect(map.subarray(0, 512).every((p) => Math.abs(p - 1) < 1e-6)).toBe(true);
    expect(map.subarray(512).every((p) => p === 0)).toBe(true);
    const stop = new AbortController();
    await expect(
      window.predict(channels, {
        overlap: 0,
        onTile: () => stop.abort(new Error('enough')),
        signal: stop.signal,
      }),
    ).rejects.toThrow('enough');
    await expect(window.predict([...channels.slice(1), new Float32Array(7)])).rejects.toThrow(
      /3 channels of 16x8x8; got 3 of 1024, 1024, 7 values/,
    );
    await expect(window.predict(channels.slice(1))).rejects.toThrow(/got 2 of 1024, 1024 values/);
    window.destroy();
    store.destroy();
  });

  it('goes on from a snapshot and ends with the same bits', async () => {
    const { model, store } = await identity(8);
    const shape = [29, 9, 14] as const;
    const random = new Random(5);
    const channels = noise(29 * 9 * 14, random);
    const whole = await SlidingWindow.create(context.gpu, model, shape);
    const expected = (await whole.predict(channels)).get('lesion')!;
    whole.destroy();

    const snapshot: WindowSnapshot = { tiles: 0, sums: undefined };
    const options = { snapshot, snapshotSeconds: 0 };
    const first = await SlidingWindow.create(context.gpu, model, shape);
    const onTile = (done: number): void => {
      if (done === 26) throw new Error('lost');
    };
    await expect(first.predict(channels, { ...options, onTile })).rejects.toThrow('lost');
    first.destroy();
    expect(snapshot.tiles).toBe(25);
    // So that planes on the host count, and those of the slab.
    expect(snapshot.sums!.finished).toBeGreaterThan(8);

    const second = await SlidingWindow.create(context.gpu, model, shape);
    const tiles: number[] = [];
    const rest = await second.predict(channels, { ...options, onTile: (done) => tiles.push(done) });
    expect(tiles[0]).toBe(26);
    expect(rest.get('lesion')).toEqual(expected);
    second.destroy();
    store.destroy();
  });
});
