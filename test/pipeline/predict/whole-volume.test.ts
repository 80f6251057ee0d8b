import { describe, expect, it } from 'vitest';
import { OutOfMemoryError } from '../../../src/core/errors.ts';
import { Random } from '../../../src/core/random.ts';
import type { Triple } from '../../../src/core/shape.ts';
import { traceNetwork } from '../../../src/engine/nn/graph.ts';
import type { NetworkSpec } from '../../../src/engine/nn/network.ts';
import { architectureOf, designNetwork } from '../../../src/engine/nn/networks/index.ts';
import { chainOf } from '../../../src/pipeline/predict/layer-chain.ts';
import { labelWholeVolume, wholeVolumeBytes } from '../../../src/pipeline/predict/whole-volume.ts';
import { exportedModel, outputsOf, randomWeights } from '../../support/exchange.ts';
import { useGpu } from '../../support/gpu.ts';
import { fromArray } from '../../support/nd.ts';

/** No multiple of a block or a dilation. */
const EXTENTS: Triple = [21, 17, 26];

function network(given: object): NetworkSpec {
  const request = {
    inChannels: 1,
    heads: [{ name: 'a', channels: 4 }],
    baseChannels: 5,
    levels: 3,
    patch: [8, 8, 8],
  } as const;
  return designNetwork('meshnet', request, given);
}

const NETWORKS = {
  'batch norm, ReLU': network({ dilations: [1, 2, 1] }),
  'instance norm, GELU': network({
    dilations: [16, 4, 2, 1],
    batchNorm: false,
    groupNorm: 'instance',
    activation: 'gelu',
  }),
  'groups, ReLU': network({ dilations: [3, 1], channels: [6, 4], batchNorm: false, groupNorm: 2 }),
  'no norm, ELU': network({ dilations: [1, 8], batchNorm: false, activation: 'elu' }),
};

describe('a network on a whole volume', () => {
  const context = useGpu();

  it.each(Object.entries(NETWORKS))('%s: labels are those of the network in one piece', async (_, spec) => {
    const { gpu } = context;
    const weights = randomWeights(spec);
    const random = new Random(3);
    const count = EXTENTS[0] * EXTENTS[1] * EXTENTS[2];
    const input = Float32Array.from({ length: count }, () => random.uniform());
    const logits = (await outputsOf(gpu, spec, weights, fromArray([1, 1, ...EXTENTS], input))).get('a')!;
    const wanted = new Uint8Array(count);
    /** By how much the largest leads. */
    const leads = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      const scores = [0, 1, 2, 3].map((c) => logits[c * count + i]!);
      const [first, second] = scores.toSorted((a, b) => b - a) as [number, number];
      wanted[i] = scores.indexOf(first);
      leads[i] = first - second;
    }
    expect(new Set(wanted).size).toBeGreaterThan(1);
    const told: number[] = [];
    const onProgress = (done: number, total: number): unknown => told.push(done / total);
    const differing = (labels: Uint8Array, lead: number): number =>
      labels.filter((label, i) => label !== wanted[i] && leads[i]! > lead).length;
    const full = await labelWholeVolume(gpu, { network: spec, weights }, [input], EXTENTS, {
      stored: 'f32',
      onProgress,
    });
    expect(differing(full, 1e-3)).toBe(0);
    expect(differing(full, 0)).toBeLessThan(count / 1000);
    expect(told.at(-1)).toBe(1);
    const half = await labelWholeVolume(gpu, { network: spec, weights }, [input], EXTENTS);
    expect(differing(half, 0)).toBeLessThan(count / 100);
    expect(await labelWholeVolume(gpu, { network: spec, weights }, [input], EXTENTS)).toEqual(half);
    expect(gpu.buffers).toEqual([]);
  });

  it('is refused beyond a budget, with what would fit, and stops when it is told to', async () => {
    const { gpu } = context;
    const spec = NETWORKS['no norm, ELU'];
    const model = { network: spec, weights: randomWeights(spec) };
    const input = [new Float32Array(EXTENTS[0] * EXTENTS[1] * EXTENTS[2])];
    const memory = wholeVolumeBytes(spec, 1, EXTENTS);
    const full = labelWholeVolume(gpu, model, input, EXTENTS, { memory, stored: 'f32' });
    await expect(full).rejects.toThrow(OutOfMemoryError);
    await expect(full).rejects.toMatchObject({ hint: /16 bits/ });
    await expect(labelWholeVolume(gpu, model, input, EXTENTS, { memory: 1e6 })).rejects.toMatchObject({
      hint: /whole/,
    });
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(labelWholeVolume(gpu, model, input, EXTENTS, { signal })).rejects.toThrow('enough');
    expect(gpu.buffers).toEqual([]);
  });

  it('takes a network that is a chain, and names what makes another one none', () => {
    const chain = (spec: NetworkSpec): unknown => chainOf(traceNetwork(architectureOf(spec)));
    expect(chain(NETWORKS['instance norm, GELU'])).toMatchObject([
      { dilation: 16, kernel: 3, activation: { op: 'gelu' }, norm: { groups: 5 } },
      { dilation: 4 },
      { dilation: 2 },
      { dilation: 1 },
      { kernel: 1, channels: 4, norm: undefined },
    ]);
    expect(() => chain(exportedModel('unet').info.network)).toThrow(
      /not a chain of convolutions.*max_pool3d/,
    );
    expect(() => chain(exportedModel('nnunet').info.network)).toThrow(/not a chain of convolutions/);
  });
});
