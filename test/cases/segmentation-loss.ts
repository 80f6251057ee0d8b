import { Random } from '../../src/core/random.ts';
import type { Shape } from '../../src/core/shape.ts';
import { DEFAULT_LOSS, type SegmentationLossSettings } from '../../src/engine/loss/segmentation-loss.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { type Nd, normal, zeros } from '../support/nd.ts';

/** Hard labels: foreground label l where a uniform number falls below `share` (or nowhere, for items in `empty`). */
export function hardTarget(shape: Shape, seed: number, share = 0.2, empty: readonly number[] = []): Nd {
  const [items, labels] = shape as [number, number];
  const target = zeros([items, labels - 1, ...shape.slice(2)]);
  const voxels = target.data.length / (items * (labels - 1));
  const random = new Random(seed);
  for (let n = 0; n < items; n++) {
    for (let v = 0; v < voxels; v++) {
      const label = random.uniform() < share ? 1 + random.integer(labels - 1) : 0;
      if (label > 0 && !empty.includes(n)) target.data[(n * (labels - 1) + label - 1) * voxels + v] = 1;
    }
  }
  return target;
}

/** A hard target in which the first foreground label is 0.5 wherever it was 1. */
export function softTarget(shape: Shape, seed: number): Nd {
  const target = hardTarget(shape, seed, 0.4);
  return { shape: target.shape, data: target.data.map((r) => r / 2) };
}

const settings = (changes: Partial<SegmentationLossSettings>): SegmentationLossSettings => ({
  ...DEFAULT_LOSS,
  ...changes,
});

const two: Shape = [2, 2, 3, 4, 5];
const four: Shape = [2, 4, 2, 3, 5];

/** Every named loss on two labels and four, hard and soft, with and without truth. Inputs are [logits, target]. */
export const segmentationLossCases: OpCase<SegmentationLossSettings>[] = [];

const named: readonly (readonly [string, Partial<SegmentationLossSettings>])[] = [
  ['generalized-dice square', {}],
  ['generalized-dice simple', { weights: 'simple' }],
  ['generalized-dice uniform', { weights: 'uniform' }],
  ['generalized-dice + 0.7 (1 - TPR)', { tpr: '1-tpr', tprWeight: 0.7 }],
  ['dice', { loss: 'dice' }],
  ['dice + cross entropy', { loss: 'dice', crossEntropy: 1 }],
  ['dice + (1 - TPR) + 0.5 cross entropy', { loss: 'dice', tpr: '1-tpr', crossEntropy: 0.5 }],
  ['literal (eq. 1)', { loss: 'literal' }],
  ['literal + TPR (eq. 3)', { loss: 'literal', tpr: '+tpr' }],
];
for (const [name, changes] of named) {
  for (const pool of ['item', 'batch'] as const) {
    const attributes = settings({ ...changes, pool });
    const add = (what: string, logits: Nd, target: Nd, checkGradient = true): void => {
      segmentationLossCases.push({
        name: `${name}, ${what}, pool ${pool}`,
        inputs: [logits, target],
        attributes,
        checkGradient,
      });
    };
    add('L=2', normal(two, 1, 2), hardTarget(two, 2));
    add('L=4', normal(four, 3, 2), hardTarget(four, 4, 0.7));
    add('soft 0.5, L=4', normal(four, 5), softTarget(four, 6));
    add('one item without truth', normal(two, 7), hardTarget(two, 8, 0.2, [1]));
    // Without truth the gradient of plain Dice is s / P² = 1e-9: below what central differences resolve beside 1.
    const resolvable = attributes.loss !== 'dice' || attributes.crossEntropy > 0;
    add('no truth at all', normal(two, 9), hardTarget(two, 10, 0.2, [0, 1]), resolvable);
    if (pool === 'batch') continue;
    add('odd extents', normal([1, 2, 3, 5, 7], 11), hardTarget([1, 2, 3, 5, 7], 12, 0.05));
  }
}
segmentationLossCases.push(
  {
    name: 'one voxel',
    inputs: [normal([1, 2, 1, 1, 1], 13), softTarget([1, 2, 1, 1, 1], 14)],
    attributes: settings({ tpr: '1-tpr', crossEntropy: 1 }),
  },
  {
    name: 'many workgroups',
    inputs: [normal([2, 2, 33, 32, 31], 15, 3), hardTarget([2, 2, 33, 32, 31], 16, 0.01)],
    attributes: settings({ tpr: '1-tpr', crossEntropy: 1 }),
    checkGradient: false,
  },
  {
    name: 'many workgroups of scalars, L=4',
    inputs: [normal([2, 4, 17, 19, 23], 17), hardTarget([2, 4, 17, 19, 23], 18, 0.6)],
    attributes: settings({ tpr: '1-tpr', pool: 'batch' }),
    checkGradient: false,
  },
);

/** Shapes are [logits, target]. */
export const segmentationLossBadCases: readonly BadCase<SegmentationLossSettings>[] = [
  {
    name: 'a single label',
    shapes: [
      [1, 1, 2, 2, 2],
      [1, 1, 2, 2, 2],
    ],
    attributes: DEFAULT_LOSS,
    message: /segmentation-loss: logits hold 2 to 32 labels.*1x1x2x2x2/,
  },
  {
    name: 'logits of rank 4',
    shapes: [
      [2, 2, 2, 2],
      [1, 2, 2, 2],
    ],
    attributes: DEFAULT_LOSS,
    message: /segmentation-loss: an activation is \[batch.*2x2x2x2/,
  },
  {
    name: 'a target with a background channel',
    shapes: [
      [1, 2, 2, 2, 2],
      [1, 2, 2, 2, 2],
    ],
    attributes: DEFAULT_LOSS,
    message: /the target has one channel a foreground label.*target 1x2x2x2x2 for logits 1x2x2x2x2/,
  },
  {
    name: 'a target of another volume',
    shapes: [
      [1, 2, 2, 2, 2],
      [1, 1, 2, 2, 3],
    ],
    attributes: DEFAULT_LOSS,
    message: /target 1x1x2x2x3 for logits 1x2x2x2x2/,
  },
  {
    name: 'a negative weight of the TPR term',
    shapes: [
      [1, 2, 2, 2, 2],
      [1, 1, 2, 2, 2],
    ],
    attributes: settings({ tpr: '1-tpr', tprWeight: -1 }),
    message: /tprWeight is at least 0 and finite; got -1/,
  },
];
