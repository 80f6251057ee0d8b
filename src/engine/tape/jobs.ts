import { ceilDiv, roundUp, sizeOf } from '../../core/shape.ts';
import type { Kernel } from '../gpu/kernel.ts';
import { type Command, read, readWrite, write } from './command.ts';
import { bindingBytes, type Limits } from './split.ts';
import { byteLength, type Region, regionOf, type Tensor, tensor, viewOf } from './tensor.ts';

/**
 * A small piece of work that may share a dispatch with others of its kernel (shaders/common/jobs.wgsl): it reads `from`
 * and writes `to`, which nothing else of the recording writes.
 * - `early`: `from` is fixed, such as a weight, and stays as it is until later. It may run sooner than recorded.
 * - `late`: `to` is fixed, such as a parameter's gradient. It may run later, before the next command that touches `to`.
 */
export interface Job {
  readonly when: 'early' | 'late';
  readonly from: Tensor;
  readonly to: Tensor;
  /** First elements of `from` and `to`. */
  readonly first: readonly [number, number];
  /** Whether it adds to what `to` holds. */
  readonly accumulate: boolean;
  readonly workgroups: number;
  /** What its kernel reads besides, at most 13 numbers. */
  readonly words: readonly number[];
}

const ROW = 16;
/** Rows that the shader declares. */
const MOST_JOBS = 32;
/** Bindings start at multiples of 256 bytes. */
const ALIGNMENT = 64;
/** Bytes of partial results that wait for a shared dispatch at most: what they add to the arena. */
const MOST_WAITING = 44 * 2 ** 20;

interface Placed {
  readonly job: Job;
  readonly first: readonly [number, number];
}

/** A job as a dispatch of its own. */
export function jobCommand(label: string, kernel: Kernel, job: Job, limits: Limits): Command {
  return { ...jobsCommand(label, kernel, [{ job, first: job.first }], job.from, job.to, limits), job };
}

function jobsCommand(
  label: string,
  kernel: Kernel,
  placed: readonly Placed[],
  from: Tensor,
  to: Tensor,
  limits: Limits,
): Command {
  let total = 0;
  const rows = placed.flatMap(({ job, first }) => {
    const row = [total, ...first, ...job.words];
    total += job.workgroups;
    return [...row, ...new Array<number>(ROW - row.length).fill(0)];
  });
  const y = ceilDiv(total, limits.maxWorkgroups);
  const x = ceilDiv(total, y);
  // Elements between the targets of several jobs keep what they hold.
  const whole = placed.length === 1 && !placed[0]!.job.accumulate;
  return {
    label,
    kernel,
    bindings: [read(from), whole || to.placement === 'arena' ? write(to) : readWrite(to)],
    params: {
      head: [placed.length, x, 0, 0],
      rows: [...rows, ...new Array<number>(MOST_JOBS * ROW - rows.length).fill(0)],
    },
    workgroups: [x, y, 1],
  };
}

type JobCommand = Command & { readonly job: Job };

/** Jobs that run together. */
class Group {
  readonly command: Command;
  readonly when: Job['when'];
  readonly jobs: Job[] = [];
  /** Bytes of the fixed buffer from the first tensor to the end of the last. */
  #low: number = Number.POSITIVE_INFINITY;
  #high = 0;
  #elements = 0;
  readonly #labels: Set<string> = new Set();

  constructor(command: Command) {
    this.command = command;
    this.when = command.job!.when;
  }

  static fixedOf(job: Job): Region | undefined {
    return regionOf(job.when === 'early' ? job.from : job.to);
  }

  get buffer(): Region['buffer'] {
    return Group.fixedOf(this.jobs[0]!)!.buffer;
  }

