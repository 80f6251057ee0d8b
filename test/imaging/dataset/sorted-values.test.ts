import { expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { SortedValues } from '../../../src/imaging/dataset/sorted-values.ts';
import { toFloat32, type Voxels } from '../../../src/imaging/volume/voxels.ts';

const random = new Random(4);
const floats = (value: () => number): Float32Array => Float32Array.from({ length: 900 }, value);
const images: Record<string, Voxels> = {
  noise: floats(() => random.normal(0, 1000)),
  'many equal': floats(() => random.integer(3) - 1),
  'one value': floats(() => 7.25),
  'close together': floats(() => 1000 + random.uniform() / 1000),
  'of all sizes': floats(() => random.normal() * 10 ** (random.integer(60) - 30)),
  int16: {
    stored: Int16Array.from({ length: 900 }, () => random.integer(4000) - 1000),
    ...{ slope: -0.37, intercept: 11, length: 900 },
  },
  uint8: {
    stored: Uint8Array.from({ length: 900 }, () => random.integer(256)),
    ...{ slope: 1, intercept: 0, length: 900 },
  },
};
const mask = Uint8Array.from({ length: 900 }, () => random.integer(2) * 255);

it.each(Object.entries(images))('%s: in the order that sorting gives, few or many at a time', (_, voxels) => {
  const wanted = toFloat32(voxels)
    .filter((_, i) => mask[i] !== 0)
    .sort();
  for (const atATime of [1, 10, 100, 1000]) {
    const sorted = new SortedValues(voxels, mask, atATime);
    expect(sorted.length).toBe(wanted.length);
    for (const place of [0, 1, 17, wanted.length - 1]) expect(sorted.at(place)).toBe(wanted[place]);
    expect(sorted.at(wanted.length)).toBeNaN();
    const held: number[] = [];
    for (const piece of sorted.ascending()) {
      if (atATime < 1000) expect(piece.length).toBeLessThanOrEqual(atATime);
      held.push(...piece);
    }
    expect(held).toEqual([...wanted]);
  }
});

it('an empty mask has no values', () => {
  const none = new SortedValues(images.noise!, new Uint8Array(900));
  expect(none.length).toBe(0);
  expect(none.at(0)).toBeNaN();
});
