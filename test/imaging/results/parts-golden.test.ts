import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { listParts } from '../../../src/imaging/results/parts.ts';
import { gridFromAffine } from '../../../src/imaging/volume/volume.ts';

/** What SciPy and nibabel say of one part. */
interface GoldenPart {
  readonly voxels: number;
  readonly ml: number;
  readonly diameter: number;
  /** Places of the voxels nearest the centre of mass. */
  readonly near: readonly (readonly [number, number, number])[];
  readonly contrast: number | null;
}

interface GoldenCase {
  readonly name: string;
  readonly shape: [number, number, number];
  readonly affine: readonly number[];
  readonly mask: string;
  readonly brain: string;
  readonly image: string;
  readonly parts: readonly GoldenPart[];
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../golden/parts/parts.json', import.meta.url), 'utf8'),
) as { readonly cases: readonly GoldenCase[] };
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

describe('parts of a mask against SciPy and nibabel', () => {
  it.each(cases)('$name', ({ shape, affine, mask, brain, image, parts }) => {
    const grid = gridFromAffine(shape, Float64Array.from(affine));
    const voxels = bytes(image);
    const images = { list: [{ name: 'FLAIR', at: (i: number) => voxels[i]! }], brain: bytes(brain) };
    const marked = bytes(mask);
    const probabilities = Float32Array.from(marked, (v) => v * 0.75);
    const found = listParts(marked, probabilities, grid, { images });
    // Both in the order of their first voxels, but the largest first.
    const wanted = [...parts].sort((a, b) => b.voxels - a.voxels);
    expect(found).toHaveLength(wanted.length);
    // Parts of one size come in SciPy's order of axes there, in memory's here: they are told by their places.
    for (const part of found) {
      const same = wanted.filter(
        ({ voxels: size, near }) =>
          size === part.voxels &&
          near.some((place) => Math.hypot(...place.map((v, a) => v - part.place[a]!)) < 1e-4),
      );
      expect(same).toHaveLength(1);
      expect(part.ml).toBeCloseTo(same[0]!.ml, 9);
      expect(part.diameter).toBeCloseTo(same[0]!.diameter, 9);
      expect(part.meanProbability).toBe(0.75);
      if (same[0]!.contrast === null) expect(part.contrast!.FLAIR).toBeNaN();
      else expect(part.contrast!.FLAIR).toBeCloseTo(same[0]!.contrast, 9);
    }
  });

  it('holds parts of many sizes and hundreds of one voxel', () => {
    expect(cases.map(({ parts }) => parts.length)).toEqual([expect.any(Number), 270, 0]);
    expect(cases[0]!.parts.length).toBeGreaterThan(5);
    expect(Math.max(...cases[0]!.parts.map(({ voxels }) => voxels))).toBeGreaterThan(50);
  });
});
