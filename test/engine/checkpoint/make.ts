import { Random } from '../../../src/core/random.ts';
import { sizeOf } from '../../../src/core/shape.ts';
import { declarationOf } from '../../../src/engine/nn/networks/index.ts';
import type { Model, TrainingState } from '../../../src/pipeline/models/model.ts';
import { type Variant, variantConfig } from '../../../src/study/presets/index.ts';
import { presetInfo } from '../../support/models.ts';
import { tensorsOf } from '../../support/network-tensors.ts';

/** The widths of the small network. */
export const WIDTHS: { readonly baseChannels: number; readonly levels: number } = {
  baseChannels: 2,
  levels: 2,
};

/** A small network with random weights. */
export function makeModel(variant: Variant = 'single', seed = 1): Model {
  const random = new Random(seed);
  const modalities = ['FLAIR', 'T1w'];
  const network = variantConfig(variant, modalities, WIDTHS);
  const specs = tensorsOf(network);
  const weights = new Map(
    specs.map(({ name, shape }) => [
      name,
      Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
    ]),
  );
  const settings = { variant, lr: 5e-4 };
  return {
    info: presetInfo({ variant, network, modalities, threshold: 0.25, patch: 32, settings }),
    weights,
  };
}

/** A training run of it in mid-course. */
export function makeState(seed = 1): TrainingState {
  const model = makeModel('multi-output', seed);
  const moments = (value: number): Map<string, Float32Array> =>
    new Map(
      declarationOf(model.info.network).parameters.map(({ name, shape }) => [
        name,
        new Float32Array(sizeOf(shape)).fill(value),
      ]),
    );
  return {
    model,
    step: 12345,
    adamM: moments(0.5),
    adamV: moments(0.25),
    random: new Map([['patches', new Random(3).state]]),
    configHash: 'a'.repeat(64),
    progress: { seconds: 12.5, loss: 0.5 },
    data: { 'sub-01': 'b'.repeat(64) },
    kernels: { 'conv3d/forward 2->2@1x8x8x8': 'direct' },
    adapter: 'an adapter',
  };
}
