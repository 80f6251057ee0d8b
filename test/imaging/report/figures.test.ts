import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { ShapeError } from '../../../src/core/errors.ts';
import type { Plane, RgbaImage } from '../../../src/imaging/report/figures.ts';
import {
  busiestSlice,
  displayWindow,
  encodePng,
  montage,
  OVERLAY_COLORS,
  paintGray,
  paintOverlay,
  paintTissues,
  pngDataUri,
  sliceView,
  TISSUE_COLORS,
} from '../../../src/imaging/report/figures.ts';
import { reorient } from '../../../src/imaging/volume/orientation.ts';
import type { Volume } from '../../../src/imaging/volume/volume.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';

const pixel = (image: RgbaImage, x: number, y: number): number[] => {
  const at = (y * image.width + x) * 4;
  return [...image.data.subarray(at, at + 4)];
};

/** A RAS+ volume of 1 mm, dark but for the voxel that is farthest right, front and up. */
function marked(): Volume {
  const grid = axisAlignedGrid([3, 4, 5], [1, 1, 1]);
  const data = new Float32Array(60);
  data[(4 * 4 + 3) * 3 + 2] = 1;
  return { grid, data };
}

describe('sliceView', () => {
  const corner: Record<Plane, { slice: number; size: [number, number] }> = {
    axial: { slice: 4, size: [3, 4] },
    coronal: { slice: 3, size: [3, 5] },
    sagittal: { slice: 2, size: [4, 5] },
  };
  for (const plane of ['axial', 'coronal', 'sagittal'] as const) {
    it(`shows ${plane} slices as a radiologist reads them: right, front and up are at the top left`, () => {
      const { grid, data } = marked();
      const view = sliceView(grid, plane, corner[plane].slice, { size: 1 });
      const image = paintGray(view, data, [0, 1]);
      expect([image.width, image.height]).toEqual(corner[plane].size);
      expect(pixel(image, 0, 0)).toEqual([255, 255, 255, 255]);
      expect(image.data.filter((v) => v === 255).length).toBe(3 + image.width * image.height);
    });
  }

  it('gives one picture whatever order the voxels are stored in', () => {
    const ras = marked();
    ras.data.forEach((_, i) => {
      ras.data[i] = (i * 37) % 60;
    });
    const want = paintGray(sliceView(ras.grid, 'axial', 1, { size: 40 }), ras.data, [0, 59]);
    const stored = reorient(ras, { axes: [2, 0, 1], flips: [true, false, true] });
    const view = sliceView(stored.grid, 'axial', 3, { size: 40 });
    expect(view.position).toBe(1);
    expect(paintGray(view, stored.data, [0, 59])).toEqual(want);
  });

  it('makes square pixels of anisotropic voxels', () => {
    const grid = axisAlignedGrid([10, 20, 6], [2, 1, 5]);
    const view = sliceView(grid, 'axial', 0, { size: 100 });
    expect([view.width, view.height]).toEqual([100, 100]);
    const coronal = sliceView(grid, 'coronal', 0, { size: 60 });
    expect(coronal.width / coronal.height).toBeCloseTo(20 / 30, 2);
  });

  it('crops to a mask with 5 mm around it, and not at all for an empty one', () => {
    const grid = axisAlignedGrid([40, 40, 2], [1, 1, 1]);
    const crop = new Uint8Array(3200);
    crop[20 * 40 + 20] = 1;
    const view = sliceView(grid, 'axial', 0, { crop, size: 1 });
    expect([view.width, view.height]).toEqual([11, 11]);
    expect(view.columns[0]).toBe(25);
    expect(sliceView(grid, 'axial', 0, { crop: new Uint8Array(3200), size: 1 }).width).toBe(40);
  });

  it('refuses a slice that is not there', () => {
    expect(() => sliceView(marked().grid, 'axial', 5)).toThrow(ShapeError);
    expect(() => sliceView(marked().grid, 'axial', 5)).toThrow('no such axial slice; got slice 5 of 5');
  });
});

describe('busiestSlice', () => {
  const grid = axisAlignedGrid([3, 4, 5], [1, 1, 1]);
  it('finds the slice with most of the mask along each plane’s normal', () => {
    const mask = new Uint8Array(60);
    for (const [x, y, z] of [
      [0, 3, 1],
      [1, 3, 1],
      [0, 2, 1],
      [0, 3, 4],
    ] as const)
      mask[(z * 4 + y) * 3 + x] = 1;
    expect(busiestSlice(mask, grid, 'axial')).toBe(1);
    expect(busiestSlice(mask, grid, 'coronal')).toBe(3);
    expect(busiestSlice(mask, grid, 'sagittal')).toBe(0);
  });
  it('is the middle where the mask is empty', () => {
    expect(busiestSlice(new Uint8Array(60), grid, 'axial')).toBe(2);
  });
});

