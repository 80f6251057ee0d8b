import { ceilDiv, type Shape, sizeOf } from '../../core/shape.ts';
import type { Kernel } from '../gpu/kernel.ts';
import { type Binding, read, readWrite, slice, write } from '../tape/command.ts';
import type { Emitter } from '../tape/op.ts';
import { inSlabs } from '../tape/slabs.ts';
import type { Tensor } from '../tape/tensor.ts';

/** What overlap losses are functions of, and the gradient by way of it: shared by all that have such kernels. */

/** Stride of an item's coefficients: two per label. */
export const COEFFICIENTS = 64;
/** The most labels that have room there. */
export const MOST_LABELS: number = COEFFICIENTS / 2;

const LANES = 64;
const PER_LANE = 16;

interface Layout {
  readonly items: number;
  readonly labels: number;
  /** Voxels of a lane's step: quadruples where they divide by 4. */
  readonly width: 1 | 4;
  /** Voxels of a workgroup. */
  readonly perGroup: number;
  readonly voxels: number;
  readonly spec: Readonly<Record<string, number | string>>;
}

function layoutOf(shape: Shape): Layout {
  const [items, labels, ...volume] = shape as [number, number, ...number[]];
  const voxels = sizeOf(volume);
  const vector = voxels % 4 === 0;
  const width = vector ? 4 : 1;
  const spec = {
    LABELS: labels,
    Lane: vector ? 'vec4f' : 'f32',
    FOLD: vector ? 'vec4f(1.0, 1.0, 1.0, 1.0)' : 'vec4f(1.0, 0.0, 0.0, 0.0)',
    PER_LANE,
  };
  return { items, labels, voxels, width, perGroup: LANES * PER_LANE * width, spec };
}

/** Whether the labels exclude one another (softmax) or are regions of their own (sigmoid), and the kernels of each. */
const KERNELS = {
  softmax: { file: 'segmentation-loss.wgsl', sums: 'partial_sums', backward: 'backward' },
  sigmoid: { file: 'tversky-loss.wgsl', sums: 'region_sums', backward: 'region_backward' },
} as const;

/**
 * The sums of each item, [N, 3 L + 1], in a fixed order: P = Σ p of each label, R = Σ r, I = Σ r p, and the cross entropy.
 * @param op its name: begins the dispatches' labels
 * @param target [N, L - 1, D, H, W] for softmax, [N, L, D, H, W] for sigmoid
 */
export function labelSums(
  emit: Emitter,
  op: string,
  activation: keyof typeof KERNELS,
  logits: Tensor,
  target: Tensor,
): Tensor {
  const { items, labels, voxels, width, perGroup, spec } = layoutOf(logits.shape);
  const { file, sums: entry } = KERNELS[activation];
  const values = 3 * labels + 1;
  const count = ceilDiv(voxels, perGroup) * LANES;
  const partials = emit.scratch('loss partials', [items, values, count]);
  const sums = emit.scratch('loss sums', [items, values]);
  const kernel: Kernel = { file, entry, spec };
  const sources = [read(logits), read(target)].map((binding) => ({ ...binding, perGroup }));
  const columns = [...sources, { ...write(partials), perGroup: LANES }];
  inSlabs(emit, `${op}/partial_sums`, columns, (slab) => {
    const groups = ceilDiv(slab.columns, perGroup);
    emit.run({
      label: `${op}/partial_sums`,
      kernel,
      bindings: slab.bindings,
      params: { units: slab.columns / width, partials: groups * LANES },
      workgroups: [groups, 1, slab.samples],
      samples: slab.samples,
    });
  });
  emit.run({
    label: `${op}/total_sums`,
    kernel: { file: 'label-sums.wgsl', entry: 'total_sums' },
    bindings: [read(partials), write(sums)],
    params: { values, partials: count },
    workgroups: [values, 1, items],
  });
  return sums;
}

/** What {@link labelGradient} takes. */
export interface LabelGradient {
  readonly activation: keyof typeof KERNELS;
  readonly logits: Tensor;
  readonly target: Tensor;
  /** Derivatives of the loss by P and by I of each label, [N, {@link COEFFICIENTS}], 2 L of them used. */
  readonly coefficients: Tensor;
  readonly gradOutput: Tensor;
  /** Weight of a voxel's cross entropy. */
  readonly crossEntropy: number;
}

/** Writes the gradient of the logits, or adds it to what is there; logits and target are read once. */
export function labelGradient(
  emit: Emitter,
  op: string,
  { activation, logits, target, coefficients, gradOutput, crossEntropy }: LabelGradient,
  gradInput: Tensor,
  accumulate: boolean,
): void {
  const { items, width, perGroup, spec } = layoutOf(logits.shape);
  const { file, backward: entry } = KERNELS[activation];
  const grad = accumulate ? readWrite(gradInput) : write(gradInput);
  const parts = [read(logits), read(target), grad].map((binding) => ({ ...binding, perGroup }));
  inSlabs(emit, `${op}/backward`, parts, ({ bindings, columns, sample, samples }) => {
    const [own, truth, result] = bindings as [Binding, Binding, Binding];
    emit.run({
      label: `${op}/backward`,
      kernel: { file, entry, spec },
      bindings: [
        own,
        truth,
        samples === items
          ? read(coefficients, true)
          : slice(read(coefficients), sample * COEFFICIENTS, COEFFICIENTS),
        read(gradOutput),
        result,
      ],
      params: {
        units: columns / width,
        accumulate: accumulate ? 1 : 0,
        cross_entropy: { f32: crossEntropy },
      },
      workgroups: [ceilDiv(columns, perGroup), 1, samples],
      samples,
    });
  });
}
