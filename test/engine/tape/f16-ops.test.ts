import { describe, expect, it } from 'vitest';
import { GpuError } from '../../../src/core/errors.ts';
import type { AdapterFamily } from '../../../src/engine/gpu/capabilities.ts';
import { add } from '../../../src/engine/ops/add.ts';
import { averagePool3d } from '../../../src/engine/ops/average-pool3d.ts';
import { batchNorm } from '../../../src/engine/ops/batch-norm.ts';
import { concat } from '../../../src/engine/ops/concat.ts';
import { convTranspose3d } from '../../../src/engine/ops/conv-transpose3d.ts';
import { conv3d } from '../../../src/engine/ops/conv3d.ts';
import { crossStitch } from '../../../src/engine/ops/cross-stitch.ts';
import { dropout } from '../../../src/engine/ops/dropout.ts';
import { elu } from '../../../src/engine/ops/elu.ts';
import { gelu } from '../../../src/engine/ops/gelu.ts';
import { globalAveragePool } from '../../../src/engine/ops/global-average-pool.ts';
import { groupNorm } from '../../../src/engine/ops/group-norm.ts';
import { linear } from '../../../src/engine/ops/linear.ts';
import { maxPool3d } from '../../../src/engine/ops/max-pool3d.ts';
import { relu } from '../../../src/engine/ops/relu.ts';
import { sigmoid } from '../../../src/engine/ops/sigmoid.ts';
import { softmax } from '../../../src/engine/ops/softmax.ts';
import { upsampleTrilinear } from '../../../src/engine/ops/upsample-trilinear.ts';
import type { Op } from '../../../src/engine/tape/op.ts';
import { Tape, TapeError } from '../../../src/engine/tape/tape.ts';
import { type Element, tensor } from '../../../src/engine/tape/tensor.ts';
import { addCases } from '../../cases/add.ts';
import { averagePool3dCases } from '../../cases/average-pool3d.ts';
import { batchNormCases } from '../../cases/batch-norm.ts';
import { concatCases } from '../../cases/concat.ts';
import { convTranspose3dCases } from '../../cases/conv-transpose3d.ts';
import { conv3dCases } from '../../cases/conv3d.ts';
import { crossStitchCases } from '../../cases/cross-stitch.ts';
import { dropoutCases } from '../../cases/dropout.ts';
import { eluCases } from '../../cases/elu.ts';
import { geluCases } from '../../cases/gelu.ts';
import { globalAveragePoolCases } from '../../cases/global-average-pool.ts';
import { groupNormCases } from '../../cases/group-norm.ts';
import { linearCases } from '../../cases/linear.ts';
import { maxPool3dCases } from '../../cases/max-pool3d.ts';
import { reluCases } from '../../cases/relu.ts';
import { sigmoidCases } from '../../cases/sigmoid.ts';
import { upsampleTrilinearCases } from '../../cases/upsample-trilinear.ts';
import { addReference } from '../../reference/add.ts';
import { averagePool3dReference } from '../../reference/average-pool3d.ts';
import { batchNormReference } from '../../reference/batch-norm.ts';
import { concatReference } from '../../reference/concat.ts';
import { convTranspose3dReference } from '../../reference/conv-transpose3d.ts';
import { conv3dReference } from '../../reference/conv3d.ts';
import { crossStitchReference } from '../../reference/cross-stitch.ts';
import { dropoutReference } from '../../reference/dropout.ts';
import { eluReference } from '../../reference/elu.ts';
import { geluReference } from '../../reference/gelu.ts';
import { globalAveragePoolReference } from '../../reference/global-average-pool.ts';
import { groupNormReference } from '../../reference/group-norm.ts';
import { linearReference } from '../../reference/linear.ts';
import { maxPool3dReference } from '../../reference/max-pool3d.ts';
import { reluReference } from '../../reference/relu.ts';
import { sigmoidReference } from '../../reference/sigmoid.ts';
import { upsampleTrilinearReference } from '../../reference/upsample-trilinear.ts';
import { expectation } from '../../support/case-errors.ts';
import type { OpCase, Reference } from '../../support/describe-op.ts';
import { useGpu } from '../../support/gpu.ts';
import { roundedToHalf } from '../../support/half.ts';
import { withLeastLimit } from '../../support/limit.ts';
import type { Nd } from '../../support/nd.ts';
import { type HostAttributes, type OpResult, runOp } from '../../support/run-op.ts';

/** What ops are held to with 32 bits; parameters' gradients and statistics keep to it. */
const SUMMED = 2e-5;
/** Rounding a result once to 11 bits. */
const STORED = 2 ** -11 + SUMMED;
/** A gradient that is added to one stored before it. */
const STORED_TWICE = 1.5 * 2 ** -11 + SUMMED;

/** Elements of the cases that are run, and of those that are run in slices too: the others are run in 32 bits. */
const UP_TO = 40_000;
const SPLIT_UP_TO = 4000;

function sizeOfAll(inputs: readonly Nd[]): number {
  return inputs.reduce((sum, { data }) => sum + data.length, 0);
}

type Stored = readonly [input: Element, output: Element];
const BOTH: Stored = ['f16', 'f16'];

