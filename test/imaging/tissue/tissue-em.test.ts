import { describe, expect, it } from 'vitest';
import { OutOfMemoryError } from '../../../src/core/errors.ts';
import { Random } from '../../../src/core/random.ts';
import { listVoxels } from '../../../src/imaging/tissue/brain-voxels.ts';
import type { Gaussian } from '../../../src/imaging/tissue/mixture.ts';
import { TissueEm, type TissueEmInput } from '../../../src/imaging/tissue/tissue-em.ts';
import { type ReferenceInput, TissueReference } from '../../reference/tissue-em.ts';
import { useGpu } from '../../support/gpu.ts';
import { withBindingLimit } from '../../support/limit.ts';

const device = useGpu();

/** A box with an odd-shaped brain, three tissues in layers, noise and a slope of brightness. */
function scene(channels: number, prior: boolean): ReferenceInput {
  const random = new Random(11 + channels);
  const shape = [9, 12, 7] as const;
  const size = shape[0] * shape[1] * shape[2];
  const place = (i: number): [number, number, number] => [i % 9, Math.floor(i / 9) % 12, Math.floor(i / 108)];
  const mask = Uint8Array.from({ length: size }, (_, i) => {
    const [x, y, z] = place(i);
    return ((x - 4) / 4.6) ** 2 + ((y - 5.5) / 6) ** 2 + ((z - 3) / 3.6) ** 2 < 1 && i % 37 !== 5 ? 1 : 0;
  });
  const levels = [
    [0.9, 1.3, 0.3],
    [1, 0.7, 1.6],
    [1.1, 0.9, 1.5],
    [1.2, 1, 0.4],
  ];
  const tissue = (i: number): number => {
    const [x, y, z] = place(i);
    const r = ((x - 4) / 4.6) ** 2 + ((y - 5.5) / 6) ** 2 + ((z - 3) / 3.6) ** 2;
    return r < 0.35 ? 1 : r < 0.7 ? 0 : 2;
  };
  return {
    shape,
    mask,
    channels: Array.from({ length: channels }, (_, c) =>
      Float32Array.from({ length: size }, (__, i) => {
        const [x, y] = place(i);
        const slope = 1 + 0.03 * (x - 4) * (c % 2 === 0 ? 1 : -1) + 0.01 * (y - 5);
        return Math.max(0.02, levels[c]![tissue(i)]! * slope + random.normal(0, 0.08));
      }),
    ),
    beta: 0.35,
    weights: [1, 0.5, 0.8],
    ...(prior
      ? {
          logPriors: [0, 1, 2].map((t) =>
            Float32Array.from({ length: size }, (_, i) => Math.log(tissue(i) === t ? 0.5 : 0.25)),
          ),
        }
      : {}),
  };
}

async function onGpu(input: ReferenceInput): Promise<TissueEm> {
  const voxels = listVoxels(input.mask, input.shape);
  const inBrain = (box: Float32Array): Float32Array => Float32Array.from(voxels.index, (i) => box[i]!);
  return await TissueEm.create(device.gpu, {
    voxels,
    channels: input.channels.map(inBrain),
    beta: input.beta,
    weights: input.weights,
    ...(input.logPriors ? { logPriors: input.logPriors.map(inBrain) } : {}),
  });
}

function farthest(got: Float32Array, want: readonly number[]): number {
  expect(got.length).toBe(want.length);
  return got.reduce((worst, v, i) => Math.max(worst, Math.abs(v - want[i]!)), 0);
}

function expectPosteriors(maps: readonly Float32Array[], { inside, posterior }: TissueReference): void {
  for (const t of [0, 1, 2] as const) {
    const want = inside.map((i) => posterior[t]![i]!);
    expect(farthest(maps[t]!, want)).toBeLessThan(5e-3);
  }
}

