/**
 * The kernels that memory bounds: batch norm, pooling, activations. Each dispatch of forward and backward alone, as
 * bytes a second (each byte that must move counted once) and as a share of what a plain copy kernel moves.
 * `npm run bench -- elementwise:max-pool` runs the rows whose text contains "max-pool".
 */
import { type Shape, sizeOf } from '../src/core/shape.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { type BatchNormAttributes, batchNorm } from '../src/ops/batch-norm.ts';
import { crossStitch } from '../src/ops/cross-stitch.ts';
import { maxPool3d } from '../src/ops/max-pool3d.ts';
import { relu } from '../src/ops/relu.ts';
import { sigmoid } from '../src/ops/sigmoid.ts';
import { softmax } from '../src/ops/softmax.ts';
import type { Op } from '../src/tape/op.ts';
import { compilePlan, type Dispatch, encodeDispatches } from '../src/tape/plan.ts';
import { TensorStore } from '../src/tape/store.ts';
import { Tape } from '../src/tape/tape.ts';
import type { Tensor } from '../src/tape/tensor.ts';

/** Activations that each dispatch must read and write, by label, in sizes of the input. */
const TRAFFIC: Readonly<Record<string, number>> = {
  'batch-norm/statistics': 1,
  'batch-norm/forward': 2,
  'batch-norm/backward_sums': 2,
  'batch-norm/backward_input': 3,
  'cross-stitch/forward': 3,
  'cross-stitch/backward_input': 2,
  'cross-stitch/backward_sums': 3,
  'max-pool3d/forward': 1 + 1 / 8,
  'max-pool3d/backward': 2 + 1 / 8,
  'relu/forward': 2,
  'relu/backward': 3,
  'sigmoid/forward': 2,
  'sigmoid/backward': 3,
  'softmax/forward': 2,
  'softmax/backward': 3,
};

const SHAPES: readonly Shape[] = [
  [1, 16, 64, 64, 64],
  [2, 8, 32, 32, 32],
  [2, 32, 8, 8, 8],
  [1, 16, 45, 63, 51],
];

export async function bench(gpu: Gpu, filter: string): Promise<void> {
  for (const shape of SHAPES) {
    const wanted = (op: string): boolean => `${op} ${shape.join('x')}`.includes(filter);
    if (wanted('batch-norm')) await benchOp(gpu, batchNorm, shape, normAttributes);
    if (wanted('cross-stitch')) await benchOp(gpu, crossStitch, shape, () => ({}));
    if (wanted('max-pool3d')) await benchOp(gpu, maxPool3d, shape, () => ({}));
    if (wanted('relu')) await benchOp(gpu, relu, shape, () => ({ slope: 0 }));
    if (wanted('sigmoid')) await benchOp(gpu, sigmoid, shape, () => ({}));
    const heads = [shape[0]!, 4, ...shape.slice(2)];
    if (wanted('softmax')) await benchOp(gpu, softmax, heads, () => ({}));
  }
}

function normAttributes(running: readonly Tensor[]): BatchNormAttributes {
  return {
    training: true,
    momentum: 0.1,
    eps: 1e-5,
    slope: 0,
    runningMean: running[0]!,
    runningVar: running[1]!,
  };
}

async function benchOp<A, S>(
  gpu: Gpu,
  op: Op<A, S>,
  shape: Shape,
  attributesOf: (running: readonly Tensor[]) => A,
): Promise<void> {
  const channels = shape[1]!;
  const sides = ['input', 'other'].map((name) => ({ name, shape }));
  const activations = await TensorStore.create(gpu, 'activations', sides, { requiresGrad: true });
  const names = ['weight', 'bias'];
  const specs = [
    ...names.map((name) => ({ name, shape: [channels] })),
    { name: 'stitch', shape: [2, channels] },
  ];
  const grads = await TensorStore.create(gpu, 'grads', specs);
  const parameters = await TensorStore.create(gpu, 'parameters', specs, { grads });
  const running = await TensorStore.create(gpu, 'running', [
    { name: 'mean', shape: [channels] },
    { name: 'var', shape: [channels] },
  ]);
  for (const { name } of sides) activations.write(name, noise(sizeOf(shape)));
  for (const spec of specs) parameters.write(spec.name, noise(sizeOf(spec.shape)));
  const inputs = [activations.get('input')];
  if (op.name === 'batch-norm') inputs.push(parameters.get('weight'), parameters.get('bias'));
  if (op.name === 'cross-stitch') inputs.push(activations.get('other'), parameters.get('stitch'));
  const tape = new Tape(gpu.capabilities);
  const output = tape.apply(op, inputs, attributesOf([running.get('mean'), running.get('var')]));
  const root = await TensorStore.create(gpu, 'root', [{ name: 'grad', shape: output.shape }]);
  root.write('grad', noise(sizeOf(output.shape)));
  tape.backward([{ output, grad: root.get('grad') }]);
  const plan = await compilePlan(gpu, tape.commands, { label: 'bench' });
  plan.run();
  const size = sizeOf(shape);
  const copied = Math.ceil(size / 2048) * 2048;
  const { copy, buffers } = await copyDispatch(gpu, copied);
  const dispatches = [copy, ...plan.dispatches];
  const times = await timeDispatches(gpu, dispatches, 0.3 * dispatches.length);
  for (const [i, { label }] of dispatches.entries()) {
    const elements = i === 0 ? 2 * copied : (TRAFFIC[label] ?? 0) * size;
    print(label, shape, elements, times[i]!, times[0]!, 2 * copied);
  }
  for (const buffer of buffers) gpu.destroyBuffer(buffer);
  plan.destroy();
  for (const store of [activations, grads, parameters, running, root]) store.destroy();
}

