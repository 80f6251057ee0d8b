import { Random } from '../../core/random.ts';
import { Resources } from '../../core/resources.ts';
import { sizeOf } from '../../core/shape.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { alone, type Command } from '../tape/command.ts';
import { compilePlan, type Plan } from '../tape/plan.ts';
import { TensorStore } from '../tape/store.ts';
import { type Tensor, tensor, viewOf } from '../tape/tensor.ts';

/** Commands cut out of a recording, and the tensors through which they deal with the rest of it. */
export interface Section {
  readonly commands: readonly Command[];
  /** Tensors that these commands share with others; all others that they bind are scratch. */
  readonly outside: readonly Tensor[];
}

/** Random numbers that longer tensors repeat: drawing each of millions would take longer than the kernels. */
const NOISE = 1 << 16;

/** The tensor that holds a tensor's elements. */
function baseOf(t: Tensor): Tensor {
  return viewOf(t)?.of ?? t;
}

/**
 * The commands from `first` up to `end` of a recording as a section.
 * @param shared tensors that count as shared though no other command binds them, such as the results of the whole
 */
export function cutSection(
  commands: readonly Command[],
  first: number,
  end: number,
  shared: readonly Tensor[] = [],
): Section {
  const elsewhere = new Set<Tensor>(shared);
  commands.forEach((command, i) => {
    if (i < first || i >= end) for (const { tensor: t } of command.bindings) elsewhere.add(baseOf(t));
  });
  const outside = new Set<Tensor>();
  for (const { bindings } of commands.slice(first, end))
    for (const binding of bindings) {
      const t = baseOf(binding.tensor);
      if (typeof t.placement === 'object' || elsewhere.has(t)) outside.add(t);
    }
  return { commands: commands.slice(first, end), outside: [...outside] };
}

/**
 * A section compiled by itself: the tensors that it shares with the rest lie in buffers of their own, which hold noise
 * to begin with. The section may come from a recording on a device that only counts.
 */
export class Isolated {
  readonly plan: Plan;
  readonly #stores: ReadonlyMap<Tensor, TensorStore>;
  readonly #owned: Resources;
  readonly #written: ReadonlySet<Tensor>;

  private constructor(
    plan: Plan,
    stores: ReadonlyMap<Tensor, TensorStore>,
    written: ReadonlySet<Tensor>,
    owned: Resources,
  ) {
    this.plan = plan;
    this.#stores = stores;
    this.#written = written;
    this.#owned = owned;
  }

  /** @throws OutOfMemoryError, GpuError. */
  static async create(gpu: Gpu, { commands, outside }: Section): Promise<Isolated> {
    return await Resources.build(async (owned) => {
      const stores = new Map<Tensor, TensorStore>();
      const inPlace = new Map<Tensor, Tensor>();
      for (const t of outside) {
        const store = owned.add(await TensorStore.create(gpu, t.label, [{ name: 'data', shape: t.shape }]));
        stores.set(t, store);
        inPlace.set(t, store.get('data'));
      }
      const replace = (t: Tensor): Tensor => {
        const known = inPlace.get(t);
        if (known) return known;
        const view = viewOf(t);
        const own = view ? tensor(t.label, t.shape, { ...view, of: replace(view.of) }) : t;
        inPlace.set(t, own);
        return own;
      };
      const written = new Set<Tensor>();
      const moved = commands.map((command) => ({
        ...alone(command),
        bindings: command.bindings.map((binding) => {
          const base = baseOf(binding.tensor);
          if (stores.has(base) && /write/.test(binding.access)) written.add(base);
          return { ...binding, tensor: replace(binding.tensor) };
        }),
      }));
      const plan = owned.add(await compilePlan(gpu, moved, { label: 'isolated' }));
      const isolated = new Isolated(plan, stores, written, owned);
      isolated.reset();
      return isolated;
    });
  }

  /** The shared tensors that the section writes. */
  get written(): Tensor[] {
    return [...this.#written];
  }

  /** Fills every shared tensor with noise: the same for tensors of the same label and shape. */
  reset(): void {
    for (const [t, store] of this.#stores) store.write('data', noiseOf(t));
  }

  /** Overwrites a shared tensor. */
  write(t: Tensor, data: Float32Array): void {
    this.#stores.get(t)!.write('data', data);
  }

  /** Elements of a shared tensor. @throws GpuError, DeviceLostError. */
  async read(t: Tensor): Promise<Float32Array> {
    return await this.#stores.get(t)!.read('data');
  }

  destroy(): void {
    this.#owned.destroy();
  }
}

/** Numbers in [-1/2, 1/2) that depend on the tensor's label and shape alone. */
export function noiseOf({ label, shape }: Tensor): Float32Array {
  const random = new Random(1).fork(`${label} ${shape.join('x')}`);
  const size = sizeOf(shape);
  const data = new Float32Array(size);
  const period = Math.min(size, NOISE);
  for (let i = 0; i < period; i++) data[i] = random.uniform(-0.5, 0.5);
  // Odd shifts, so that channels of a power of two of voxels differ.
  for (let at = period, turn = 1; at < size; at += period, turn++) {
    const shift = (turn * 7919) % period;
    const part = Math.min(period, size - at);
    const straight = Math.min(part, period - shift);
    data.copyWithin(at, shift, shift + straight);
    data.copyWithin(at + straight, 0, part - straight);
  }
  return data;
}
