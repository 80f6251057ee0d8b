import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod/mini';
import { ShapeError, UsageError } from '../../../src/core/errors.ts';
import type { Gpu } from '../../../src/engine/gpu/gpu.ts';
import { allLosses, findLoss, loss, registerLoss } from '../../../src/engine/loss/index.ts';
import { defineLoss } from '../../../src/engine/loss/loss.ts';
import { paperLoss } from '../../../src/engine/loss/paper.ts';
import {
  DEFAULT_LOSS,
  type SegmentationLossSettings,
  segmentationLoss,
} from '../../../src/engine/loss/segmentation-loss.ts';
import type { Command } from '../../../src/engine/tape/command.ts';
import { Tape } from '../../../src/engine/tape/tape.ts';
import { type Tensor, tensor } from '../../../src/engine/tape/tensor.ts';
import { openNullGpu } from '../../../src/platform/node.ts';
import { segmentationLossCases } from '../../cases/segmentation-loss.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openNullGpu();
});
afterAll(async () => {
  await gpu.close();
});

const logits = tensor('logits', [2, 3, 4, 4, 4], 'arena', { requiresGrad: true });
const target = tensor('target', [2, 2, 4, 4, 4], 'arena');

/** What a loss and its gradient record. */
function commandsOf(record: (tape: Tape) => Tensor): Omit<Command, 'bindings'>[] {
  const tape = new Tape(gpu.capabilities);
  tape.backward([{ output: record(tape), grad: tensor('one', [1], 'arena') }]);
  return tape.commands.map(({ bindings, ...rest }) => ({
    ...rest,
    bound: bindings.map(({ tensor: { label, shape }, access }) => [label, shape, access]),
  }));
}

describe('every loss of the registry', () => {
  it('is found by its name, which its settings and errors bear', () => {
    for (const each of allLosses()) {
      expect(findLoss(each.name)).toBe(each);
      expect(each.bind({}).name).toBe(each.name);
      expect(each.title).not.toBe('');
    }
    expect(new Set(allLosses().map(({ name }) => name)).size).toBe(Object.values(loss).length);
  });

  it('describes each of its settings and has a default for it', () => {
    for (const { name, schema, bind } of allLosses()) {
      const { properties } = z.toJSONSchema(schema as unknown as z.ZodMiniObject);
      for (const [key, setting] of Object.entries(properties ?? {}))
        expect(typeof setting === 'object' && setting.description, `${name}, ${key}`).toMatch(/\w/);
      expect(Object.keys(bind({}).settings)).toEqual(Object.keys(schema.shape));
    }
  });

  it('works on what its activations say', () => {
    for (const each of allLosses())
      for (const activation of each.activations)
        expect(each.bind({}, activation).targetShape([2, 4, 5, 6, 7])).toEqual([
          2,
          activation === 'softmax' ? 3 : 4,
          5,
          6,
          7,
        ]);
  });
});

describe('the paper’s losses', () => {
  const settings = segmentationLossCases
    .map(({ attributes }) => attributes)
    .filter((a, i, all) => all.findIndex((b) => JSON.stringify(a) === JSON.stringify(b)) === i);

  it.each(settings.map((each) => [JSON.stringify(each), each] as const))(
    'record what the op records: %s',
    (_, each: SegmentationLossSettings) => {
      const bound = paperLoss(each);
      expect(bound.name).toBe(each.loss);
      expect(commandsOf((tape) => bound.record(tape, logits, target))).toEqual(
        commandsOf((tape) => tape.apply(segmentationLoss, [logits], { ...each, target })),
      );
    },
  );

  it('have the op’s defaults', () => {
    expect(loss.generalizedDice().settings).toEqual({
      weights: 'square',
      tpr: 'off',
      tprWeight: 1,
      crossEntropy: 0,
      pool: 'item',
    });
    expect({ ...loss.generalizedDice().settings, loss: 'generalized-dice' }).toEqual(DEFAULT_LOSS);
  });
});

describe('a loss refuses', () => {
  it.each([
    ['a name that does not exist', () => findLoss('dise'), /there is no loss "dise"/],
    [
      'a setting that it does not have',
      () => findLoss('dice').bind({ weights: 'square' }),
      /loss dice: there is no setting "weights"/,
    ],
    [
      'a value out of range',
      () => findLoss('dice').bind({ tprWeight: -1 }),
      /loss dice: tprWeight is -1; .*>=0/,
    ],
    ['an unknown choice', () => findLoss('dice').bind({ pool: 'all' }), /loss dice: pool is "all"; .*"item"/],
    [
      'settings that are no object',
      () => findLoss('dice').bind(7),
      /loss dice: settings are an object, not 7/,
    ],
    [
      'an activation that it does not take',
      () => findLoss('dice').bind({}, 'none'),
      /loss dice: works on softmax, not on none/,
    ],
    ['a name that is taken', () => registerLoss(loss.literal), /there is a loss "literal" already/],
  ])('%s', (_, call, message) => {
    expect(call).toThrow(UsageError);
    expect(call).toThrow(message);
  });

  it('and lists what exists', () => {
    const hintOf = (call: () => unknown): string | undefined => {
      try {
        call();
      } catch (error) {
        if (error instanceof UsageError) return error.hint;
      }
      return undefined;
    };
    expect(hintOf(() => findLoss('dise'))).toMatch(/Losses are .*generalized-dice, .*literal/);
    expect(hintOf(() => findLoss('dice').bind({ smoothing: 1 }))).toBe(
      'Its settings are tpr, tprWeight, crossEntropy, pool.',
    );
  });

  it('a target of another shape, and a mask that it does not take', () => {
    const tape = new Tape(gpu.capabilities);
    const wide = tensor('target', [2, 3, 4, 4, 4], 'arena');
    expect(() => loss.generalizedDice().record(tape, logits, wide)).toThrow(ShapeError);
    const mask = tensor('mask', [2, 1, 4, 4, 4], 'arena');
    expect(() => loss.generalizedDice().record(tape, logits, target, mask)).toThrow(
      /loss generalized-dice: takes no mask/,
    );
  });
});

describe('a loss of one’s own', () => {
  it('can be registered and bound by its name', () => {
    const half = defineLoss({
      name: 'half-dice',
      title: 'Half of Dice',
      activations: ['softmax'],
      schema: z.strictObject({
        share: z._default(z.number().check(z.minimum(0), z.describe('of the cross entropy')), 0.5),
      }),
      record: (tape, { output, target }, { share }) =>
        tape.apply(segmentationLoss, [output], { ...DEFAULT_LOSS, crossEntropy: share, target }),
    });
    registerLoss(half);
    const bound = findLoss('half-dice').bind({ share: 0.25 });
    expect(bound.settings).toEqual({ share: 0.25 });
    expect(commandsOf((tape) => bound.record(tape, logits, target))).toEqual(
      commandsOf((tape) =>
        tape.apply(segmentationLoss, [logits], { ...DEFAULT_LOSS, crossEntropy: 0.25, target }),
      ),
    );
    expect(half({ share: 1 }).settings).toEqual({ share: 1 });
  });
});
