import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod/mini';
import type { Gpu } from '../../src/engine/gpu/gpu.ts';
import { allLosses, loss } from '../../src/engine/loss/index.ts';
import type { BoundLoss } from '../../src/engine/loss/loss.ts';
import { compilePlan } from '../../src/engine/tape/plan.ts';
import { TensorStore } from '../../src/engine/tape/store.ts';
import { Tape } from '../../src/engine/tape/tape.ts';
import { useGpu } from '../support/gpu.ts';

const PAGE = readFileSync(new URL('../../src/docs/losses.md', import.meta.url), 'utf8');
const EDGE = 8;
const VOXELS = EDGE ** 3;

/** A cube of 2x2x2 voxels in a patch of 8x8x8, from a corner at [first, first, first]. */
function cube(first: number): (voxel: number) => boolean {
  return (voxel) =>
    [voxel % EDGE, Math.floor(voxel / EDGE) % EDGE, Math.floor(voxel / EDGE ** 2)].every(
      (at) => at === first || at === first + 1,
    );
}

const NOTHING = (): boolean => false;

/** Loss and largest gradient by a foreground logit, of logits that say ±`sure`. */
async function measure(
  gpu: Gpu,
  bound: BoundLoss,
  truth: (voxel: number) => boolean,
  predicted: (voxel: number) => number,
): Promise<{ value: number; gradient: number }> {
  const channels = bound.activation === 'softmax' ? 2 : 1;
  const shape = [1, channels, EDGE, EDGE, EDGE];
  const grads = await TensorStore.create(gpu, 'grads', [{ name: 'logits', shape }]);
  const logits = await TensorStore.create(gpu, 'logits', [{ name: 'logits', shape }], { grads });
  const fixed = await TensorStore.create(gpu, 'fixed', [
    { name: 'target', shape: bound.targetShape(shape) },
    { name: 'one', shape: [1] },
  ]);
  const volume = Float32Array.from({ length: VOXELS }, (_, v) => predicted(v));
  const all = new Float32Array(channels * VOXELS);
  all.set(volume, (channels - 1) * VOXELS);
  logits.write('logits', all);
  fixed.write(
    'target',
    Float32Array.from({ length: VOXELS }, (_, v) => (truth(v) ? 1 : 0)),
  );
  fixed.write('one', Float32Array.of(1));
  const tape = new Tape(gpu.capabilities);
  const output = bound.record(tape, logits.get('logits'), fixed.get('target'));
  tape.backward([{ output, grad: fixed.get('one') }]);
  const plan = await compilePlan(gpu, tape.commands, { label: 'docs', keep: [output] });
  plan.run();
  const [value] = await plan.read(output);
  const grad = (await grads.read('logits')).subarray((channels - 1) * VOXELS);
  plan.destroy();
  for (const store of [grads, logits, fixed]) store.destroy();
  return { value: value!, gradient: grad.reduce((most, g) => Math.max(most, Math.abs(g)), 0) };
}

const sure =
  (inside: (voxel: number) => boolean) =>
  (voxel: number): number =>
    inside(voxel) ? 12 : -12;

/** Rows of the tables: each loss with its defaults, and what changes most. */
const ROWS: readonly (readonly [string, BoundLoss])[] = [
  ['`soft-dice`', loss.dice()],
  ['`soft-dice`, sigmoid', loss.dice({ activation: 'sigmoid' })],
  ['`dice-ce`', loss.diceCe()],
  ['`focal-tversky`', loss.focalTversky()],
  ['`generalized-dice`', loss.generalizedDice()],
  ['`generalized-dice`, `tpr: 1-tpr`', loss.generalizedDice({ tpr: '1-tpr' })],
  ['`dice`', loss.paperDice()],
  ['`literal`', loss.literal()],
  ['`literal`, `tpr: +tpr`', loss.literal({ tpr: '+tpr' })],
];

function table(rows: readonly (readonly string[])[]): string {
  const [head, ...body] = rows;
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head!), line(head!.map((_, i) => (i === 0 ? '---' : '---:'))), ...body.map(line)].join('\n');
}

describe('the page on losses', () => {
  const context = useGpu();

  it('shows what each loss makes of a few predictions', async () => {
    const predictions = [
      ['perfect', sure(cube(3))],
      ['shifted', sure((v) => cube(3)(v) && v % EDGE === 4)],
      ['nothing', sure(NOTHING)],
      ['everything', sure(() => true)],
      ['undecided', () => 0],
    ] as const;
    const rows: string[][] = [['loss', 'perfect', 'one half', 'nothing', 'everything', 'undecided']];
    for (const [name, bound] of ROWS) {
      const cells = [name];
      for (const [, predicted] of predictions)
        cells.push((await measure(context.gpu, bound, cube(3), predicted)).value.toFixed(2));
      rows.push(cells);
    }
    expect(PAGE).toContain(table(rows));
  });

  it('shows what a patch without a target teaches', async () => {
    const alarm = (voxel: number): number => (cube(3)(voxel) ? 2 : -6);
    const rows: string[][] = [['loss', 'value', 'largest gradient']];
    for (const [name, bound] of ROWS) {
      const { value, gradient } = await measure(context.gpu, bound, NOTHING, alarm);
      rows.push([name, value.toFixed(2), gradient === 0 ? '0' : gradient.toExponential(0)]);
    }
    expect(PAGE).toContain(table(rows));
  });

  it('lists every loss with its settings, their defaults and meanings', () => {
    for (const { name, title, schema, activations, takesMask } of allLosses()) {
      const json = z.toJSONSchema(schema as unknown as z.ZodMiniObject);
      const settings = Object.entries(json.properties ?? {}).map(([key, setting]) => {
        const { description, default: value } = setting as { description?: string; default?: unknown };
        return `| \`${key}\` | ${JSON.stringify(value)} | ${description} |`;
      });
      const head = `${activations.join(', ')}${takesMask ? '; takes a mask' : ''}`;
      const part = [`### ${title}: \`${name}\``, '', `Outputs: ${head}.`].join('\n');
      expect(PAGE, name).toContain(part);
      const own = PAGE.slice(PAGE.indexOf(part)).split('\n## ')[0]!.split('\n### ')[0]!;
      const listed = own.split('\n').filter((line) => line.startsWith('| `'));
      expect(listed, name).toEqual(settings);
    }
  });
});
