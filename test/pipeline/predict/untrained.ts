import { Random } from '../../../src/core/random.ts';
import type { Gpu } from '../../../src/engine/gpu/gpu.ts';
import { Network } from '../../../src/engine/nn/network.ts';
import { architectureOf } from '../../../src/engine/nn/networks/index.ts';
import type { Model } from '../../../src/pipeline/models/model.ts';
import { type Variant, variantConfig } from '../../../src/study/presets/index.ts';
import { presetInfo } from '../../support/models.ts';

/** A small network that was never trained: what it says is nonsense, but the same nonsense everywhere. */
export async function untrained(
  gpu: Gpu,
  variant: Variant,
  modalities: readonly string[],
  mm: readonly [number, number, number],
  patch = 16,
): Promise<Model> {
  const network = variantConfig(variant, modalities, { baseChannels: 2, levels: 2 });
  const net = await Network.create(gpu, architectureOf(network), { training: true, random: new Random(7) });
  try {
    const spacing = [{ mm, scans: ['sub-01'] }];
    const info = presetInfo({
      variant,
      network,
      modalities,
      threshold: 0.5,
      patch,
      spacing,
      settings: {},
    });
    return { info, weights: await net.save() };
  } finally {
    net.destroy();
  }
}
