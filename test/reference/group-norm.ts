import { sizeOf } from '../../src/core/shape.ts';
import type { GroupNormAttributes } from '../../src/engine/ops/group-norm.ts';
import type { Reference } from '../support/describe-op.ts';
import { type Nd, zeros } from '../support/nd.ts';

/** One group of one sample: its elements with their channels, and its statistics. */
interface Group {
  readonly elements: readonly (readonly [index: number, channel: number])[];
  readonly mean: number;
  readonly invstd: number;
}

function groupsOf({ shape, data }: Nd, { groups = shape[1]!, eps = 1e-5 }: GroupNormAttributes): Group[] {
  const [samples, channels, ...extents] = shape as [number, number, ...number[]];
  const voxels = sizeOf(extents);
  const perGroup = channels / groups;
  return Array.from({ length: samples * groups }, (_, i) => {
    const first = i * perGroup * voxels;
    const elements = Array.from(
      { length: perGroup * voxels },
      (_, k) => [first + k, (i % groups) * perGroup + Math.floor(k / voxels)] as const,
    );
    const count = elements.length;
    const mean = elements.reduce((sum, [at]) => sum + data[at]!, 0) / count;
    const variance = elements.reduce((sum, [at]) => sum + (data[at]! - mean) ** 2, 0) / count;
    return { elements, mean, invstd: 1 / Math.sqrt(variance + eps) };
  });
}

export const groupNormReference: Reference<GroupNormAttributes> = {
  forward([input, weight, bias], attributes) {
    const output = zeros(input!.shape);
    for (const { elements, mean, invstd } of groupsOf(input!, attributes))
      for (const [at, c] of elements) {
        const y = (input!.data[at]! - mean) * invstd * weight!.data[c]! + bias!.data[c]!;
        output.data[at] = y > 0 ? y : y * (attributes.slope ?? 1);
      }
    return output;
  },

  backward([input, weight, bias], attributes, gradOutput) {
    const grads = [zeros(input!.shape), zeros(weight!.shape), zeros(bias!.shape)] as const;
    const [gradInput, gradWeight, gradBias] = grads;
    for (const { elements, mean, invstd } of groupsOf(input!, attributes)) {
      const each = elements.map(([at, c]) => {
        const xhat = (input!.data[at]! - mean) * invstd;
        const y = xhat * weight!.data[c]! + bias!.data[c]!;
        const g = gradOutput.data[at]! * (y > 0 ? 1 : (attributes.slope ?? 1));
        gradWeight.data[c]! += g * xhat;
        gradBias.data[c]! += g;
        return { at, xhat, scaled: g * weight!.data[c]! };
      });
      const meanOf = (f: (of: (typeof each)[number]) => number): number =>
        each.reduce((sum, one) => sum + f(one), 0) / each.length;
      const first = meanOf(({ scaled }) => scaled);
      const second = meanOf(({ scaled, xhat }) => scaled * xhat);
      for (const { at, xhat, scaled } of each) gradInput.data[at] = invstd * (scaled - first - xhat * second);
    }
    return grads;
  },
};
