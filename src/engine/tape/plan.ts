import { GpuError } from '../../core/errors.ts';
import type {
  GPUBindGroup,
  GPUBuffer,
  GPUComputePassEncoder,
  GPUComputePipeline,
} from '../../core/globals.ts';
import { roundUp, sizeOf } from '../../core/shape.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type Lifetime, placeLifetimes } from './arena.ts';
import { type Binding, type Command, encodeParams } from './command.ts';
import { combineJobs } from './jobs.ts';
import { readParts } from './parts.ts';
import { bindingBytes, type Limits, splitCommand } from './split.ts';
import { TapeError } from './tape.ts';
import {
  byteLength,
  decodeElements,
  describeTensor,
  elementBytes,
  type Region,
  regionOf,
  type Tensor,
} from './tensor.ts';

/** Settings of {@link compilePlan}. */
export interface PlanOptions {
  /** Names the plan's buffers in errors and leak checks. */
  readonly label: string;
  /** Arena tensors that the host reads after a run: they keep their place to the end. */
  readonly keep?: readonly Tensor[];
  /** Fill the arena with NaN before each run, so that a test sees what was never written. */
  readonly poison?: boolean;
}

/** What a plan costs. */
export interface PlanStatistics {
  /** Bytes of the arena (activations, gradients, scratch). */
  readonly arenaBytes: number;
  /** The most bytes alive at one command: no arena can be smaller. */
  readonly livenessBytes: number;
  /** Bytes of packed weights. */
  readonly panelBytes: number;
  readonly dispatches: number;
  /** The largest tensors that the plan places, largest first. */
  readonly largest: readonly Tensor[];
}

/** One dispatch with everything bound. */
export interface Dispatch {
  readonly label: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
  /** What it was recorded with; a plan's dispatches have it. */
  readonly bindings?: readonly Binding[];
}

/** Quiet NaN, as one float of 32 bits and as two of 16. */
const QUIET_NAN = 0x7fc07fc0;
/** Tensors that statistics name. */
const LARGEST = 4;

/** A recorded computation, compiled: `run` replays it with no allocation and no shape logic. */
export class Plan {
  readonly statistics: PlanStatistics;
  readonly dispatches: readonly Dispatch[];
  readonly #gpu: Gpu;
  readonly #regions: ReadonlyMap<Tensor, Region>;
  readonly #kept: ReadonlySet<Tensor>;
  readonly #owned: readonly GPUBuffer[];
  readonly #poisoned: readonly GPUBuffer[];
  /** Encoded ahead for the next run. */
  #prepared: GPUCommandBuffer | undefined;

  constructor(
    gpu: Gpu,
    dispatches: readonly Dispatch[],
    regions: ReadonlyMap<Tensor, Region>,
    kept: ReadonlySet<Tensor>,
    owned: readonly GPUBuffer[],
    poisoned: readonly GPUBuffer[],
    statistics: PlanStatistics,
  ) {
    this.#gpu = gpu;
    this.dispatches = dispatches;
    this.#regions = regions;
    this.#kept = kept;
    this.#owned = owned;
    this.#poisoned = poisoned;
    this.statistics = statistics;
  }