describe('TissueEm', () => {
  it.each([
    [1, false],
    [1, true],
    [2, false],
    [3, true],
    [4, false],
  ])('agrees step by step with the float64 formulae: %i channels, prior %s', async (channels, prior) => {
    const input = scene(channels, prior);
    const reference = new TissueReference(input);
    const em = await onGpu(input);
    try {
      for (let round = 0; round < 4; round++) {
        reference.fit();
        const gaussians = await em.fit();
        gaussians.forEach(({ mean, covariance, mix }, g) => {
          expect(mix).toBeCloseTo(reference.mix[g]!, 3);
          mean.forEach((m, c) => {
            expect(Math.abs(m - reference.means[g]![c]!)).toBeLessThan(1e-3);
          });
          covariance.forEach((v, i) => {
            const want = reference.covariances[g]![Math.floor(i / channels)]![i % channels]!;
            expect(Math.abs(v - want)).toBeLessThan(2e-4);
          });
        });
        if (round > 0) {
          reference.fitField();
          await em.fitField();
          const [corrected] = await em.inspect('corrected');
          const want = reference.z.flatMap((z) => reference.inside.map((i) => z[i]!));
          expect(farthest(corrected!, want)).toBeLessThan(2e-3);
        }
        reference.expect();
        em.expect();
        expectPosteriors(await em.posteriors(), reference);
      }
    } finally {
      em.destroy();
    }
  });

  it('refines grey and white matter as the float64 formula does', async () => {
    const input = scene(1, false);
    const reference = new TissueReference(input);
    const em = await onGpu(input);
    try {
      for (let round = 0; round < 3; round++) {
        await em.fit();
        reference.fit();
        em.expect();
        reference.expect();
      }
      const gaussians = await em.fit();
      const [before] = await em.posteriors();
      await em.refine(gaussians);
      const grey = Math.max(gaussians[0]!.mean[0]!, gaussians[1]!.mean[0]!);
      const contrast = gaussians[2]!.mean[0]! - grey;
      expect(contrast).toBeGreaterThan(0.2);
      // This brain is too small to tell the noise from, so that the white Gaussian's deviation counts.
      reference.refine(grey + 0.55 * contrast, contrast, 3 * Math.sqrt(gaussians[2]!.covariance[0]!));
      const maps = await em.posteriors();
      expectPosteriors(maps, reference);
      expect(farthest(maps[0], [...before])).toBeGreaterThan(0.1);
    } finally {
      em.destroy();
    }
  });

  it('gives probabilities that sum to 1, the same bits each time, and leaves no buffer behind', async () => {
    const before = device.gpu.buffers.length;
    const run = async (): Promise<Float32Array[]> => {
      const em = await onGpu(scene(2, false));
      for (let round = 0; round < 6; round++) {
        await em.fit();
        await em.fitField();
        em.expect();
      }
      const maps = await em.posteriors();
      em.destroy();
      return maps;
    };
    const [first, second] = [await run(), await run()];
    expect(second).toEqual(first);
    first[0]!.forEach((gm, i) => {
      expect(gm + first[1]![i]! + first[2]![i]!).toBeCloseTo(1, 5);
    });
    expect(device.gpu.buffers.length).toBe(before);
  });

  describe('of a brain larger than the device binds', () => {
    /** The moments of one channel are as large as 2560 voxels; the brain has four times as many. */
    const LIMIT = 61_440;

    /** A ball of 30x30x24 voxels with three tissues in shells, noise and a slope along z. */
    function ball(): TissueEmInput {
      const random = new Random(8);
      const shape = [30, 30, 24] as const;
      const radius = (i: number): number =>
        Math.hypot((i % 30) - 14.5, (Math.floor(i / 30) % 30) - 14.5, (Math.floor(i / 900) - 11.5) * 1.25) /
        14.6;
      const mask = Uint8Array.from({ length: 21_600 }, (_, i) => Number(radius(i) < 1));
      const voxels = listVoxels(mask, shape);
      const t1 = Float32Array.from(voxels.index, (i) => {
        const level = radius(i) < 0.6 ? 1.3 : radius(i) < 0.85 ? 0.95 : 0.3;
        return Math.max(0.02, level * (0.9 + i / 108_000) + random.normal(0, 0.08));
      });
      return { voxels, channels: [t1], beta: 0.4, weights: [1, 1, 0.8] };
    }

    async function segment(input: TissueEmInput): Promise<{ maps: Float32Array[]; slabs: number }> {
      const em = await TissueEm.create(device.gpu, input);
      try {
        let gaussians: readonly Gaussian[] = [];
        for (let round = 0; round < 5; round++) {
          gaussians = await em.fit();
          if (round > 0) await em.fitField();
          em.expect();
        }
        await em.refine(gaussians);
        return { maps: await em.posteriors(), slabs: (await em.inspect('rows')).length };
      } finally {
        em.destroy();
      }
    }

    it('is the same in slabs as whole', async () => {
      const input = ball();
      expect(input.voxels.count * 24).toBeGreaterThan(4 * LIMIT);
      const whole = await segment(input);
      const { value, bound } = await withBindingLimit(device.gpu, LIMIT, () => segment(input));
      expect(whole.slabs).toBe(1);
      expect(value.slabs).toBeGreaterThan(4);
      expect(bound.largest).toBeLessThanOrEqual(LIMIT);
      value.maps.forEach((map, t) => {
        expect(farthest(map, [...whole.maps[t]!])).toBeLessThan(1e-3);
      });
      expect(device.gpu.buffers).toEqual([]);
    });

    it('is refused, with what to do, where not even three planes of it fit', async () => {
      const attempt = withBindingLimit(device.gpu, 24 * 1000, () => segment(ball()));
      await expect(attempt).rejects.toThrow(OutOfMemoryError);
      await expect(attempt).rejects.toMatchObject({ hint: expect.stringContaining('Resample the scan') });
      expect(device.gpu.buffers).toEqual([]);
    });
  });
});
