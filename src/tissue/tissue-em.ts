import { Resources } from '../core/resources.ts';
import { ceilDiv, roundUp } from '../core/shape.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Kernel } from '../gpu/kernel.ts';
import { type Command, read, readWrite, write } from '../tape/command.ts';
import { compilePlan, type Plan } from '../tape/plan.ts';
import { TensorStore } from '../tape/store.ts';
import type { Tensor } from '../tape/tensor.ts';
import { flatGroups } from '../tape/workgroups.ts';
import type { BrainVoxels } from './brain-voxels.ts';
import { cosineTable, DEGREE, DOUBLE_DEGREE, PLANE_SUMS, solveField, termMeans } from './cosine-field.ts';
import {
  fitGaussians,
  GAUSSIANS,
  GAUSSIANS_PER_TISSUE,
  type Gaussian,
  initialGaussians,
  modelLayout,
  packModel,
  tissueOf,
} from './mixture.ts';

const LANES = 64;
/** Lanes that share the sums over all voxels. */
const MOMENT_LANES = 1024;
const ROW_SUMS = DOUBLE_DEGREE + DEGREE;

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

interface Plans {
  readonly correct: Plan;
  readonly moments: Plan;
  readonly field: Plan;
  readonly expectation: readonly [Plan, Plan];
}

/**
 * The steps of an expectation-maximisation on one GPU, every one of them a recorded plan. The sums have a fixed
 * order: the same input gives the same bits on the same device.
 */
export class TissueEm {
  readonly #input: TissueEmInput;
  readonly #data: TensorStore;
  readonly #state: TensorStore;
  readonly #plans: Plans;
  readonly #owned: Resources;
  readonly #table: Float32Array;
  readonly #means: readonly number[];
  #centres: Float64Array[];
  /** Which of the two posteriors is the current one. */
  #turn: 0 | 1 = 0;

  private constructor(
    input: TissueEmInput,
    stores: { readonly data: TensorStore; readonly state: TensorStore },
    plans: Plans,
    owned: Resources,
    table: Float32Array,
  ) {
    this.#input = input;
    this.#data = stores.data;
    this.#state = stores.state;
    this.#plans = plans;
    this.#owned = owned;
    this.#table = table;
    this.#means = termMeans(input.voxels.position, input.voxels.shape, table);
    this.#centres = Array.from({ length: GAUSSIANS }, () => new Float64Array(input.channels.length).fill(1));
  }

