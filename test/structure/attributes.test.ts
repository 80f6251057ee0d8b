import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VoxelgradError } from '../../src/core/errors.ts';
import type { Shape } from '../../src/core/shape.ts';
import type { Gpu } from '../../src/engine/gpu/gpu.ts';
import { Tape } from '../../src/engine/tape/tape.ts';
import { tensor } from '../../src/engine/tape/tensor.ts';
import { openNullGpu } from '../../src/platform/node.ts';
import { appliedCase, isArray, type TestedOp, testedOps } from './recordings.ts';

/** What ops cannot do without, and what they say then; every other op has a default for each attribute. */
const NEEDED: Readonly<Record<string, RegExp>> = {
  'batch-norm': /`runningMean`/,
  'downsample-nearest': /extents/,
  dropout: /`seed`/,
  mse: /`target`/,
  'segmentation-loss': /`target`/,
  'tversky-loss': /`target`/,
};

/** Shapes that no op takes, and some that only a few do. */
const ODD_SHAPES: readonly (readonly Shape[])[] = [
  [],
  [[]],
  [[0]],
  [[3, 4]],
  [[1, 2, 3]],
  [[2, 3, 0, 4, 4]],
  [[2, 3, 4, 4, 4.5]],
  [[2, 3, 4, 4, 4, 4]],
  ...[1, 2, 3, 4].flatMap((count) =>
    [[5], [2, 3], [1, 1, 1, 1, 1], [2, 3, 4, 4, 4]].map((shape) =>
      Array.from({ length: count }, () => shape),
    ),
  ),
];

/** Attributes that cannot be meant. */
const ODD_VALUES: readonly unknown[] = [Number.NaN, -1, 1e9, 'wide', null, [1, 2], {}];

const ops = await testedOps();
let gpu: Gpu;
beforeAll(async () => {
  gpu = await openNullGpu();
});
afterAll(async () => {
  await gpu.close();
});

/** Records an op forward and backward; gives the error that it throws. */
function failure(
  { op }: TestedOp,
  shapes: readonly Shape[],
  attributes: Readonly<Record<string, unknown>>,
): unknown {
  try {
    const tape = new Tape(gpu.capabilities);
    const inputs = shapes.map((shape, i) => tensor(`input${i}`, shape, 'arena', { requiresGrad: true }));
    const output = tape.apply(op, inputs, attributes);
    tape.backward([{ output, grad: tensor('grad', output.shape, 'arena') }]);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe.each(ops.map((each) => [each.stem, each] as const))('%s', (stem, tested) => {
  const cases = tested.cases.map((each) => appliedCase(stem, each));
  const shapesOf = ({ inputs }: (typeof cases)[number]): readonly Shape[] => inputs.map(({ shape }) => shape);
  const needed = NEEDED[stem];

  if (needed)
    it('says which attribute it needs', () => {
      for (const each of cases) {
        const error = failure(tested, shapesOf(each), {});
        expect(error, each.name).toBeInstanceOf(VoxelgradError);
        expect((error as Error).message).toMatch(needed);
      }
    });
  else
    it('has a default for each attribute', () => {
      const errors = cases.map((each) => failure(tested, shapesOf(each), {}));
      expect(errors).toContain(undefined);
      for (const error of errors) if (error !== undefined) expect(error).toBeInstanceOf(VoxelgradError);
    });

  it('answers shapes that it does not take with an error of its own', () => {
    for (const shapes of ODD_SHAPES) {
      const error = failure(tested, shapes, {});
      if (error !== undefined) expect(error, JSON.stringify(shapes)).toBeInstanceOf(VoxelgradError);
    }
    expect(failure(tested, [], {})).toBeInstanceOf(VoxelgradError);
  });

  it('answers values that cannot be meant with an error of its own, or takes them', () => {
    const good = cases[0]!;
    const names = new Set(cases.flatMap(({ attributes }) => Object.keys(attributes)));
    const attributes = Object.fromEntries(
      Object.entries(good.attributes).map(([name, value]) => [
        name,
        isArray(value) ? tensor(name, value.shape, 'arena') : value,
      ]),
    );
    expect(failure(tested, shapesOf(good), attributes)).toBeUndefined();
    for (const name of names)
      for (const value of ODD_VALUES) {
        const error = failure(tested, shapesOf(good), { ...attributes, [name]: value });
        if (error !== undefined)
          expect(error, `${name}: ${JSON.stringify(value)}`).toBeInstanceOf(VoxelgradError);
      }
  });
});
