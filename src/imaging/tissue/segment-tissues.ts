import { DatasetError } from '../../core/errors.ts';
import type { AbortSignal } from '../../core/globals.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import { scanName } from '../dataset/dataset.ts';
import type { LoadedScan } from '../dataset/load-scan.ts';
import { channelStatistics } from '../dataset/preprocess.ts';
import type { TissueMaps } from '../dataset/tissue-maps.ts';
import { boundingBox, cropData, uncrop } from '../volume/crop.ts';
import { voxelCount } from '../volume/volume.ts';
import { listVoxels } from './brain-voxels.ts';
import type { Gaussian } from './mixture.ts';
import { TissueEm } from './tissue-em.ts';

/** Settings of {@link segmentTissues}. */
export interface SegmentTissuesOptions {
  /** Strength of the Markov random field; 0 for none. Default 0.4. */
  readonly beta?: number | undefined;
  /** Rounds of expectation and maximisation. Default 60. */
  readonly iterations?: number | undefined;
  /** Correct smooth changes of brightness. Default true. */
  readonly biasField?: boolean | undefined;
  /** Prior probabilities on the scan's grid, such as a template's maps that were registered to it. */
  readonly priors?: TissueMaps | undefined;
  onIteration?(done: number, total: number): void;
  /** Stops between rounds; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Rounds before the bias field is fitted: the Gaussians must have found their tissues. */
const WARM_UP = 3;
/** Share of every prior that is the same for all tissues, since a template never fits a patient exactly. */
const PRIOR_FLOOR = 0.3;
/** The least intensity that counts, as a share of the brightest: its logarithm must exist. */
const DARKEST = 1e-3;

/**
 * Segments a brain into grey matter, white matter and cerebrospinal fluid, on the GPU: a mixture of Gaussians (two for
 * grey matter and fluid each, one for white matter) whose intensities are multiplied by a smooth bias field
 * (exponential of cosines, as SPM's), with a Potts field over the six face neighbours in mean-field approximation
 * (Zhang et al. 2001), fitted by expectation-maximisation from k-means of the T1. From a T1 alone and without priors,
 * grey and white matter are then told apart by the T1 averaged over similar neighbours, by shares of a voxel.
 *
 * @param scan with a T1w channel; all its channels are used, each with the others' covariance
 * @returns three maps on the scan's grid; they sum to 1 inside the brain and are 0 outside
 * @throws DatasetError where there is no T1w or a channel has one value only; OutOfMemoryError, GpuError,
 *   DeviceLostError; the signal's reason.
 */
export async function segmentTissues(
  gpu: Gpu,
  scan: LoadedScan,
  options: SegmentTissuesOptions = {},
): Promise<TissueMaps> {
  const { beta = 0.4, iterations = 60, biasField = true } = options;
  const t1 = scan.channels.find(({ name }) => name === 'T1w');
  if (!t1)
    throw new DatasetError(`${scanName(scan)}: there is no T1w image to find tissues in`, {
      hint: 'Tissues are told apart by their T1 contrast; other modalities can only help.',
    });
  const { grid, brain } = scan;
  const box = boundingBox(brain, grid.shape)!;
  const voxels = listVoxels(cropData(brain, grid.shape, box), box.shape);
  const inBrain = (data: Float32Array): Float32Array => {
    const cut = cropData(data, grid.shape, box);
    return Float32Array.from(voxels.index, (i) => cut[i]!);
  };
  const channels = [t1, ...scan.channels.filter((channel) => channel !== t1)].map(({ name, data }) => {
    const { low, high, mean } = channelStatistics(name, data, brain, [0.1, 99.9], scanName(scan));
    if (!(mean > 0))
      throw new DatasetError(`${scanName(scan)}: ${name} has the mean ${mean} in the brain`, {
        hint: 'Give images as the scanner makes them, with intensities above 0.',
      });
    const least = Math.max(low, DARKEST * high);
    return inBrain(data).map((v) => Math.min(high, Math.max(least, v)) / mean);
  });
  const nearest = Math.min(...grid.spacing);
  const { priors } = options;
  const em = await TissueEm.create(gpu, {
    voxels,
    channels,
    beta,
    weights: grid.spacing.map((mm) => nearest / mm) as [number, number, number],
    ...(priors ? { logPriors: [priors.GM, priors.WM, priors.CSF].map((map) => logPrior(inBrain(map))) } : {}),
  });
  try {
    let gaussians: readonly Gaussian[] = [];
    for (let i = 0; i < iterations; i++) {
      options.signal?.throwIfAborted();
      gaussians = await em.fit();
      if (biasField && i >= WARM_UP) await em.fitField();
      em.expect();
      options.onIteration?.(i + 1, iterations);
    }
    // Several channels, or priors, tell the tissues apart by more than the T1's brightness.
    if (iterations > 0 && channels.length === 1 && !priors) await em.refine(gaussians);
    const [GM, WM, CSF] = await em.posteriors();
    const whole = (values: Float32Array): Float32Array => {
      const cut = new Float32Array(box.shape[0] * box.shape[1] * box.shape[2]);
      voxels.index.forEach((i, v) => {
        cut[i] = values[v]!;
      });
      return voxelCount(grid) === cut.length ? cut : uncrop(cut, box, grid).data;
    };
    return { GM: whole(GM), WM: whole(WM), CSF: whole(CSF) };
  } finally {
    em.destroy();
  }
}

function logPrior(map: Float32Array): Float32Array {
  return map.map((p) => Math.log((1 - PRIOR_FLOOR) * Math.min(1, Math.max(0, p)) + PRIOR_FLOOR / 3));
}
