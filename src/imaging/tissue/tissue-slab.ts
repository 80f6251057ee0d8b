import type { Resources } from '../../core/resources.ts';
import { ceilDiv, roundUp } from '../../core/shape.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import type { Kernel } from '../../engine/gpu/kernel.ts';
import { type Command, type Params, read, readWrite, write } from '../../engine/tape/command.ts';
import { compilePlan, type Plan } from '../../engine/tape/plan.ts';
import { TensorStore } from '../../engine/tape/store.ts';
import type { Region, Tensor } from '../../engine/tape/tensor.ts';
import { flatGroups } from '../../engine/tape/workgroups.ts';
import { type BrainSlab, MOMENT_LANES } from './brain-slabs.ts';
import { DEGREE, DOUBLE_DEGREE, PLANE_SUMS, ROW_SUMS } from './cosine-field.ts';
import { GAUSSIANS, GAUSSIANS_PER_TISSUE, modelLayout, tissueOf } from './mixture.ts';

const LANES = 64;

/** What a slab starts from: arrays of its voxels, those of the planes around it included. */
export interface SlabInput {
  readonly slab: BrainSlab;
  readonly channels: readonly Float32Array[];
  readonly logPriors?: readonly Float32Array[] | undefined;
  /** Gaussian of each voxel. */
  readonly start: Uint8Array;
  /** Strength of the Markov random field, and the weight of neighbours along x, y and z. */
  readonly beta: number;
  readonly weights: readonly [number, number, number];
  /** Of cosineTable, of the whole brain. */
  readonly table: Float32Array;
}

interface Plans {
  readonly correct: Plan;
  readonly moments: Plan;
  readonly field: Plan;
  readonly expectation: readonly [Plan, Plan];
  readonly refine: readonly [Plan, Plan];
}

/** One slab of a brain on a GPU, and the steps of its segmentation as recorded plans. */
export class TissueSlab {
  readonly slab: BrainSlab;
  readonly data: TensorStore;
  readonly state: TensorStore;
  readonly plans: Plans;

  private constructor(slab: BrainSlab, data: TensorStore, state: TensorStore, plans: Plans) {
    this.slab = slab;
    this.data = data;
    this.state = state;
    this.plans = plans;
  }

  /** Uploads a slab; what it makes is freed with `owned`. @throws OutOfMemoryError, GpuError. */
  static async create(gpu: Gpu, input: SlabInput, owned: Resources): Promise<TissueSlab> {
    const { slab, channels, logPriors } = input;
    const { voxels } = slab;
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
        { name: 'prior', shape: [3, logPriors ? stride : 1] },
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
        { name: 'levels', shape: [3] },
        { name: 'moments', shape: [GAUSSIANS, layout.moments, MOMENT_LANES] },
        { name: 'row sums', shape: [m, ROW_SUMS, ny * nz] },
        { name: 'plane sums', shape: [m, nz, PLANE_SUMS] },
      ]),
    );
    data.write('raw', joined(channels, count));
    data.write('position', voxels.position);
    data.write('neighbours', voxels.neighbours);
    data.write('rows', voxels.rowStart);
    data.write('cosines', input.table);
    if (logPriors) data.write('prior', joined(logPriors, stride));
    state.write('corrected', joined(channels, count));
    writeStart(state, input, stride);
    const compile = async (label: string, commands: readonly Command[]): Promise<Plan> =>
      owned.add(await compilePlan(gpu, commands, { label }));
    const record = recorder(gpu, input, stride, data, state);
    return new TissueSlab(slab, data, state, {
      correct: await compile('tissue/correct', [record.correct]),
      moments: await compile('tissue/moments', [record.moments]),
      field: await compile('tissue/field', [record.fieldRows, record.fieldPlanes]),
      expectation: [
        await compile('tissue/expectation 0', [record.expectation(0)]),
        await compile('tissue/expectation 1', [record.expectation(1)]),
      ],
      refine: [
        await compile('tissue/refine 0', [record.refine(0)]),
        await compile('tissue/refine 1', [record.refine(1)]),
      ],
    });
  }

  /** A posterior of the slab's own voxels. @throws GpuError, DeviceLostError. */
  async posterior(turn: 0 | 1): Promise<[Float32Array, Float32Array, Float32Array]> {
    const { first, end } = this.slab;
    const all = await this.state.read(`posterior ${turn}`);
    const stride = all.length / 3;
    const map = (t: number): Float32Array => all.slice(t * stride + first, t * stride + end);
    return [map(0), map(1), map(2)];
  }
}

