import { OutOfMemoryError } from '../../core/errors.ts';
import { Resources } from '../../core/resources.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import type { Plan } from '../../engine/tape/plan.ts';
import { cutSlabs, largestSlab } from './brain-slabs.ts';
import type { BrainVoxels } from './brain-voxels.ts';
import { cosineTable, DEGREE, PLANE_SUMS, solveField, termMeans } from './cosine-field.ts';
import { fitGaussians, GAUSSIANS, type Gaussian, initialGaussians, packModel, tissueOf } from './mixture.ts';
import { noiseDeviation, whiteResiduals } from './noise-level.ts';
import { exchangePosteriors, joined, TissueSlab } from './tissue-slab.ts';

/** Neighbours count up to about this many deviations of the noise. */
const SIMILAR = 3;
/** Place between the intensities of pure grey (0) and white matter (1) from which a voxel is white; see bench/notebook.md. */
const WHITE_FROM = 0.55;

/** What {@link TissueEm} segments. */
export interface TissueEmInput {
  readonly voxels: BrainVoxels;
  /** One array of the brain's voxels a channel, all above 0, of mean near 1; the first is the T1. */
  readonly channels: readonly Float32Array[];
  /** Strength of the Markov random field. */
  readonly beta: number;
  /** Weight of the neighbours along x, y and z; 1 for cubes. */
  readonly weights: readonly [number, number, number];
  /** Logarithms of prior probabilities of GM, WM and CSF, one array of the brain's voxels each. */
  readonly logPriors?: readonly Float32Array[];
}

/**
 * The steps of an expectation-maximisation on one GPU, every one of them a recorded plan. The sums have a fixed
 * order: the same input gives the same bits on the same device. A brain that is larger than the device binds is cut
 * into slabs, which sum up their moments and tell each other the posteriors beside the cuts.
 */
export class TissueEm {
  readonly #gpu: Gpu;
  readonly #input: TissueEmInput;
  readonly #slabs: readonly TissueSlab[];
  readonly #owned: Resources;
  readonly #table: Float32Array;
  readonly #means: readonly number[];
  #centres: Float64Array[];
  /** Which of the two posteriors is the current one. */
  #turn: 0 | 1 = 0;

  private constructor(
    gpu: Gpu,
    input: TissueEmInput,
    slabs: readonly TissueSlab[],
    owned: Resources,
    table: Float32Array,
  ) {
    this.#gpu = gpu;
    this.#input = input;
    this.#slabs = slabs;
    this.#owned = owned;
    this.#table = table;
    this.#means = termMeans(input.voxels.position, input.voxels.shape, table);
    this.#centres = Array.from({ length: GAUSSIANS }, () => new Float64Array(input.channels.length).fill(1));
  }

  /**
   * Uploads a brain and starts from k-means of the first channel.
   * @throws OutOfMemoryError where the device cannot hold even three planes of it, or not all slabs together; GpuError.
   */
  static async create(gpu: Gpu, input: TissueEmInput): Promise<TissueEm> {
    try {
      return await Resources.build((owned) => TissueEm.#build(gpu, input, owned));
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
      throw new OutOfMemoryError(`tissues of ${input.voxels.count} voxels: ${error.message}`, {
        hint: 'Resample the scan to larger voxels, leave out channels, or use a GPU with larger limits.',
        cause: error,
      });
    }
  }

  static async #build(gpu: Gpu, input: TissueEmInput, owned: Resources): Promise<TissueEm> {
    const { voxels, channels, logPriors, beta, weights } = input;
    const most = largestSlab(voxels.shape, channels.length, gpu.capabilities);
    const table = cosineTable(voxels.shape);
    const start = initialGaussians(channels[0]!);
    const slabs: TissueSlab[] = [];
    for (const slab of cutSlabs(voxels, most, gpu.capabilities)) {
      const range = [slab.start, slab.start + slab.voxels.count] as const;
      const own = {
        channels: channels.map((values) => values.subarray(...range)),
        logPriors: logPriors?.map((values) => values.subarray(...range)),
        start: start.subarray(...range),
      };
      slabs.push(await TissueSlab.create(gpu, { slab, beta, weights, table, ...own }, owned));
    }
    return new TissueEm(gpu, input, slabs, owned, table);
  }