describe('displayWindow', () => {
  it('takes percentiles inside the mask and ignores what is not finite', () => {
    const data = Float32Array.from({ length: 102 }, (_, i) => i);
    data[101] = Number.NaN;
    const mask = new Uint8Array(102).fill(1);
    mask[100] = 0;
    expect(displayWindow(data, mask, 0, 100)).toEqual([0, 99]);
    expect(displayWindow(data, mask, 1, 50)).toEqual([1, 50]);
  });
  it('is never of no width', () => {
    expect(displayWindow(new Float32Array(5).fill(3))).toEqual([3, 4]);
    expect(displayWindow(new Float32Array(0))).toEqual([0, 1]);
  });
});

describe('paintOverlay', () => {
  it('paints missed red, extra green and found yellow, rims opaque and fills translucent', () => {
    const grid = axisAlignedGrid([4, 1, 1], [1, 1, 1]);
    const view = sliceView(grid, 'axial', 0, { size: 20 });
    const truth = Uint8Array.from([0, 1, 1, 0]);
    const prediction = Uint8Array.from([0, 0, 1, 1]);
    const gray = paintGray(view, new Float32Array(4).fill(100), [0, 255]);
    const image = paintOverlay(view, gray, truth, prediction);
    // Columns run to the patient's left: voxel 3 comes first, five pixels a voxel.
    const at = (voxel: number): number => (3 - voxel) * 5;
    const rims = [1, 2, 3].map((v) => pixel(image, at(v), 0).slice(0, 3));
    expect(rims).toEqual([OVERLAY_COLORS.missed, OVERLAY_COLORS.found, OVERLAY_COLORS.extra]);
    const mixed = OVERLAY_COLORS.found.map((c) => Math.round(0.6 * c + 0.4 * 100));
    pixel(image, at(2) + 2, 2)
      .slice(0, 3)
      .forEach((c, i) => {
        expect(Math.abs(c - mixed[i]!)).toBeLessThanOrEqual(1);
      });
    expect(pixel(image, at(0) + 2, 2)).toEqual([100, 100, 100, 255]);
    expect(pixel(gray, at(2), 0)).toEqual([100, 100, 100, 255]);
  });

  it('names the mask that does not fit', () => {
    const view = sliceView(axisAlignedGrid([2, 1, 1], [1, 1, 1]), 'axial', 0);
    const gray = paintGray(view, new Float32Array(2), [0, 1]);
    expect(() => paintOverlay(view, gray, new Uint8Array(2), new Uint8Array(3))).toThrow('prediction');
  });
});

describe('paintTissues', () => {
  it('mixes the colours by probability and leaves the background', () => {
    const view = sliceView(axisAlignedGrid([3, 1, 1], [1, 1, 1]), 'axial', 0, { size: 3 });
    const gray = paintGray(view, new Float32Array(3), [0, 1]);
    const maps = {
      gm: Float32Array.from([1, 0.5, 0]),
      wm: Float32Array.from([0, 0.5, 0]),
      csf: Float32Array.from([0, 0, 0]),
    };
    const image = paintTissues(view, gray, maps, 1);
    expect(pixel(image, 2, 0).slice(0, 3)).toEqual([...TISSUE_COLORS.gm]);
    expect(pixel(image, 1, 0).slice(0, 3)).toEqual([152, 169, 112]);
    expect(pixel(image, 0, 0).slice(0, 3)).toEqual([0, 0, 0]);
  });
});

describe('pictures', () => {
  const solid = (width: number, height: number, level: number, alpha = 255): RgbaImage => ({
    width,
    height,
    data: new Uint8ClampedArray(width * height * 4).map((_, i) => (i % 4 === 3 ? alpha : level)),
  });

  it('are laid out in rows, centred in equal cells', () => {
    const image = montage([[solid(3, 1, 200), solid(1, 3, 100)], [solid(2, 2, 50)]], 1, [9, 9, 9]);
    expect([image.width, image.height]).toEqual([7, 7]);
    expect(pixel(image, 0, 1)[0]).toBe(200);
    expect(pixel(image, 0, 0)[0]).toBe(9);
    expect(pixel(image, 5, 2)[0]).toBe(100);
    expect(pixel(image, 1, 5)[0]).toBe(50);
    expect(pixel(image, 6, 6)[0]).toBe(9);
    expect(() => montage([])).toThrow(ShapeError);
  });

  it('become PNG files that read back the same, without alpha where they are opaque', () => {
    const opaque = decode(encodePng(solid(3, 2, 77)));
    expect([opaque.width, opaque.height, opaque.channels]).toEqual([3, 2, 3]);
    expect([...opaque.data]).toEqual(new Array(18).fill(77));
    const clear = decode(encodePng(solid(2, 1, 77, 128)));
    expect([...clear.data]).toEqual([77, 77, 77, 128, 77, 77, 77, 128]);
    expect(pngDataUri(solid(1, 1, 5))).toMatch(/^data:image\/png;base64,iVBORw0KGgo[A-Za-z0-9+/]+=*$/);
  });
});
