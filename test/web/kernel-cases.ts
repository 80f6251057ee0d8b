import { downsampleNearest } from '../../src/engine/loss/downsample-nearest.ts';
import { mse } from '../../src/engine/loss/mse.ts';
import { tverskyLoss } from '../../src/engine/loss/tversky-loss.ts';
import { weightedSum } from '../../src/engine/loss/weighted-sum.ts';
import { add } from '../../src/engine/ops/add.ts';
import { averagePool3d } from '../../src/engine/ops/average-pool3d.ts';
import { batchNorm } from '../../src/engine/ops/batch-norm.ts';
import { concat } from '../../src/engine/ops/concat.ts';
import { convTranspose3d } from '../../src/engine/ops/conv-transpose3d.ts';
import { conv3d } from '../../src/engine/ops/conv3d.ts';
import { crossStitch } from '../../src/engine/ops/cross-stitch.ts';
import { dropout } from '../../src/engine/ops/dropout.ts';
import { elu } from '../../src/engine/ops/elu.ts';
import { gelu } from '../../src/engine/ops/gelu.ts';
import { globalAveragePool } from '../../src/engine/ops/global-average-pool.ts';
import { groupNorm } from '../../src/engine/ops/group-norm.ts';
import { halfOverlap } from '../../src/engine/ops/half-overlap.ts';
import { linear } from '../../src/engine/ops/linear.ts';
import { maxPool3d } from '../../src/engine/ops/max-pool3d.ts';
import { parameterDistance } from '../../src/engine/ops/parameter-distance.ts';
import { relu } from '../../src/engine/ops/relu.ts';
import { scalarBlocks } from '../../src/engine/ops/scalar-blocks.ts';
import { sigmoid } from '../../src/engine/ops/sigmoid.ts';
import { softmax } from '../../src/engine/ops/softmax.ts';
import { upsampleTrilinear } from '../../src/engine/ops/upsample-trilinear.ts';
import type { Op } from '../../src/engine/tape/op.ts';
import { openBrowserGpu } from '../../src/platform/browser.ts';
import { addCases } from '../cases/add.ts';
import { averagePool3dCases } from '../cases/average-pool3d.ts';
import { batchNormCases } from '../cases/batch-norm.ts';
import { concatCases } from '../cases/concat.ts';
import { convTranspose3dCases } from '../cases/conv-transpose3d.ts';
import { conv3dCases } from '../cases/conv3d.ts';
import { crossStitchCases } from '../cases/cross-stitch.ts';
import { downsampleNearestCases } from '../cases/downsample-nearest.ts';
import { dropoutCases } from '../cases/dropout.ts';
import { eluCases } from '../cases/elu.ts';
import { geluCases } from '../cases/gelu.ts';
import { globalAveragePoolCases } from '../cases/global-average-pool.ts';
import { groupNormCases } from '../cases/group-norm.ts';
import { halfOverlapCases } from '../cases/half-overlap.ts';
import { linearCases } from '../cases/linear.ts';
import { maxPool3dCases } from '../cases/max-pool3d.ts';
import { mseCases } from '../cases/mse.ts';
import { parameterDistanceCases } from '../cases/parameter-distance.ts';
import { reluCases } from '../cases/relu.ts';
import { scalarBlocksCases } from '../cases/scalar-blocks.ts';
import { segmentationLossCases } from '../cases/segmentation-loss.ts';
import { sigmoidCases } from '../cases/sigmoid.ts';
import { softmaxCases } from '../cases/softmax.ts';
import { tverskyLossCases } from '../cases/tversky-loss.ts';
import { upsampleTrilinearCases } from '../cases/upsample-trilinear.ts';
import { weightedSumCases } from '../cases/weighted-sum.ts';
import { addReference } from '../reference/add.ts';
import { averagePool3dReference } from '../reference/average-pool3d.ts';
import { batchNormReference } from '../reference/batch-norm.ts';
import { concatReference } from '../reference/concat.ts';
import { convTranspose3dReference } from '../reference/conv-transpose3d.ts';
import { conv3dReference } from '../reference/conv3d.ts';
import { crossStitchReference } from '../reference/cross-stitch.ts';
import { downsampleNearestReference } from '../reference/downsample-nearest.ts';
import { dropoutReference } from '../reference/dropout.ts';
import { eluReference } from '../reference/elu.ts';
import { geluReference } from '../reference/gelu.ts';
import { globalAveragePoolReference } from '../reference/global-average-pool.ts';
import { groupNormReference } from '../reference/group-norm.ts';
import { halfOverlapReference } from '../reference/half-overlap.ts';
import { linearReference } from '../reference/linear.ts';
import { maxPool3dReference } from '../reference/max-pool3d.ts';
import { mseReference } from '../reference/mse.ts';
import { parameterDistanceReference } from '../reference/parameter-distance.ts';
import { reluReference } from '../reference/relu.ts';
import { scalarBlocksReference } from '../reference/scalar-blocks.ts';
import { segmentationLossReference } from '../reference/segmentation-loss.ts';
import { sigmoidReference } from '../reference/sigmoid.ts';
import { softmaxReference } from '../reference/softmax.ts';
import { tverskyLossReference } from '../reference/tversky-loss.ts';
import { upsampleTrilinearReference } from '../reference/upsample-trilinear.ts';
import { weightedSumReference } from '../reference/weighted-sum.ts';
import { expectation } from '../support/case-errors.ts';
import type { OpCase, Reference } from '../support/describe-op.ts';
import { type HostAttributes, runOp } from '../support/run-op.ts';
import { withTarget } from '../support/with-target.ts';