  /** The maximisation step of the mixture: the Gaussians that fit the responsibilities best. */
  async fit(): Promise<readonly Gaussian[]> {
    const channels = this.#input.channels.length;
    this.#writeModel(
      this.#centres.map((mean, g) => ({
        tissue: tissueOf(g),
        mean,
        covariance: identity(channels),
        mix: 1,
      })),
    );
    this.#run(({ moments }) => moments);
    const gaussians = fitGaussians(await this.#sum('moments'), this.#centres, channels);
    this.#centres = gaussians.map(({ mean }) => mean);
    this.#writeModel(gaussians);
    return gaussians;
  }

  /** The maximisation step of the bias fields: each channel's smooth log factor that fits best; corrects the images. */
  async fitField(): Promise<void> {
    const { channels, voxels } = this.#input;
    this.#run(({ field }) => field);
    const planes = await this.#sum('plane sums');
    const length = voxels.shape[2] * PLANE_SUMS;
    const coefficients = channels.map((_, c) =>
      solveField(planes.subarray(c * length, (c + 1) * length), voxels.shape, this.#table, this.#means),
    );
    for (const { state } of this.#slabs) state.write('coefficients', joined(coefficients, DEGREE ** 3));
    this.#run(({ correct }) => correct);
  }

  /** The expectation step: responsibilities and tissue probabilities, with neighbours as they were before it. */
  expect(): void {
    this.#run(({ expectation }) => expectation[this.#turn]);
    this.#turn = this.#turn === 0 ? 1 : 0;
    exchangePosteriors(this.#gpu, this.#slabs, this.#turn);
  }

  /**
   * Shares what is not fluid anew between grey and white matter: by where the T1, averaged over face neighbours that
   * differ by little more than noise, lies between the two pure tissues. Voxels that hold both get their shares; noise
   * moves fewer labels than in the mixture, and thin sheets stay, which a stronger random field would wipe out.
   * Changes nothing where grey matter is not darker than white.
   */
  async refine(gaussians: readonly Gaussian[]): Promise<void> {
    // Grey matter's brighter Gaussian is the pure one: the darker one holds mixtures with fluid.
    const grey = Math.max(...gaussians.filter(({ tissue }) => tissue === 0).map(({ mean }) => mean[0]!));
    const { mean, covariance } = gaussians.find(({ tissue }) => tissue === 1)!;
    const contrast = mean[0]! - grey;
    if (!(contrast > 0)) return;
    const noise = (await this.#noise()) ?? Math.sqrt(covariance[0]!);
    const reach = SIMILAR * Math.max(noise, 1e-3 * contrast);
    const levels = Float32Array.of(grey + WHITE_FROM * contrast, 1 / contrast, 1 / (2 * reach ** 2));
    for (const { state } of this.#slabs) state.write('levels', levels);
    this.#run(({ refine }) => refine[this.#turn]);
    this.#turn = this.#turn === 0 ? 1 : 0;
  }

  /** The deviation of the T1's noise, from white matter amid white matter. */
  async #noise(): Promise<number | undefined> {
    const residuals: number[][] = [];
    for (const { slab, state } of this.#slabs) {
      const posterior = await state.read(`posterior ${this.#turn}`);
      const stride = posterior.length / 3;
      const image = await state.read('corrected');
      residuals.push(whiteResiduals(slab, image, posterior.subarray(stride, 2 * stride)));
    }
    return noiseDeviation(residuals.flat());
  }

  /** Probabilities of GM, WM and CSF, one array of the brain's voxels each. @throws GpuError, DeviceLostError. */
  async posteriors(): Promise<[Float32Array, Float32Array, Float32Array]> {
    const { count } = this.#input.voxels;
    const whole = [new Float32Array(count), new Float32Array(count), new Float32Array(count)] as const;
    for (const part of this.#slabs) {
      const maps = await part.posterior(this.#turn);
      maps.forEach((map, t) => {
        whole[t]!.set(map, part.slab.start + part.slab.first);
      });
    }
    return [...whole];
  }

  /** Tensors by name, one a slab; the sums need it, and tests. */
  async inspect(name: string): Promise<Float32Array[]> {
    const found: Float32Array[] = [];
    for (const { data, state } of this.#slabs)
      found.push(await (data.tensors.has(name) ? data : state).read(name));
    return found;
  }

  #run(plan: (plans: TissueSlab['plans']) => Plan): void {
    for (const { plans } of this.#slabs) plan(plans).run();
  }

  /** The sum of a tensor over the slabs. */
  async #sum(name: string): Promise<Float32Array | Float64Array> {
    const parts = await this.inspect(name);
    if (parts.length === 1) return parts[0]!;
    return Float64Array.from(parts[0]!, (_, i) => parts.reduce((sum, part) => sum + part[i]!, 0));
  }

  #writeModel(gaussians: readonly Gaussian[]): void {
    const model = packModel(gaussians, this.#input.channels.length);
    for (const { state } of this.#slabs) state.write('model', model);
  }

  /** Frees everything on the GPU. */
  destroy(): void {
    this.#owned.destroy();
  }
}

function identity(n: number): Float64Array {
  return Float64Array.from({ length: n * n }, (_, i) => Number(i % (n + 1) === 0));
}
