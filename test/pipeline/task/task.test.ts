import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/core/errors.ts';
import { findPreset, renameSettings } from '../../../src/pipeline/task/presets.ts';
import { centreOf, headChannels, lossOf, parseTask, targetRequest } from '../../../src/pipeline/task/task.ts';
import { PRESETS, VARIANTS } from '../../../src/study/presets/index.ts';

const matter = {
  name: 'matter',
  labels: ['GM', 'WM', 'CSF'],
  target: { from: 'dseg', values: [2, 3, 1] },
} as const;
const task = (...heads: object[]): unknown => ({ name: 'brain', channels: ['T1w'], heads });

describe('a task', () => {
  it('is filled in: softmax and argmax for labels, a threshold for one', () => {
    const parsed = parseTask(
      task(
        matter,
        { name: 'bleeding', labels: ['bleeding'], target: { from: 'mask' } },
        { name: 'soft', labels: ['a', 'b'], target: { from: 'probseg' }, decision: 'probabilities' },
      ),
      'task.json',
    );
    expect(parsed.heads.map(({ activation, decision }) => [activation, decision])).toEqual([
      ['softmax', 'argmax'],
      ['softmax', 'threshold'],
      ['softmax', 'probabilities'],
    ]);
    expect(parsed.heads.map(headChannels)).toEqual([4, 2, 3]);
    expect(targetRequest(parsed.heads[0]!)).toEqual({
      name: 'matter',
      labels: ['GM', 'WM', 'CSF'],
      source: matter.target,
      exclusive: true,
    });
    expect(centreOf(parsed)).toMatchObject({ head: { name: 'matter' }, labels: ['GM', 'WM', 'CSF'] });
    expect([parsed.maps, parsed.centre]).toEqual([null, null]);
  });

  it('takes its losses from the registry; the run’s settings are the defaults of heads that name none', () => {
    const run = { name: 'dice', tpr: '1-tpr' };
    const [own, named] = parseTask(
      task(
        { ...matter, loss: { tpr: 'off' } },
        { name: 'b', labels: ['b'], target: { from: 'mask' }, loss: { name: 'generalized-dice' } },
      ),
      'task.json',
    ).heads as [
      (typeof PRESETS)[number]['task']['heads'][number],
      (typeof PRESETS)[number]['task']['heads'][number],
    ];
    expect(lossOf(own, run)).toMatchObject({ name: 'dice', settings: { tpr: 'off' } });
    expect(lossOf(named, run)).toMatchObject({ name: 'generalized-dice', settings: { tpr: 'off' } });
  });

  it.each<[string, unknown, RegExp, RegExp]>([
    ['no object', 7, /task.json is 7; expected object/, /./],
    ['no heads', { name: 'x' }, /heads is missing/, /./],
    [
      'an unknown field',
      { ...(task(matter) as object), head: 1 },
      /there is no field "head"/,
      /name, channels, maps, heads, centre/,
    ],
    [
      'an unknown field of a head',
      task({ ...matter, label: ['x'] }),
      /heads.0: there is no field "label"/,
      /labels, activation/,
    ],
    [
      'an unknown source',
      task({ ...matter, target: { from: 'seg' } }),
      /heads.0.target/,
      /mask, dseg, probseg, map or column/,
    ],
    ['two heads of one name', task(matter, matter), /the name "matter" is there twice/, /case/],
    [
      'a label twice',
      task({ ...matter, labels: ['GM', 'gm', 'CSF'] }),
      /heads: the label "gm" is there twice/,
      /case/,
    ],
    [
      'a label of two heads, which would write one file',
      { name: 'brain', heads: [matter, { ...matter, name: 'again' }] },
      /heads: the label "GM" is there twice/,
      /case/,
    ],
    [
      'values for other labels',
      task({ ...matter, labels: ['GM', 'WM'] }),
      /3 values for 2 labels/,
      /their order/,
    ],
    [
      'a value twice',
      task({ ...matter, target: { from: 'dseg', values: [1, 1, 2] } }),
      /"1" is there twice/,
      /./,
    ],
    ['no labels', task({ name: 'a', target: { from: 'mask' } }), /head a: labels is missing/, /List/],
    [
      'labels of a number',
      task({ name: 'a', labels: ['x'], target: { from: 'column', column: 'age' } }),
      /have no labels/,
      /out/,
    ],
    ['a threshold among many', task({ ...matter, decision: 'threshold' }), /one label/, /argmax/],
    [
      'argmax of regions',
      task({ ...matter, activation: 'sigmoid', decision: 'argmax' }),
      /argmax does not go with sigmoid|works on/,
      /threshold|loss/,
    ],
    [
      'an unknown loss',
      task({ ...matter, loss: { name: 'dize' } }),
      /head matter: there is no loss "dize"/,
      /generalized-dice/,
    ],
    [
      'an unknown setting of a loss',
      task({ ...matter, loss: { gamma: 2 } }),
      /no setting "gamma"/,
      /weights/,
    ],
    ['a head called input', task({ ...matter, name: 'input' }), /no head may be called input/, /another/],
    [
      'a centre that is no head',
      { ...(task(matter) as object), centre: { head: 'x' } },
      /no head "x"/,
      /matter/,
    ],
    [
      'a centre that is not a label',
      { ...(task(matter) as object), centre: { head: 'matter', labels: ['X'] } },
      /no label "X"/,
      /GM, WM, CSF/,
    ],
    ['a path for a name', task({ ...matter, name: '../x' }), /heads.0.name is "..\/x"/, /./],
    [
      'a monster',
      task({ ...matter, labels: Array.from({ length: 99 }, (_, i) => `l${i}`) }),
      /heads.0.labels/,
      /./,
    ],
  ])('is refused with %s', (_, input, message, hint) => {
    let error: unknown;
    try {
      parseTask(input, 'task.json');
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).message).toMatch(message);
    expect((error as UsageError).hint).toMatch(hint);
    expect((error as UsageError).message).toMatch(/^task.json/);
  });
});

describe('presets', () => {
  it('are tasks that a file could hold', () => {
    expect(PRESETS.map(({ name }) => name)).toEqual(VARIANTS);
    for (const preset of PRESETS)
      expect(parseTask(JSON.parse(JSON.stringify(preset.task)), preset.name)).toEqual(preset.task);
  });

  it('are found by name, and others refused with a list', () => {
    expect(findPreset('multi-input').task.maps?.labels).toEqual(['GM', 'WM', 'CSF']);
    expect(() => findPreset('double')).toThrow('there is no preset "double"');
  });

  it('know what settings were called before', () => {
    expect(renameSettings({ variant: 'single', lesionShare: 0.5, tissue: 'spm', lr: 1 })).toEqual({
      preset: 'single',
      foregroundShare: 0.5,
      maps: 'spm',
      lr: 1,
    });
    expect(renameSettings({ variant: 'single', preset: 'multi-input' })).toEqual({ preset: 'multi-input' });
  });
});
