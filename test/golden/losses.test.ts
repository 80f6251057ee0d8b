import { describe, expect, it } from 'vitest';
import { type SegmentationLossSettings, segmentationLoss } from '../../src/engine/loss/segmentation-loss.ts';
import { segmentationLossReference } from '../reference/segmentation-loss.ts';
import { loadGolden } from '../support/golden.ts';
import { useGpu } from '../support/gpu.ts';
import { fromArray, relativeError, zeros } from '../support/nd.ts';
import { runOp } from '../support/run-op.ts';

interface LossCase {
  readonly name: string;
  readonly data: string;
  readonly settings: SegmentationLossSettings;
}

const golden = loadGolden<LossCase>('losses');
const one = fromArray([1], [1]);

describe('losses against PyTorch', () => {
  const context = useGpu();

  for (const { name, data, settings } of golden.cases)
    it(name, async () => {
      const logits = golden.get(`${data}/logits`);
      const target = golden.get(`${data}/target`);
      const value = golden.get(`${name}/value`).data;
      const grad = golden.get(`${name}/grad`).data;

      // The float64 reference of the engine's own tests: two implementations of the formulae.
      const { forward, backward } = segmentationLossReference;
      expect(relativeError(forward([logits, target], settings).data, value)).toBeLessThan(1e-6);
      const [expected] = backward([logits, target], settings, one);
      expect(relativeError(expected!.data, grad)).toBeLessThan(1e-6);

      const attributes = { ...settings, target, parts: zeros([3]) };
      const result = await runOp(context.gpu, segmentationLoss, [logits], attributes, one);
      expect(relativeError(result.output, value), 'value').toBeLessThan(1e-5);
      expect(relativeError(result.grads[0]!, grad), 'gradient of the logits').toBeLessThan(1e-5);
      const parts = result.attributes.get('parts')!;
      expect(relativeError(parts, golden.get(`${name}/parts`).data), 'parts').toBeLessThan(1e-5);
    });

  it('covers every loss, weighting, TPR term and pool', () => {
    const seen = (key: keyof SegmentationLossSettings): unknown[] => [
      ...new Set(golden.cases.map(({ settings }) => settings[key])),
    ];
    expect(seen('loss')).toEqual(['generalized-dice', 'dice', 'literal']);
    expect(seen('weights')).toEqual(['square', 'simple', 'uniform']);
    expect(seen('tpr')).toEqual(['off', '1-tpr', '+tpr']);
    expect(seen('pool')).toEqual(['item', 'batch']);
  });
});