function describeHalf<A, S>(
  op: Op<A, S>,
  reference: Reference<HostAttributes<NoInfer<A>>>,
  cases: readonly OpCase<HostAttributes<NoInfer<A>>>[],
  /** How many of the inputs, from the first on, are activations: these store 16 bits. */
  activations: (attributes: HostAttributes<NoInfer<A>>) => number,
  storages: readonly Stored[] = [BOTH],
  /** Roundings that a gradient has seen: 2 if it is computed from an output that was rounded. */
  roundings = 1,
  family?: AdapterFamily,
): void {
  describe(`${op.name} on 16-bit floats${family ? `, kernels for ${family}` : ''}`, () => {
    const context = useGpu(family);
    const small = cases.filter(({ inputs }) => sizeOfAll(inputs) <= UP_TO);
    it.for(
      small.flatMap((testCase, i) =>
        // Mixed storage needs kernels of its own, which take long to compile: one case stands for all.
        (i === 0 ? storages : [BOTH]).map(
          (stored) => [stored.join(' to '), testCase.name, stored, testCase] as const,
        ),
      ),
    )('%s: %s', async ([, , [from, to], { name, inputs, attributes }], { skip }) => {
      const { gpu } = context;
      skip(!gpu.capabilities.f16, 'the adapter has no 16-bit floats');
      const count = activations(attributes);
      const elements = {
        inputs: inputs.map((_, i): Element => (i < count ? from : 'f32')),
        output: to,
      };
      const own = inputs.map((input, i) => (elements.inputs[i] === 'f16' ? roundedToHalf(input) : input));
      const { gradOutput, errors } = expectation(
        reference,
        { name, inputs: own, attributes },
        to === 'f16' ? roundedToHalf : undefined,
      );
      const check = (result: OpResult, uses = 1): void => {
        for (const [what, error] of errors(result, uses)) {
          const i = Number(/gradient of input (\d)/.exec(what)?.[1] ?? -1);
          const element = what === 'forward' ? to : (elements.inputs[i] ?? 'f32');
          const limit = (i >= 0 ? roundings : 1) * (uses === 2 && i >= 0 ? STORED_TWICE : STORED);
          expect(error, what).toBeLessThan(element === 'f16' ? limit : SUMMED);
        }
      };
      const run = (uses = 1): Promise<OpResult> =>
        runOp(gpu, op, own, attributes, gradOutput, undefined, uses, elements);
      check(await run());
      if (sizeOfAll(own) <= SPLIT_UP_TO) check((await withLeastLimit(gpu, run)).value);
      check(await run(2), 2);
    });
  });
}

// The first convolution reads 32 bits, the heads write them.
const ALL: readonly Stored[] = [BOTH, ['f32', 'f16'], ['f16', 'f32']];

describeHalf(add, addReference, addCases, () => 2, ALL);
describeHalf(averagePool3d, averagePool3dReference, averagePool3dCases, () => 1, ALL);
describeHalf(batchNorm, batchNormReference, batchNormCases, () => 1);
describeHalf(dropout, dropoutReference, dropoutCases, () => 1, ALL);
describeHalf(elu, eluReference, eluCases, () => 1);
describeHalf(gelu, geluReference, geluCases, () => 1, ALL);
describeHalf(groupNorm, groupNormReference, groupNormCases, () => 1);
describeHalf(maxPool3d, maxPool3dReference, maxPool3dCases, () => 1);
describeHalf(relu, reluReference, reluCases, () => 1);
describeHalf(sigmoid, sigmoidReference, sigmoidCases, () => 1, [BOTH], 2);
describeHalf(crossStitch, crossStitchReference, crossStitchCases, () => 2);
describeHalf(conv3d, conv3dReference, conv3dCases, ({ sources = 1 }) => sources, ALL);
describeHalf(conv3d, conv3dReference, conv3dCases.slice(3, 12), ({ sources = 1 }) => sources, ALL, 1, 'gpu');
describeHalf(convTranspose3d, convTranspose3dReference, convTranspose3dCases, () => 1, ALL);
describeHalf(concat, concatReference, concatCases, () => 4, ALL);
describeHalf(globalAveragePool, globalAveragePoolReference, globalAveragePoolCases, () => 1, ALL);
describeHalf(linear, linearReference, linearCases, () => 1, ALL);
describeHalf(upsampleTrilinear, upsampleTrilinearReference, upsampleTrilinearCases, () => 1, ALL);

describe('16-bit floats', () => {
  const context = useGpu();
  it('are refused where the device has none, and by an op that takes none', () => {
    const { capabilities } = context.gpu;
    const x = tensor('x', [1, 2, 4, 4, 4], 'arena');
    const without = new Tape({ ...capabilities, f16: false });
    expect(() => without.apply(maxPool3d, [x], {}, 'f16')).toThrow(GpuError);
    expect(() => without.apply(maxPool3d, [x], {}, 'f16')).toThrow(
      /has no 16-bit floats in shaders \(the WebGPU feature shader-f16\)/,
    );
    const tape = new Tape({ ...capabilities, f16: true });
    expect(() => tape.apply(softmax, [x], {}, 'f16')).toThrow(TapeError);
    const half = tensor('x', [1, 2, 4, 4, 4], 'arena', { element: 'f16' });
    expect(() => tape.apply(softmax, [half], {})).toThrow(/softmax: x 1x2x4x4x4 cannot be of 16-bit floats/);
  });
});
