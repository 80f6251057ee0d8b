import { Random } from '../../src/core/random.ts';
import type { Shape } from '../../src/core/shape.ts';
import type { TverskyLossAttributes, TverskyLossSettings } from '../../src/engine/loss/tversky-loss.ts';
import { tensor } from '../../src/engine/tape/tensor.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { type Nd, normal, zeros } from '../support/nd.ts';
import type { HostAttributes } from '../support/run-op.ts';
import { hardTarget, softTarget } from './segmentation-loss.ts';

/** Soft Dice of the foreground, each patch by itself. */
export const DICE: TverskyLossSettings = {
  activation: 'softmax',
  alpha: 0.5,
  beta: 0.5,
  gamma: 1,
  smooth: 0.5e-5,
  background: false,
  pool: 'item',
  overlap: 1,
  crossEntropy: 0,
};

/** Regions that overlap: each voxel lies in each region with probability `share`, but in none for items in `empty`. */
export function regionTarget(shape: Shape, seed: number, share = 0.3, empty: readonly number[] = []): Nd {
  const random = new Random(seed);
  const target = zeros(shape);
  const size = target.data.length / shape[0]!;
  target.data.forEach((_, i) => {
    const inside = random.uniform() < share;
    target.data[i] = inside && !empty.includes(Math.floor(i / size)) ? 1 : 0;
  });
  return target;
}

const two: Shape = [2, 2, 3, 4, 5];
const four: Shape = [2, 4, 2, 3, 5];
const NAMED: readonly (readonly [string, Partial<TverskyLossSettings>])[] = [
  ['dice', {}],
  ['dice with background', { background: true }],
  ['dice + cross entropy', { crossEntropy: 1 }],
  ['0.5 dice + 2 cross entropy, smooth 1', { overlap: 0.5, crossEntropy: 2, smooth: 0.5 }],
  ['focal Tversky', { alpha: 0.7, beta: 0.3, gamma: 0.75 }],
  ['Tversky 0.2 + 0.9, gamma 2', { alpha: 0.2, beta: 0.9, gamma: 2, background: true }],
];

/** Every named loss on labels and on regions, hard and soft, with and without truth. */
export const tverskyLossCases: OpCase<HostAttributes<TverskyLossAttributes>>[] = [];

for (const [name, changes] of NAMED)
  for (const pool of ['item', 'batch'] as const)
    for (const activation of ['softmax', 'sigmoid'] as const) {
      const labels = activation === 'softmax';
      if (!labels && changes.background) continue;
      const settings = { ...DICE, ...changes, activation, pool };
      const add = (what: string, logits: Nd, target: Nd, checkGradient = true): void => {
        tverskyLossCases.push({
          name: `${name}, ${activation}, ${what}${pool === 'batch' ? ', batch' : ''}`,
          inputs: [logits],
          attributes: { ...settings, target },
          checkGradient,
        });
      };
      const truth = labels ? hardTarget : regionTarget;
      add('2 channels', normal(two, 1, 2), truth(two, 2));
      add('4 channels', normal(four, 3, 2), truth(four, 4, 0.7));
      add('one item without truth', normal(two, 7), truth(two, 8, 0.2, [1]));
      if (pool === 'batch') continue;
      add('soft 0.5', normal(four, 5), labels ? softTarget(four, 6) : halves(four));
      // Without truth the gradient of Dice is s / P² = 1e-9: below what central differences resolve beside 1.
      add('no truth at all', normal(two, 9), truth(two, 10, 0.2, [0, 1]), settings.crossEntropy > 0);
      add('odd extents', normal([1, 2, 3, 5, 7], 11), truth([1, 2, 3, 5, 7], 12, 0.05));
    }

function halves(shape: Shape): Nd {
  const target = regionTarget(shape, 6, 0.4);
  return { shape: target.shape, data: target.data.map((r) => r / 2) };
}

const both = { ...DICE, alpha: 0.7, beta: 0.3, gamma: 0.75, crossEntropy: 1 };
tverskyLossCases.push(
  {
    name: 'one region, one voxel',
    inputs: [normal([1, 1, 1, 1, 1], 13)],
    attributes: { ...both, activation: 'sigmoid', target: regionTarget([1, 1, 1, 1, 1], 14, 1) },
  },
  {
    name: 'labels, many workgroups',
    inputs: [normal([2, 2, 33, 32, 31], 15, 3)],
    attributes: { ...both, target: hardTarget([2, 2, 33, 32, 31], 16, 0.01) },
    checkGradient: false,
  },
  {
    name: 'regions, many workgroups',
    inputs: [normal([2, 3, 33, 32, 31], 15, 3)],
    attributes: { ...both, activation: 'sigmoid', target: regionTarget([2, 3, 33, 32, 31], 16, 0.01) },
    checkGradient: false,
  },
  {
    name: 'regions, many workgroups of scalars, batch',
    inputs: [normal([2, 3, 17, 19, 23], 17)],
    attributes: {
      ...both,
      activation: 'sigmoid',
      pool: 'batch',
      target: regionTarget([2, 3, 17, 19, 23], 18, 0.6),
    },
    checkGradient: false,
  },
);

const bad = (
  name: string,
  logits: Shape,
  target: Shape,
  activation: 'softmax' | 'sigmoid',
  message: RegExp,
): BadCase<TverskyLossAttributes> => ({
  name,
  shapes: [logits],
  attributes: { ...DICE, activation, target: tensor('target', target, 'arena') },
  message,
});

export const tverskyLossBadCases: readonly BadCase<TverskyLossAttributes>[] = [
  bad(
    'one label of a softmax',
    [1, 1, 2, 2, 2],
    [1, 1, 2, 2, 2],
    'softmax',
    /tversky-loss: logits of a softmax hold 2 to 32 channels; got 1x1x2x2x2/,
  ),
  bad(
    'more regions than there is room for',
    [1, 33, 2, 2, 2],
    [1, 33, 2, 2, 2],
    'sigmoid',
    /tversky-loss: logits of a sigmoid hold 1 to 32 channels/,
  ),
  bad(
    'a target with a background channel',
    [1, 2, 2, 2, 2],
    [1, 2, 2, 2, 2],
    'softmax',
    /one channel per foreground label.*target 1x2x2x2x2 for logits 1x2x2x2x2/,
  ),
  bad(
    'a target of other regions',
    [1, 3, 2, 2, 2],
    [1, 2, 2, 2, 2],
    'sigmoid',
    /the target of a sigmoid has the shape of the logits; got target 1x2x2x2x2 for logits 1x3x2x2x2/,
  ),
  bad('logits of rank 4', [2, 2, 2, 2], [1, 2, 2, 2], 'softmax', /tversky-loss: an activation is \[batch/),
];