  /** Uploads a brain and starts from k-means of the first channel. @throws OutOfMemoryError, GpuError. */
  static async create(gpu: Gpu, input: TissueEmInput): Promise<TissueEm> {
    return await Resources.build((owned) => TissueEm.#build(gpu, input, owned));
  }

  static async #build(gpu: Gpu, input: TissueEmInput, owned: Resources): Promise<TissueEm> {
    const { voxels, channels } = input;
    const { count, shape } = voxels;
    const [nx, ny, nz] = shape;
    const m = channels.length;
    const layout = modelLayout(m);
    const stride = roundUp(count + 1, LANES);
    const data = owned.add(
      await TensorStore.create(gpu, 'brain', [
        { name: 'raw', shape: [m, count] },
        { name: 'position', shape: [count] },
        { name: 'neighbours', shape: [6, count] },
        { name: 'rows', shape: [ny * nz + 1] },
        { name: 'cosines', shape: [DOUBLE_DEGREE * (nx + ny + nz)] },
        { name: 'prior', shape: [3, input.logPriors ? stride : 1] },
      ]),
    );
    const state = owned.add(
      await TensorStore.create(gpu, 'tissue', [
        { name: 'corrected', shape: [m, count] },
        { name: 'responsibility', shape: [GAUSSIANS, count] },
        { name: 'posterior 0', shape: [3, stride] },
        { name: 'posterior 1', shape: [3, stride] },
        { name: 'model', shape: [GAUSSIANS, layout.model] },
        { name: 'coefficients', shape: [m, DEGREE ** 3] },
        { name: 'moments', shape: [GAUSSIANS, layout.moments, MOMENT_LANES] },
        { name: 'row sums', shape: [m, ROW_SUMS, ny * nz] },
        { name: 'plane sums', shape: [m, nz, PLANE_SUMS] },
      ]),
    );
    const table = cosineTable(shape);
    data.write('raw', joined(channels, count));
    data.write('position', voxels.position);
    data.write('neighbours', voxels.neighbours);
    data.write('rows', voxels.rowStart);
    data.write('cosines', table);
    if (input.logPriors) data.write('prior', joined(input.logPriors, stride));
    state.write('corrected', joined(channels, count));
    writeStart(state, initialGaussians(channels[0]!), count, stride);
    const compile = async (label: string, commands: readonly Command[]): Promise<Plan> =>
      owned.add(await compilePlan(gpu, commands, { label }));
    const record = recorder(gpu, input, stride, data, state);
    const plans = {
      correct: await compile('tissue/correct', [record.correct]),
      moments: await compile('tissue/moments', [record.moments]),
      field: await compile('tissue/field', [record.fieldRows, record.fieldPlanes]),
      expectation: [
        await compile('tissue/expectation 0', [record.expectation(0)]),
        await compile('tissue/expectation 1', [record.expectation(1)]),
      ] as const,
    };
    return new TissueEm(input, { data, state }, plans, owned, table);
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
    this.#plans.moments.run();
    const gaussians = fitGaussians(await this.#state.read('moments'), this.#centres, channels);
    this.#centres = gaussians.map(({ mean }) => mean);
    this.#writeModel(gaussians);
    return gaussians;
  }

  /** The maximisation step of the bias fields: each channel's smooth log factor that fits best; corrects the images. */
  async fitField(): Promise<void> {
    const { channels, voxels } = this.#input;
    this.#plans.field.run();
    const planes = await this.#state.read('plane sums');
    const length = voxels.shape[2] * PLANE_SUMS;
    const coefficients = channels.map((_, c) =>
      solveField(planes.subarray(c * length, (c + 1) * length), voxels.shape, this.#table, this.#means),
    );
    this.#state.write('coefficients', joined(coefficients, DEGREE ** 3));
    this.#plans.correct.run();
  }

  /** The expectation step: responsibilities and tissue probabilities, with neighbours as they were before it. */
  expect(): void {
    this.#plans.expectation[this.#turn].run();
    this.#turn = this.#turn === 0 ? 1 : 0;
  }

  /** Probabilities of GM, WM and CSF, one array of the brain's voxels each. @throws GpuError, DeviceLostError. */
  async posteriors(): Promise<[Float32Array, Float32Array, Float32Array]> {
    const { count } = this.#input.voxels;
    const all = await this.#state.read(`posterior ${this.#turn}`);
    const stride = all.length / 3;
    const map = (t: number): Float32Array => all.slice(t * stride, t * stride + count);
    return [map(0), map(1), map(2)];
  }

  /** A tensor of the state by name, for tests. */
  async inspect(name: string): Promise<Float32Array> {
    return await (this.#data.tensors.has(name) ? this.#data : this.#state).read(name);
  }

  #writeModel(gaussians: readonly Gaussian[]): void {
    this.#state.write('model', packModel(gaussians, this.#input.channels.length));
  }

  /** Frees everything on the GPU. */
  destroy(): void {
    this.#owned.destroy();
  }
}

/** Arrays one after the other, each taking up `length` numbers. */
function joined(arrays: readonly Float32Array[], length: number): Float32Array {
  const out = new Float32Array(arrays.length * length);
  arrays.forEach((array, i) => {
    out.set(array, i * length);
  });
  return out;
}

function identity(n: number): Float64Array {
  return Float64Array.from({ length: n * n }, (_, i) => Number(i % (n + 1) === 0));
}

function writeStart(state: TensorStore, start: Uint8Array, count: number, stride: number): void {
  const responsibility = new Float32Array(GAUSSIANS * count);
  const posterior = new Float32Array(3 * stride);
  start.forEach((g, v) => {
    responsibility[g * count + v] = 1;
    posterior[tissueOf(g) * stride + v] = 1;
  });
  state.write('responsibility', responsibility);
  state.write('posterior 0', posterior);
}

interface Recorded {
  readonly correct: Command;
  readonly moments: Command;
  readonly fieldRows: Command;
  readonly fieldPlanes: Command;
  /** Reads the posterior of this number, writes the other. */
  expectation(turn: 0 | 1): Command;
}

function recorder(
  gpu: Gpu,
  { voxels, channels, beta, weights, logPriors }: TissueEmInput,
  stride: number,
  data: TensorStore,
  state: TensorStore,
): Recorded {
  const { count, shape } = voxels;
  const rows = shape[1] * shape[2];
  const groups = flatGroups(count, LANES, gpu.capabilities);
  const spec = {
    CHANNELS: channels.length,
    GM_GAUSSIANS: GAUSSIANS_PER_TISSUE[0],
    WM_GAUSSIANS: GAUSSIANS_PER_TISSUE[1],
    GAUSSIANS,
    PRIOR: logPriors ? 1 : 0,
  };
  const kernel = (entry: string): Kernel => ({ file: 'tissue-em.wgsl', entry, spec });
  const [wx, wy, wz] = weights;
  const params = [
    ...[count, stride, groups[0], MOMENT_LANES, ...shape, rows],
    ...[beta, wx, wy, wz].map((f32) => ({ f32 })),
  ];
  const from = (name: string): Tensor => data.get(name);
  const of = (name: string): Tensor => state.get(name);
  const command = (
    entry: string,
    bindings: Command['bindings'],
    workgroups: Command['workgroups'],
  ): Command => ({ label: `tissue-em/${entry}`, kernel: kernel(entry), bindings, params, workgroups });
  return {
    correct: command(
      'correct',
      [
        read(from('raw')),
        write(of('corrected')),
        read(from('position')),
        read(from('cosines')),
        read(of('coefficients')),
      ],
      groups,
    ),
    moments: command(
      'moments',
      [read(of('corrected')), read(of('responsibility')), read(of('model')), write(of('moments'))],
      [MOMENT_LANES / LANES, GAUSSIANS, 1],
    ),
    fieldRows: command(
      'field_rows',
      [
        read(from('raw')),
        read(of('responsibility')),
        read(of('model')),
        read(from('position')),
        read(from('rows')),
        read(from('cosines')),
        write(of('row sums')),
      ],
      [ceilDiv(rows, LANES), channels.length, 1],
    ),
    fieldPlanes: command(
      'field_planes',
      [read(of('row sums')), read(from('cosines')), write(of('plane sums'))],
      [shape[2], channels.length, 1],
    ),
    expectation: (turn) =>
      command(
        'expectation',
        [
          read(of('corrected')),
          read(of('model')),
          read(from('neighbours')),
          read(from('prior')),
          read(of(`posterior ${turn}`)),
          readWrite(of(`posterior ${1 - turn}`)),
          write(of('responsibility')),
        ],
        groups,
      ),
  };
}