/** How one case of an op went in the browser. */
export interface CaseReport {
  readonly op: string;
  readonly name: string;
  /** Largest relative error by what is compared; the message where it failed to run. */
  readonly errors: Readonly<Record<string, number>> | string;
}

function family<A, S>(
  op: Op<A, S>,
  reference: Reference<HostAttributes<NoInfer<A>>>,
  cases: readonly OpCase<HostAttributes<NoInfer<A>>>[],
): (() => Promise<CaseReport>)[] {
  return cases.map((testCase) => async () => {
    const of = { op: op.name, name: testCase.name };
    try {
      const { inputs, attributes } = testCase;
      const { gradOutput, errors } = expectation(reference, testCase);
      const result = await runOp(await gpu, op, inputs, attributes, gradOutput);
      return { ...of, errors: Object.fromEntries(errors(result)) };
    } catch (error) {
      return { ...of, errors: String(error) };
    }
  });
}

const gpu = openBrowserGpu();

/** Runs every shared case of every op and loss, with the variants that the engine chooses on this adapter. */
async function kernelCases(): Promise<CaseReport[]> {
  const reports: CaseReport[] = [];
  for (const run of [
    ...family(add, addReference, addCases),
    ...family(averagePool3d, averagePool3dReference, averagePool3dCases),
    ...family(batchNorm, batchNormReference, batchNormCases),
    ...family(concat, concatReference, concatCases),
    ...family(conv3d, conv3dReference, conv3dCases),
    ...family(convTranspose3d, convTranspose3dReference, convTranspose3dCases),
    ...family(crossStitch, crossStitchReference, crossStitchCases),
    ...family(scalarBlocks, scalarBlocksReference, scalarBlocksCases),
    ...family(parameterDistance, parameterDistanceReference, parameterDistanceCases),
    ...family(halfOverlap, halfOverlapReference, halfOverlapCases),
    ...family(dropout, dropoutReference, dropoutCases),
    ...family(elu, eluReference, eluCases),
    ...family(gelu, geluReference, geluCases),
    ...family(groupNorm, groupNormReference, groupNormCases),
    ...family(globalAveragePool, globalAveragePoolReference, globalAveragePoolCases),
    ...family(linear, linearReference, linearCases),
    ...family(maxPool3d, maxPool3dReference, maxPool3dCases),
    ...family(relu, reluReference, reluCases),
    ...family(sigmoid, sigmoidReference, sigmoidCases),
    ...family(softmax, softmaxReference, softmaxCases),
    ...family(downsampleNearest, downsampleNearestReference, downsampleNearestCases),
    ...family(mse, mseReference, mseCases),
    ...family(tverskyLoss, tverskyLossReference, tverskyLossCases),
    ...family(upsampleTrilinear, upsampleTrilinearReference, upsampleTrilinearCases),
    ...family(weightedSum, weightedSumReference, weightedSumCases),
    ...family(withTarget, segmentationLossReference, segmentationLossCases),
  ])
    reports.push(await run());
  return reports;
}

Object.assign(globalThis, { kernelCases });
