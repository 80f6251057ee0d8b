import { z } from 'zod/mini';
import { ShapeError } from '../../core/errors.ts';
import { ceilDiv, formatShape, type Shape, sameShape, sizeOf } from '../../core/shape.ts';
import { expectInputs, expectRule, expectTensor } from '../tape/check.ts';
import { type Binding, read, readWrite, write } from '../tape/command.ts';
import type { Op } from '../tape/op.ts';
import { inSlabs } from '../tape/slabs.ts';
import type { Tensor } from '../tape/tensor.ts';
import { defineLoss, type Loss } from './loss.ts';

/** What {@link mse} compares with. */
export interface MseAttributes {
  /** What the output should be, of its shape. */
  readonly target: Tensor;
  /** Weight of each voxel (or item, for numbers), the output's shape with one channel; at least 0. */
  readonly mask?: Tensor;
}

/** 2 / (channels · sum of the mask). */
export interface MseSaved {
  readonly factor: Tensor;
}

const FILE = 'mse.wgsl';
const LANES = 64;
const PER_LANE = 16;

/**
 * Mean squared error of voxel maps [N, C, D, H, W] or of numbers [N, C] against {@link MseAttributes.target} as a scalar
 * [1]: Σ m (x - t)² / (C Σ m), where m is the mask, or 1. With a mask that is 0 everywhere it is 0 with gradient 0.
 * The sums have a fixed order.
 */
export const mse: Op<MseAttributes, MseSaved> = {
  name: 'mse',

  shape(inputs: readonly Shape[], { target, mask }): Shape {
    const [output] = expectInputs('mse', inputs, 1);
    const fits = output!.length >= 2 && output!.every((extent) => extent >= 1);
    expectRule('mse', fits, 'an output is [batch, channels, ...], each at least 1', inputs);
    expectTensor('mse', 'target', target, inputs);
    if (!sameShape(target.shape, output!))
      throw new ShapeError(
        'mse',
        'the target has the shape of the output',
        `target ${formatShape(target.shape)} for output ${formatShape(output!)}`,
      );
    const [items, , ...volume] = output as [number, number, ...number[]];
    if (mask !== undefined) expectTensor('mse', 'mask', mask, inputs);
    if (mask && !sameShape(mask.shape, [items, 1, ...volume]))
      throw new ShapeError(
        'mse',
        'the mask has the shape of the output with one channel',
        `mask ${formatShape(mask.shape)} for output ${formatShape(output!)}`,
      );
    return [1];
  },

  forward(emit, [output], loss, { target, mask }): MseSaved {
    const { items, channels, voxels, width, perGroup, spec } = layoutOf(output!.shape);
    const count = ceilDiv(voxels, perGroup) * LANES;
    const partials = emit.scratch('loss partials', [items, 2, count]);
    const factor = emit.scratch('loss factor', [1]);
    const sources = [output!, target, ...(mask ? [mask] : [])].map((t) => ({ ...read(t), perGroup }));
    inSlabs(emit, 'mse/square_sums', [...sources, { ...write(partials), perGroup: LANES }], (slab) => {
      const groups = ceilDiv(slab.columns, perGroup);
      emit.run({
        label: 'mse/square_sums',
        kernel: { file: FILE, entry: mask ? 'masked_square_sums' : 'square_sums', spec },
        bindings: slab.bindings,
        params: { units: slab.columns / width, channels, partials: groups * LANES },
        workgroups: [groups, 1, slab.samples],
        samples: slab.samples,
      });
    });
    emit.run({
      label: 'mse/combine',
      kernel: { file: FILE, entry: 'combine' },
      bindings: [read(partials), write(loss), write(factor)],
      params: {
        items,
        partials: count,
        channels: { f32: channels },
        voxels: { f32: mask ? 0 : items * voxels },
      },
      workgroups: [1, 1, 1],
    });
    return { factor };
  },

  backward({ inputs: [output], attributes: { target, mask }, saved: { factor } }, gradOutput) {
    return [
      (emit, gradInput, accumulate) => {
        const { channels, width, perGroup, spec } = layoutOf(output!.shape);
        const grad = accumulate ? readWrite(gradInput) : write(gradInput);
        const parts = [read(output!), read(target), grad, ...(mask ? [read(mask)] : [])];
        const columns = parts.map((binding) => ({ ...binding, perGroup }));
        inSlabs(emit, 'mse/backward', columns, (slab) => {
          const [own, truth, result, ...weight] = slab.bindings as [Binding, Binding, Binding, ...Binding[]];
          emit.run({
            label: 'mse/backward',
            kernel: { file: FILE, entry: mask ? 'masked_backward' : 'backward', spec },
            bindings: [own, truth, read(factor), read(gradOutput), result, ...weight],
            params: { units: slab.columns / width, channels, accumulate: accumulate ? 1 : 0 },
            workgroups: [ceilDiv(slab.columns, perGroup), 1, slab.samples],
            samples: slab.samples,
          });
        });
      },
    ];
  },
};

interface Layout {
  readonly items: number;
  readonly channels: number;
  readonly voxels: number;
  /** Voxels of a lane's step: quadruples where they divide by 4. */
  readonly width: 1 | 4;
  /** Voxels of a workgroup. */
  readonly perGroup: number;
  readonly spec: Readonly<Record<string, string>>;
}

function layoutOf(shape: Shape): Layout {
  const [items, channels, ...volume] = shape as [number, number, ...number[]];
  const voxels = sizeOf(volume);
  const vector = voxels % 4 === 0;
  const width = vector ? 4 : 1;
  const spec = {
    Lane: vector ? 'vec4f' : 'f32',
    FOLD: vector ? 'vec4f(1.0, 1.0, 1.0, 1.0)' : 'vec4f(1.0, 0.0, 0.0, 0.0)',
  };
  return { items, channels, voxels, width, perGroup: LANES * PER_LANE * width, spec };
}

/** Mean squared error of a map or of numbers. */
export const meanSquaredError: Loss<Readonly<Record<string, never>>> = defineLoss({
  name: 'mse',
  title: 'Mean squared error',
  activations: ['none'],
  takesMask: true,
  schema: z.strictObject({}),
  record: (tape, { output, target, mask }) =>
    tape.apply(mse, [output], { target, ...(mask ? { mask } : {}) }),
});