/** Copies the posteriors of the planes on both sides of every cut to the slab that has them as neighbours. */
export function exchangePosteriors(gpu: Gpu, slabs: readonly TissueSlab[], turn: 0 | 1): void {
  if (slabs.length < 2) return;
  const encoder = gpu.device.createCommandEncoder({ label: 'tissue/exchange' });
  const copy = (from: TissueSlab, first: number, to: TissueSlab, at: number, count: number): void => {
    if (count === 0) return;
    const [source, target] = [from, to].map((slab) => slab.state.get(`posterior ${turn}`));
    const [here, there] = [source!.placement as Region, target!.placement as Region];
    for (let t = 0; t < 3; t++) {
      const offset = here.offset + 4 * (t * source!.shape[1]! + first);
      const place = there.offset + 4 * (t * target!.shape[1]! + at);
      encoder.copyBufferToBuffer(here.buffer, offset, there.buffer, place, 4 * count);
    }
  };
  for (let s = 1; s < slabs.length; s++) {
    const [low, high] = [slabs[s - 1]!, slabs[s]!];
    const around = low.slab.voxels.count - low.slab.end;
    copy(low, low.slab.end - high.slab.first, high, 0, high.slab.first);
    copy(high, high.slab.first, low, low.slab.end, around);
  }
  gpu.device.queue.submit([encoder.finish()]);
}

/** Arrays one after the other, each taking up `length` numbers. */
export function joined(arrays: readonly Float32Array[], length: number): Float32Array {
  const out = new Float32Array(arrays.length * length);
  arrays.forEach((array, i) => {
    out.set(array, i * length);
  });
  return out;
}

function writeStart(state: TensorStore, { slab, start }: SlabInput, stride: number): void {
  const { count } = slab.voxels;
  const responsibility = new Float32Array(GAUSSIANS * count);
  const posterior = new Float32Array(3 * stride);
  start.forEach((g, v) => {
    if (v >= slab.first && v < slab.end) responsibility[g * count + v] = 1;
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
  /** These read the posterior of this number and write the other. */
  expectation(turn: 0 | 1): Command;
  refine(turn: 0 | 1): Command;
}

function recorder(
  gpu: Gpu,
  { slab, channels, beta, weights, logPriors }: SlabInput,
  stride: number,
  data: TensorStore,
  state: TensorStore,
): Recorded {
  const { count, shape } = slab.voxels;
  const rows = shape[1] * shape[2];
  const groups = flatGroups(count, LANES, gpu.capabilities);
  const ownGroups = flatGroups(slab.end - slab.first, LANES, gpu.capabilities);
  const spec = {
    CHANNELS: channels.length,
    GM_GAUSSIANS: GAUSSIANS_PER_TISSUE[0],
    WM_GAUSSIANS: GAUSSIANS_PER_TISSUE[1],
    GAUSSIANS,
    PRIOR: logPriors ? 1 : 0,
  };
  const kernel = (entry: string): Kernel => ({ file: 'tissue-em.wgsl', entry, spec });
  const [wx, wy, wz] = weights;
  const [nx, ny, nz] = shape;
  const params = (groups: number): Params => ({
    ...{ voxels: count, stride, groups, lanes: MOMENT_LANES, nx, ny, nz, rows },
    ...{ beta: { f32: beta }, weight_x: { f32: wx }, weight_y: { f32: wy }, weight_z: { f32: wz } },
    ...{ first: slab.first, end: slab.end },
  });
  const from = (name: string): Tensor => data.get(name);
  const of = (name: string): Tensor => state.get(name);
  const command = (
    entry: string,
    bindings: Command['bindings'],
    workgroups: Command['workgroups'],
  ): Command => ({
    label: `tissue-em/${entry}`,
    kernel: kernel(entry),
    bindings,
    params: params(workgroups[0]),
    workgroups,
  });
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
        ownGroups,
      ),
    refine: (turn) =>
      command(
        'refine',
        [
          read(of('corrected')),
          read(from('neighbours')),
          read(of('levels')),
          read(of(`posterior ${turn}`)),
          readWrite(of(`posterior ${1 - turn}`)),
        ],
        ownGroups,
      ),
  };
}