  /**
   * Submits every dispatch, in order.
   * @param before encodes dispatches of the caller's own that run first (a patch sampler)
   * @throws the device's error since the last call, DeviceLostError; GpuError on a device that executes nothing.
   */
  run(before?: (pass: GPUComputePassEncoder) => void): void {
    this.#gpu.expectExecution();
    this.#gpu.check();
    const { queue } = this.#gpu.device;
    for (const buffer of this.#poisoned)
      queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(QUIET_NAN));
    const own = this.#prepared ?? this.#encode((pass) => encodeDispatches(pass, this.dispatches));
    this.#prepared = undefined;
    queue.submit(before ? [this.#encode(before), own] : [own]);
  }

  /**
   * Encodes the next run's commands now: called between a run and the wait for its results, the host does so while the
   * device is at work. What runs is the same with and without.
   */
  prepare(): void {
    this.#prepared ??= this.#encode((pass) => encodeDispatches(pass, this.dispatches));
  }

  #encode(commands: (pass: GPUComputePassEncoder) => void): GPUCommandBuffer {
    const encoder = this.#gpu.device.createCommandEncoder({ label: 'plan' });
    const pass = encoder.beginComputePass({ label: 'plan' });
    commands(pass);
    pass.end();
    return encoder.finish();
  }

  /**
   * The buffer range of a tensor of this plan. Other tensors may take the same range once nothing reads this one any
   * more: after a run, only {@link read} knows which hold what was written to them.
   * @throws TapeError if the plan does not hold it.
   */
  region(of: Tensor): Region {
    const region = regionOf(of) ?? this.#regions.get(of);
    if (!region) throw new TapeError(`${describeTensor(of)} is not a tensor of this plan`);
    return region;
  }

  /**
   * Elements of a kept or fixed tensor after the last run.
   * @throws TapeError for any other tensor, as its memory may hold another's values by then; GpuError, DeviceLostError.
   */
  async read(of: Tensor): Promise<Float32Array> {
    const { buffer, offset } = this.region(of);
    if (!regionOf(of) && !this.#kept.has(of)) {
      const kept = [...this.#kept].map((each) => each.label).join(', ');
      throw new TapeError(
        `${describeTensor(of)} was not kept: its memory is reused before a run ends; kept are: ${kept || 'none'}`,
        { hint: 'List the tensor in `keep` when the plan is compiled.' },
      );
    }
    return decodeElements(of, await this.#gpu.read(buffer, offset, sizeOf(of.shape) * elementBytes(of)));
  }

  /** Frees the arena; fixed tensors stay. */
  destroy(): void {
    this.#prepared = undefined;
    for (const buffer of this.#owned) this.#gpu.destroyBuffer(buffer);
  }
}

/** Encodes dispatches in order. */
export function encodeDispatches(pass: GPUComputePassEncoder, dispatches: readonly Dispatch[]): void {
  let pipeline: GPUComputePipeline | undefined;
  for (const dispatch of dispatches) {
    if (dispatch.pipeline !== pipeline) pass.setPipeline(dispatch.pipeline);
    pipeline = dispatch.pipeline;
    pass.setBindGroup(0, dispatch.bindGroup);
    pass.dispatchWorkgroups(...dispatch.workgroups);
  }
}

/**
 * Compiles recorded commands: liveness gives every arena tensor its place, kernels are compiled in parallel, bind
 * groups are made once. A command whose bindings pass the device's limit runs on slices of them.
 *
 * @throws TapeError if a tensor is read before it is written; OutOfMemoryError; GpuError.
 */
export async function compilePlan(
  gpu: Gpu,
  commands: readonly Command[],
  options: PlanOptions,
): Promise<Plan> {
  const owned: GPUBuffer[] = [];
  try {
    const regions = new Map<Tensor, Region>();
    const steps = dispatchesOf(commands, gpu.capabilities, options.keep);
    const arena = await place(gpu, steps, options, 'arena', regions, owned);
    const arenaBuffers = owned.slice();
    const panel = await place(gpu, steps, options, 'panel', regions, owned);
    const dispatches = await bind(gpu, steps, options.label, regions, owned);
    return new Plan(
      gpu,
      dispatches,
      regions,
      new Set(options.keep),
      owned,
      options.poison ? arenaBuffers : [],
      {
        arenaBytes: arena.bytes,
        livenessBytes: arena.lowerBound,
        panelBytes: panel.bytes,
        dispatches: dispatches.length,
        largest: [...regions.keys()].sort((a, b) => byteLength(b) - byteLength(a)).slice(0, LARGEST),
      },
    );
  } catch (error) {
    for (const buffer of owned) gpu.destroyBuffer(buffer);
    throw error;
  }
}

/**
 * The commands that a plan of a recording runs, one per dispatch: what can run together does, and what the device does not
 * bind at once is cut.
 * @throws OutOfMemoryError for a command that cannot be cut.
 */
export function dispatchesOf(
  commands: readonly Command[],
  limits: Limits,
  keep: readonly Tensor[] = [],
): Command[] {
  const together = combineJobs(readParts(commands, limits, keep), limits);
  return together.flatMap((command) => splitCommand(command, limits));
}

async function place(
  gpu: Gpu,
  commands: readonly Command[],
  options: PlanOptions,
  placement: 'arena' | 'panel',
  regions: Map<Tensor, Region>,
  owned: GPUBuffer[],
): Promise<{ bytes: number; lowerBound: number }> {
  const lifetimes = lifetimesOf(commands, placement, options.keep ?? []);
  const tensors = [...lifetimes.keys()];
  const { maxBufferBytes, offsetAlignment } = gpu.capabilities;
  const layout = placeLifetimes([...lifetimes.values()], offsetAlignment, maxBufferBytes);
  const buffers: GPUBuffer[] = [];
  for (const [page, bytes] of layout.pages.entries()) {
    const storage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const usage = placement === 'panel' ? storage | GPUBufferUsage.UNIFORM : storage;
    const buffer = await gpu.createBuffer({ label: `${options.label}/${placement}${page}`, bytes, usage });
    owned.push(buffer);
    buffers.push(buffer);
  }
  tensors.forEach((t, i) => {
    const { page, offset } = layout.places[i]!;
    regions.set(t, { buffer: buffers[page]!, offset });
  });
  return { bytes: layout.pages.reduce((sum, bytes) => sum + bytes, 0), lowerBound: layout.lowerBound };
}

function lifetimesOf(
  commands: readonly Command[],
  placement: 'arena' | 'panel',
  keep: readonly Tensor[],
): Map<Tensor, Lifetime> {
  const lifetimes = new Map<Tensor, Lifetime>();
  commands.forEach((command, time) => {
    for (const { tensor, access } of command.bindings) {
      if (tensor.placement !== placement) continue;
      const known = lifetimes.get(tensor);
      if (!known && access !== 'write')
        throw new TapeError(`${command.label} reads ${describeTensor(tensor)} before anything wrote it`);
      lifetimes.set(tensor, { bytes: byteLength(tensor), first: known?.first ?? time, last: time });
    }
  });
  for (const tensor of keep) {
    const known = lifetimes.get(tensor);
    if (known) lifetimes.set(tensor, { ...known, last: commands.length });
  }
  return lifetimes;
}

async function bind(
  gpu: Gpu,
  commands: readonly Command[],
  label: string,
  regions: ReadonlyMap<Tensor, Region>,
  owned: GPUBuffer[],
): Promise<Dispatch[]> {
  // With the text of all shaders: see KernelCache.
  const { checkParams } = await import('./check-params.ts');
  for (const command of commands) checkParams(command);
  const blocks = commands.map((command) => (command.params ? encodeParams(command.params) : undefined));
  let size = 0;
  const slots = blocks.map((block) => {
    const slot = size;
    size += roundUp(Math.max(16, block?.byteLength ?? 0), gpu.capabilities.offsetAlignment);
    return slot;
  });
  const params = await gpu.createBuffer({
    label: `${label}/params`,
    bytes: Math.max(16, size),
    usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
  });
  owned.push(params);
  const bytes = new Uint8Array(size);
  blocks.forEach((block, i) => {
    if (block) bytes.set(new Uint8Array(block), slots[i]!);
  });
  gpu.device.queue.writeBuffer(params, 0, bytes);
  const pipelines = await Promise.all(commands.map((command) => gpu.kernels.pipeline(command.kernel)));
  gpu.device.pushErrorScope('validation');
  let current = '';
  const dispatches: Dispatch[] = [];
  let thrown: unknown;
  try {
    for (const [i, command] of commands.entries()) {
      current = command.label;
      const entries = command.bindings.map((binding, number) => ({
        binding: number,
        resource: resourceOf(binding, regions, command.label),
      }));
      const block = blocks[i];
      if (block)
        entries.push({
          binding: command.bindings.length,
          resource: { buffer: params, offset: slots[i]!, size: roundUp(block.byteLength, 16) },
        });
      const pipeline = pipelines[i]!;
      const bindGroup = gpu.device.createBindGroup({
        label: command.label,
        layout: pipeline.getBindGroupLayout(0),
        entries,
      });
      const { label, workgroups, bindings } = command;
      dispatches.push({ label, pipeline, bindGroup, workgroups, bindings });
    }
  } catch (error) {
    thrown = error;
  }
  const invalid = await gpu.device.popErrorScope();
  if (invalid)
    throw new GpuError(
      `${label}: binding a kernel failed: ${invalid.message.split('\n').slice(0, 8).join('\n')}`,
    );
  if (thrown) throw new GpuError(`${label}: binding ${current} failed: ${String(thrown)}`, { cause: thrown });
  return dispatches;
}

function resourceOf(binding: Binding, regions: ReadonlyMap<Tensor, Region>, label: string): GPUBufferBinding {
  const { tensor, first = 0 } = binding;
  const region = regionOf(tensor) ?? regions.get(tensor);
  if (!region) throw new TapeError(`${label}: ${describeTensor(tensor)} was never placed`);
  return {
    buffer: region.buffer,
    offset: region.offset + first * elementBytes(tensor),
    size: bindingBytes(binding),
  };
}