  /** Takes a job if everything can still be bound together. */
  take({ label, job }: JobCommand, { maxBindingBytes }: Limits): boolean {
    const { buffer, offset } = Group.fixedOf(job)!;
    const [fixed, placed] = job.when === 'early' ? [job.from, job.to] : [job.to, job.from];
    const low = Math.min(this.#low, offset);
    const high = Math.max(this.#high, offset + byteLength(fixed));
    const elements = roundUp(this.#elements, ALIGNMENT) + sizeOf(placed.shape);
    const most = job.when === 'early' ? maxBindingBytes : Math.min(maxBindingBytes, MOST_WAITING);
    if (this.jobs.length > 0) {
      if (this.jobs.length === MOST_JOBS || buffer !== this.buffer) return false;
      if (high - low > maxBindingBytes || 4 * elements > most) return false;
    }
    this.#low = low;
    this.#high = high;
    this.#elements = elements;
    this.jobs.push(job);
    this.#labels.add(label);
    return true;
  }

  /** Whether a command touches what the jobs' fixed tensors hold. */
  meets(command: Command, access: RegExp): boolean {
    return command.bindings.some((binding) => {
      const region = regionOf(binding.tensor);
      if (!region || region.buffer !== this.buffer || !access.test(binding.access)) return false;
      const start = region.offset + 4 * (binding.first ?? 0);
      const end = start + bindingBytes(binding);
      return this.jobs.some((job) => {
        const { offset } = Group.fixedOf(job)!;
        const size = byteLength(job.when === 'early' ? job.from : job.to);
        return start < offset + size && offset < end;
      });
    });
  }

  /** The dispatch of all jobs; notes where in one tensor each tensor of the arena now lies. */
  finish(moved: Map<Tensor, { readonly tensor: Tensor; readonly first: number }>, limits: Limits): Command {
    const { label, kernel } = this.command;
    if (this.jobs.length === 1) return this.command;
    const early = this.when === 'early';
    const fixed = tensor(`${label} jobs`, [(this.#high - this.#low) / 4], {
      buffer: this.buffer,
      offset: this.#low,
    });
    const pool = tensor(`${label} of ${this.jobs.length}`, [this.#elements], 'arena');
    let first = 0;
    const placed = this.jobs.map((job): Placed => {
      const own = early ? job.to : job.from;
      first = roundUp(first, ALIGNMENT);
      moved.set(own, { tensor: pool, first });
      const before = (Group.fixedOf(job)!.offset - this.#low) / 4;
      const [from, to] = job.first;
      const row = early ? ([before + from, first + to] as const) : ([first + from, before + to] as const);
      first += sizeOf(own.shape);
      return { job, first: row };
    });
    const [from, to] = early ? [fixed, pool] : [pool, fixed];
    // Jobs of several ops have the name of what they do.
    const name = this.#labels.size === 1 ? label : kernel.entry;
    return jobsCommand(name, kernel, placed, from, to, limits);
  }
}

/**
 * The same computation with jobs of one kernel in one dispatch: early ones where the first of them stood, late ones
 * before the first command that needs one of them, or when enough wait.
 */
export function combineJobs(commands: readonly Command[], limits: Limits): Command[] {
  if (!commands.some(({ job }) => job)) return [...commands];
  // What a command that is cut touches stays in tensors of its own.
  const cut = new Set<Tensor>();
  for (const { bindings } of commands)
    if (bindings.some((binding) => viewOf(binding.tensor) || bindingBytes(binding) > limits.maxBindingBytes))
      for (const { tensor: t } of bindings) cut.add(viewOf(t)?.of ?? t);
  const movable = (job: Job): boolean => {
    const own = job.when === 'early' ? job.to : job.from;
    return Group.fixedOf(job) !== undefined && own.placement === 'arena' && !cut.has(own);
  };
  const open = new Map<string, Group>();
  const steps: (Command | Group)[] = [];
  const close = (key: string, group: Group): void => {
    open.delete(key);
    if (group.when === 'late') steps.push(group);
  };
  for (const command of commands) {
    for (const [key, group] of open)
      if (group.meets(command, group.when === 'early' ? /write/ : /./)) close(key, group);
    const { job, kernel } = command;
    if (!job || !movable(job)) {
      steps.push(command);
      continue;
    }
    const key = `${job.when} ${JSON.stringify(kernel)}`;
    const known = open.get(key);
    if (known?.take({ ...command, job }, limits)) continue;
    if (known) close(key, known);
    const group = new Group(command);
    group.take({ ...command, job }, limits);
    open.set(key, group);
    if (job.when === 'early') steps.push(group);
  }
  for (const [key, group] of open) close(key, group);
  const moved = new Map<Tensor, { readonly tensor: Tensor; readonly first: number }>();
  const finished = steps.map((step) => (step instanceof Group ? step.finish(moved, limits) : step));
  return finished.map((command) => ({
    ...command,
    bindings: command.bindings.map((binding) => {
      const place = moved.get(binding.tensor);
      if (!place) return binding;
      const { first = 0, count = sizeOf(binding.tensor.shape) - first } = binding;
      return { tensor: place.tensor, access: binding.access, first: place.first + first, count };
    }),
  }));
}