interface Time {
  /** Best wall time of one dispatch, and the process's least CPU time over two cores. */
  readonly wall: number;
  readonly cpu: number;
}

/** Times dispatches in turn, so that what else runs on the machine slows all of them. */
async function timeDispatches(gpu: Gpu, dispatches: readonly Dispatch[], seconds: number): Promise<Time[]> {
  const replay = async (dispatch: Dispatch, times: number): Promise<Time> => {
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encodeDispatches(pass, new Array<Dispatch>(times).fill(dispatch));
    pass.end();
    const commands = encoder.finish();
    const before = process.cpuUsage();
    const start = performance.now();
    gpu.device.queue.submit([commands]);
    await gpu.idle();
    const wall = performance.now() - start;
    const used = process.cpuUsage(before);
    return { wall: wall / times, cpu: (used.user + used.system) / 2000 / times };
  };
  const best: Time[] = [];
  const repeats: number[] = [];
  for (const dispatch of dispatches) {
    await replay(dispatch, 1);
    const { wall } = await replay(dispatch, 1);
    repeats.push(Math.max(1, Math.min(200, Math.round(10 / Math.max(0.02, wall)))));
    best.push({ wall: Number.POSITIVE_INFINITY, cpu: Number.POSITIVE_INFINITY });
  }
  const until = performance.now() + seconds * 1000;
  do {
    for (const [i, dispatch] of dispatches.entries()) {
      const { wall, cpu } = await replay(dispatch, repeats[i]!);
      best[i] = { wall: Math.min(best[i]!.wall, wall), cpu: Math.min(best[i]!.cpu, cpu) };
    }
  } while (performance.now() < until);
  return best;
}

function print(label: string, shape: Shape, elements: number, time: Time, copy: Time, copied: number): void {
  const rate = (ms: number): string => ((elements * 4) / ms / 1e6).toFixed(2).padStart(6);
  const share = (of: 'wall' | 'cpu'): string =>
    `${((100 * elements * copy[of]) / (copied * time[of])).toFixed(0).padStart(4)} %`;
  console.log(
    `${label.padEnd(32)} ${shape.join('x').padEnd(18)} ${time.wall.toFixed(3).padStart(8)} ms ` +
      `${rate(time.wall)} GB/s (${rate(time.cpu)} by CPU time) ${share('wall')} of copy (${share('cpu')})`,
  );
}

const COPY = `
@group(0) @binding(0) var<storage, read_write> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> target_: array<vec4f>;
@compute @workgroup_size(64)
fn copy(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = group.x * 512u + lane;
  ${Array.from({ length: 8 }, (_, k) => `target_[i + ${k * 64}u] = source[i + ${k * 64}u];`).join('\n  ')}
}`;

/** The best plain copy kernel that was found: eight vec4 a lane, two buffers, no test of bounds. */
async function copyDispatch(gpu: Gpu, size: number): Promise<{ copy: Dispatch; buffers: GPUBuffer[] }> {
  const module = gpu.device.createShaderModule({ code: COPY });
  const pipeline = await gpu.device.createComputePipelineAsync({
    layout: 'auto',
    compute: { module, entryPoint: 'copy' },
  });
  const groups = size / 2048;
  const usage = GPUBufferUsage.STORAGE;
  const buffers = await Promise.all(
    ['source', 'target'].map((label) => gpu.createBuffer({ label, bytes: groups * 8192, usage })),
  );
  const bindGroup = gpu.device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  return { copy: { label: 'copy', pipeline, bindGroup, workgroups: [groups, 1, 1] }, buffers };
}

function noise(size: number): Float32Array {
  let state = 12345;
  return Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
}
