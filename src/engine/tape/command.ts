import { sizeOf } from '../../core/shape.ts';
import type { Kernel } from '../gpu/kernel.ts';
import type { Job } from './jobs.ts';
import type { PartsReader, PartsSum } from './parts.ts';
import type { Tensor } from './tensor.ts';

/**
 * How a kernel touches a binding. All arena tensors share one buffer, and WebGPU forbids read-only and writable
 * views of one buffer in one dispatch, so shaders declare every activation, gradient and scratch tensor
 * `var<storage, read_write>`, even where they only read it. Parameters live in a buffer of their own and are
 * declared `read` by all but the optimizer. `uniform` binds a panel as `var<uniform>`.
 */
export type Access = 'read' | 'write' | 'read-write' | 'uniform';

/** One storage or uniform binding of a dispatch; its place in the list is its `@binding` number. */
export interface Binding {
  readonly tensor: Tensor;
  readonly access: Access;
  /** First element of the bound range (default 0) and number of elements (default: to the end). */
  readonly first?: number;
  readonly count?: number;
  /**
   * The tensor's elements fall into equal parts, one per sample in order, and the kernel reaches that of sample
   * `workgroup_id.z` alone. If a binding is larger than the device allows, the plan runs the command on slices.
   */
  readonly perSample?: boolean;
}

/** A value of the params block: an unsigned or negative integer, or `{ f32 }`. */
export type Param = number | { readonly f32: number };

/**
 * The params block: the fields of the shader's struct by name, in its order; a list is a vector. The order is what the
 * kernel sees, so a test compares names, offsets and types with the WGSL.
 */
export type Params = Readonly<Record<string, Param | readonly Param[]>>;

/** One dispatch, not yet bound to buffers. */
export interface Command {
  /** `conv3d/forward`: in errors, the profiler and the benches. */
  readonly label: string;
  readonly kernel: Kernel;
  readonly bindings: readonly Binding[];
  /** Bound as `var<uniform>` after the last binding. */
  readonly params?: Params;
  readonly workgroups: readonly [number, number, number];
  /**
   * Set where `workgroups[2]` counts samples (times `zPerSample`) and every binding flagged `perSample` may be sliced.
   */
  readonly samples?: number;
  /**
   * Set where `workgroups[1]` counts channels too, and each sample's part of the bindings flagged `perSample` falls
   * into equal parts, one per channel: then a sample that is larger than the device binds runs in groups of channels.
   */
  readonly channels?: ChannelAxis;
  /** Set if the command may share a dispatch with others of its kernel. */
  readonly job?: Job;
  /** Set if the command only adds up parts of a tensor, which the next reader may do instead. */
  readonly sum?: PartsSum;
  /** Set if the command can add up the parts of a tensor that it reads. */
  readonly parts?: PartsReader;
}

/** The command by itself, with nothing that lets a plan put it together with others. */
export function alone({ job: _job, sum: _sum, parts: _parts, ...command }: Command): Command {
  return command;
}

/** Channels that a command walks along `workgroup_id.y`. */
export interface ChannelAxis {
  readonly count: number;
  /** Field of `params` with the channel that y = 0 stands for, 0 when recorded; absent if no kernel asks for it. */
  readonly firstParam?: string;
}

/** Binding that is only read. */
export function read(tensor: Tensor, perSample = false): Binding {
  return { tensor, access: 'read', perSample };
}

/** Binding that is overwritten where the kernel's output lies; nothing of the old content counts. */
export function write(tensor: Tensor, perSample = false): Binding {
  return { tensor, access: 'write', perSample };
}

/** Binding that is read and written: in-place or accumulating. */
export function readWrite(tensor: Tensor, perSample = false): Binding {
  return { tensor, access: 'read-write', perSample };
}

/** Elements [first, first + count) of a binding's tensor; `first` is a multiple of 64, so that any device may bind it. */
export function slice(binding: Binding, first: number, count: number): Binding {
  return { ...binding, first, count };
}

/** A panel (or a slice of one) that the kernel reads as a uniform block. */
export function uniform(tensor: Tensor, first = 0, count: number = sizeOf(tensor.shape) - first): Binding {
  return { tensor, access: 'uniform', first, count };
}

/** The params block as bytes: 4 per value, in the order of the fields. */
export function encodeParams(params: Params): ArrayBuffer {
  const values = Object.values(params).flat();
  const view = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((param, i) => {
    if (typeof param === 'object') view.setFloat32(i * 4, param.f32, true);
    else if (param < 0) view.setInt32(i * 4, param, true);
    else view.setUint32(i * 4, param, true);
  });
  return view.buffer;
}
