import { describe, expect, it } from 'vitest';
import type { Shape } from '../../../src/core/shape.ts';
import { type TverskyLossSettings, tverskyLoss } from '../../../src/engine/loss/tversky-loss.ts';
import { hardTarget } from '../../cases/segmentation-loss.ts';
import { DICE, regionTarget, tverskyLossBadCases, tverskyLossCases } from '../../cases/tversky-loss.ts';
import { segmentationLossReference } from '../../reference/segmentation-loss.ts';
import { tverskyLossReference } from '../../reference/tversky-loss.ts';
import { describeOp } from '../../support/describe-op.ts';
import { useGpu } from '../../support/gpu.ts';
import { fromArray, type Nd, normal, relativeError } from '../../support/nd.ts';
import { runOp } from '../../support/run-op.ts';

describeOp(tverskyLoss, tverskyLossReference, tverskyLossCases, tverskyLossBadCases);

const one = fromArray([1], [1]);
const settings: readonly TverskyLossSettings[] = [
  ...new Map(
    tverskyLossCases.map(({ attributes: { target: _, ...rest } }) => [JSON.stringify(rest), rest]),
  ).values(),
];

describe('tversky loss', () => {
  const context = useGpu();
  const shape: Shape = [2, 2, 4, 6, 5];

  /** Logits of ±`size` that say what the targets say, or its opposite. */
  const certain = (target: Nd, size: number, activation: 'softmax' | 'sigmoid'): Nd => {
    const logits = fromArray(
      shape,
      Array.from({ length: 480 }, () => 0),
    );
    const [channels, first] = activation === 'softmax' ? [1, 1] : [2, 0];
    target.data.forEach((r, i) => {
      const [n, c, v] = [Math.floor(i / (channels * 120)), Math.floor(i / 120) % channels, i % 120];
      logits.data[(n * 2 + first + c) * 120 + v] = r > 0.5 ? size : -size;
    });
    return logits;
  };

  it.each(settings.map((each) => [JSON.stringify(each), each] as const))(
    'stays finite with huge logits, without truth and with nothing else: %s',
    async (_, each) => {
      const truth = each.activation === 'softmax' ? hardTarget : regionTarget;
      for (const target of [truth(shape, 1, 0.1), truth(shape, 1, 0.1, [0, 1]), truth(shape, 3, 2)])
        for (const size of [80, -80, 1e4, -1e4, 1e30, -1e30]) {
          const logits = certain(target, size, each.activation);
          const { output, grads } = await runOp(context.gpu, tverskyLoss, [logits], { ...each, target }, one);
          const [expected] = tverskyLossReference.backward([logits], { ...each, target }, one);
          const value = tverskyLossReference.forward([logits], { ...each, target }).data[0]!;
          expect(Math.abs(output[0]! - value) / Math.max(1, value)).toBeLessThan(1e-4);
          expect(grads[0]!.every(Number.isFinite)).toBe(true);
          expect(relativeError(grads[0]!, expected!.data)).toBeLessThan(1e-4);
        }
    },
  );

  it.each(settings.map((each) => [JSON.stringify(each), each] as const))(
    'never rewards foreground where there is no truth: %s',
    async (_, each) => {
      const target = (each.activation === 'softmax' ? hardTarget : regionTarget)(shape, 1, 0.1, [0, 1]);
      const { grads } = await runOp(context.gpu, tverskyLoss, [normal(shape, 8)], { ...each, target }, one);
      const foreground = grads[0]!.filter(
        (_, i) => each.activation === 'sigmoid' || Math.floor(i / 120) % 2 === 1,
      );
      expect(Math.min(...foreground)).toBeGreaterThanOrEqual(0);
    },
  );

  it('is the paper’s Dice, and one region is a softmax of two labels with logit 0 for the background', () => {
    const [logits, target] = [normal([2, 2, 3, 4, 5], 5, 2), hardTarget([2, 2, 3, 4, 5], 6)];
    const paper = {
      loss: 'dice',
      weights: 'square',
      tpr: 'off',
      tprWeight: 1,
      crossEntropy: 0.5,
      pool: 'item',
    } as const;
    const mine = { ...DICE, crossEntropy: 0.5, target };
    const value = tverskyLossReference.forward([logits], mine).data[0]!;
    expect(value).toBeCloseTo(segmentationLossReference.forward([logits, target], paper).data[0]!, 12);
    const voxels = 60;
    const difference = fromArray(
      [2, 1, 3, 4, 5],
      Array.from({ length: 2 * voxels }, (_, i) => {
        const [n, v] = [Math.floor(i / voxels), i % voxels];
        return logits.data[(2 * n + 1) * voxels + v]! - logits.data[2 * n * voxels + v]!;
      }),
    );
    const region = tverskyLossReference.forward([difference], { ...mine, activation: 'sigmoid' }).data[0]!;
    expect(region).toBeCloseTo(value, 12);
  });
});
