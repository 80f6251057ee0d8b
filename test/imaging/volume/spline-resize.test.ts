import { expect, it } from 'vitest';
import type { Triple } from '../../../src/core/shape.ts';
import { type Order, splineResize } from '../../../src/imaging/volume/spline-resize.ts';
import { loadGolden } from '../../support/golden.ts';

// Made with SciPy's zoom, as scikit-image's resize calls it: test/golden/nnunet/published_steps.py.
const golden = loadGolden('nnunet/steps');
const image = golden.get('resize.image');
const from = image.shape as unknown as Triple;

/** The largest difference, as a share of the image's deviation from 0. */
function difference(found: Float32Array, wanted: ArrayLike<number>): number {
  const scale = Math.max(...Array.from(image.data, Math.abs));
  return found.reduce((most, v, i) => Math.max(most, Math.abs(v - wanted[i]!)), 0) / scale;
}

it.each([
  ['up', 3],
  ['down', 3],
  ['linear', 1],
  ['nearest', 0],
] as const)('resizes as scikit-image does: %s', (name, order) => {
  const wanted = golden.get(`resize.${name}`);
  const found = splineResize(Float32Array.from(image.data), from, wanted.shape as unknown as Triple, order);
  expect(difference(found, wanted.data)).toBeLessThan(1e-6);
});

it.each([
  ['thick-0', 0, 3],
  ['thick-1', 1, 1],
  ['thick-2', 2, 3],
] as const)('resamples thick slices on their own, as nnU-Net does: %s', (name, axis, order: Order) => {
  const wanted = golden.get(`resample.${name}`);
  const to = wanted.shape as unknown as Triple;
  const found = splineResize(Float32Array.from(image.data), from, to, order, { axis, order: 0 });
  expect(difference(found, wanted.data)).toBeLessThan(1e-6);
});

it('leaves the data as it is where nothing changes', () => {
  const data = Float32Array.from(image.data);
  const same = splineResize(data, from, from, 3);
  expect(same).toEqual(data);
  expect(same).not.toBe(data);
  expect(splineResize(Float32Array.of(5), [1, 1, 1], [2, 3, 1], 3)).toEqual(new Float32Array(6).fill(5));
  expect(splineResize(Float32Array.of(5), [1, 1, 1], [2, 1, 1], 1)).toEqual(Float32Array.of(5, 5));
});
