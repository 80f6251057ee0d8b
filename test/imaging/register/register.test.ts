import { describe, expect, it } from 'vitest';
import { gpuComparison } from '../../../src/imaging/register/joint-histogram.ts';
import { poseMatrix } from '../../../src/imaging/register/pose.ts';
import { type Compare, registerVolumes } from '../../../src/imaging/register/register.ts';
import { movedGrid } from '../../../src/imaging/volume/resample-spline.ts';
import { axisAlignedGrid, type Grid, toWorld } from '../../../src/imaging/volume/volume.ts';
import { makePhantom } from '../../../src/study/phantom/index.ts';
import { jointHistogram } from '../../reference/joint-histogram.ts';
import { useGpu } from '../../support/gpu.ts';

const device = useGpu();

const phantom = makePhantom({
  seed: 4,
  subjectIndex: 0,
  shape: [30, 36, 30],
  spacing: 6,
  noise: 0.03,
  biasField: 0.1,
});
const flair = { grid: phantom.grid, data: phantom.modalities.FLAIR };
const reference: Compare = async (samples, moving) => ({
  histograms: async (rows) => rows.map((row) => jointHistogram(samples.data, moving, row)),
  destroy: () => undefined,
});

/** Mean distance of the brain's points under two transforms, mm. */
function apart(a: Float64Array, b: Float64Array, grid: Grid): number {
  let [sum, count] = [0, 0];
  phantom.brain.forEach((v, i) => {
    if (v === 0) return;
    const [nx, ny] = grid.shape;
    const p = toWorld(grid, [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))]);
    const at = (m: Float64Array, r: number): number =>
      m[r]! * p[0] + m[4 + r]! * p[1] + m[8 + r]! * p[2] + m[12 + r]!;
    sum += Math.hypot(...[0, 1, 2].map((r) => at(a, r) - at(b, r)));
    count++;
  });
  return sum / count;
}

describe('registration', () => {
  it('finds a turn of 20 degrees and a shift of 20 mm between contrasts, on the GPU as in float64', async () => {
    const planted = poseMatrix([12, -12, 10.6, 16, -16, 16.1], [0, 0, 0]);
    // The T1's own header says that it lies elsewhere: what is found undoes that.
    const t1 = { grid: movedGrid(phantom.grid, inverse(planted)), data: phantom.modalities.T1w };
    const found = await registerVolumes(gpuComparison(device.gpu), flair, t1, { mask: phantom.brain });
    expect(apart(found.transform, planted, phantom.grid)).toBeLessThan(0.7);
    expect(found.information).toBeGreaterThan(found.before + 0.02);
    expect(found.overlap).toBeGreaterThan(0.95);
    const inFloat64 = await registerVolumes(reference, flair, t1, { mask: phantom.brain });
    expect(apart(found.transform, inFloat64.transform, phantom.grid)).toBeLessThan(0.1);
  });

  it('with 12 degrees of freedom finds a stretch, too', async () => {
    const planted = poseMatrix([2, 1, -3, 4, 0, -2, 3, -2, 2, 1, 0, -1], [0, 0, 0]);
    const t1 = { grid: movedGrid(phantom.grid, inverse(planted)), data: phantom.modalities.T1w };
    const options = { mask: phantom.brain };
    const rigid = await registerVolumes(reference, flair, t1, options);
    const affine = await registerVolumes(reference, flair, t1, { ...options, degreesOfFreedom: 12 });
    const error = apart(affine.transform, planted, phantom.grid);
    expect(error).toBeLessThan(0.6);
    expect(error).toBeLessThan(apart(rigid.transform, planted, phantom.grid));
  });

  it('refuses an image of one value', async () => {
    const empty = { grid: axisAlignedGrid([8, 8, 8], [8, 8, 8]), data: new Float32Array(512) };
    await expect(registerVolumes(reference, flair, empty)).rejects.toThrow('has the value 0 everywhere');
  });
});

function inverse(transform: Float64Array): Float64Array {
  return Float64Array.from(movedGrid(axisAlignedGrid([1, 1, 1], [1, 1, 1]), transform).affine);
}
