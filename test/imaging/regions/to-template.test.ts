import { describe, expect, it } from 'vitest';
import { type BrainImage, placeInTemplate, templateImage } from '../../../src/imaging/regions/to-template.ts';
import { gpuComparison } from '../../../src/imaging/register/joint-histogram.ts';
import { poseMatrix } from '../../../src/imaging/register/pose.ts';
import { resample } from '../../../src/imaging/volume/resample.ts';
import { movedGrid } from '../../../src/imaging/volume/resample-spline.ts';
import { axisAlignedGrid, gridFromAffine, toWorld } from '../../../src/imaging/volume/volume.ts';
import { useGpu } from '../../support/gpu.ts';

const device = useGpu();

/** The template's brain as a patient of another size would have it, on voxels of 5 mm. */
const planted = poseMatrix([6, -4, 5, 8, -5, 6, 8, 5, 9, 2, 0, -3], [0, -18, 8]);
function scan(): BrainImage {
  const grid = axisAlignedGrid([40, 46, 40], [5, 5, 5], [-97, -133, -85]);
  const template = templateImage();
  const { data } = resample({ grid: movedGrid(template.grid, planted), data: template.data }, grid);
  return { grid, data, brain: Uint8Array.from(data, (v) => (v > 2 ? 1 : 0)) };
}

describe('placing a scan in the template', () => {
  it('finds a turn and a stretch that were planted', async () => {
    const image = scan();
    const found = await placeInTemplate(gpuComparison(device.gpu), image);
    if (found.toTemplate === undefined) throw new Error(found.reason);
    const at = (m: Float64Array, p: readonly number[], r: number): number =>
      m[r]! * p[0]! + m[4 + r]! * p[1]! + m[8 + r]! * p[2]! + m[12 + r]!;
    let [sum, count] = [0, 0];
    image.brain.forEach((v, i) => {
      if (v === 0) return;
      const p = toWorld(image.grid, [i % 40, Math.floor(i / 40) % 46, Math.floor(i / (40 * 46))]);
      sum += Math.hypot(...[0, 1, 2].map((r) => at(found.toTemplate, p, r) - at(planted, p, r)));
      count++;
    });
    expect(sum / count).toBeLessThan(1);
    expect(found.dice).toBeGreaterThan(0.93);
  });

  it('gives no transform for a brain upside down or none', async () => {
    const image = scan();
    const { affine, shape } = image.grid;
    const upsideDown = affine.slice();
    for (const k of [8, 9, 10]) {
      upsideDown[k]! *= -1;
      upsideDown[k + 4]! -= upsideDown[k]! * (shape[2] - 1);
    }
    const compare = gpuComparison(device.gpu);
    const flipped = await placeInTemplate(compare, { ...image, grid: gridFromAffine(shape, upsideDown) });
    expect(flipped).toHaveProperty('reason');
    const none = await placeInTemplate(compare, { ...image, brain: new Uint8Array(image.brain.length) });
    expect(none).toEqual({ reason: 'the image has no brain' });
  });
});
