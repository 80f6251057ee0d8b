import { UsageError } from '../../core/errors.ts';
import type { GPUBuffer } from '../../core/globals.ts';
import { Resources } from '../../core/resources.ts';
import { ceilDiv, roundUp, sizeOf, type Triple } from '../../core/shape.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import type { Dispatch } from '../../engine/tape/plan.ts';
import type { Region, Tensor } from '../../engine/tape/tensor.ts';
import type { BoundAugmentation, BoundIntensity, PassInput } from '../augment/augmentation.ts';
import { type BufferRange, bindKernel, sliceOf, UniformSlots } from './uniform-slots.ts';

/** Floats of the scratch buffer beyond two channels. */
const EXTRA = 16;
/** Fields of a params block, those of the patch included. */
const FIELDS = 64;
/** Voxels that a workgroup takes (common/patch-walk.wgsl). */
const PATCH_VOXELS = 1024;

/** One kernel for one channel of one item. */
interface Slot {
  readonly index: number;
  readonly dispatch: Dispatch;
  /** First byte of its table, and the floats that it holds. */
  readonly table: { readonly offset: number; readonly floats: number } | undefined;
  /** Elements between the binding's start and the channel's. */
  readonly first: number;
}

/** Runs the kernels of augmentations that change intensities on the images of a batch. */
export class Augmenter {
  readonly #gpu: Gpu;
  readonly #patch: Triple;
  readonly #params: UniformSlots;
  readonly #tables: GPUBuffer | undefined;
  /** By augmentation, item, channel, kernel. */
  readonly #slots: ReadonlyMap<string, readonly (readonly (readonly Slot[])[])[]>;
  readonly #owned: Resources;

  private constructor(
    gpu: Gpu,
    patch: Triple,
    params: UniformSlots,
    tables: GPUBuffer | undefined,
    slots: ReadonlyMap<string, readonly (readonly (readonly Slot[])[])[]>,
    owned: Resources,
  ) {
    this.#gpu = gpu;
    this.#patch = patch;
    this.#params = params;
    this.#tables = tables;
    this.#slots = slots;
    this.#owned = owned;
  }

  /**
   * Compiles the kernels and binds each to each image of each item.
   * @param input batch tensor [N, C, depth, height, width] with a region
   * @param images leading channels that are changed
   * @throws OutOfMemoryError; GpuError for a kernel that does not compile or binds other things than it says.
   */
  static async create(
    gpu: Gpu,
    input: Tensor,
    images: number,
    augmentations: readonly BoundAugmentation[],
  ): Promise<Augmenter> {
    return await Resources.build((owned) => Augmenter.#build(gpu, input, images, augmentations, owned));
  }

  static async #build(
    gpu: Gpu,
    input: Tensor,
    images: number,
    augmentations: readonly BoundAugmentation[],
    owned: Resources,
  ): Promise<Augmenter> {
    const [items, channels, ...extents] = input.shape as [number, number, number, number, number];
    const patch: Triple = extents;
    const voxels = sizeOf(patch);
    const own = augmentations.filter((each): each is BoundIntensity => each.kind === 'intensity');
    const kernels = own.flatMap((each) => each.kernels);
    const targets = items * images;
    const params = owned.add(await UniformSlots.create(gpu, 'augmentations', kernels.length * targets));
    const keep = (buffer: GPUBuffer): GPUBuffer => {
      owned.add({ destroy: () => gpu.destroyBuffer(buffer) });
      return buffer;
    };
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    const storage = async (label: string, bytes: number): Promise<GPUBuffer> =>
      keep(await gpu.createBuffer({ label, bytes: Math.max(16, bytes), usage }));
    const needsScratch = kernels.some(({ bindings }) => bindings.includes('scratch'));
    const scratchBytes = 4 * (2 * voxels + EXTRA);
    const scratch = needsScratch ? await storage('augmentation scratch', scratchBytes) : undefined;
    const floatsOf = kernels.map((each) => each.tableFloats?.(patch) ?? 0);
    const tableBytes = floatsOf.reduce((sum, floats) => sum + targets * roundUp(floats * 4, 256), 0);
    const tables = tableBytes > 0 ? await storage('augmentation tables', tableBytes) : undefined;
    const slots = new Map<string, Slot[][][]>();
    let [index, offset, at] = [0, 0, 0];
    for (const augmentation of own) {
      const byItem = Array.from({ length: items }, () => Array.from({ length: images }, (): Slot[] => []));
      for (const { kernel, bindings, workgroups } of augmentation.kernels) {
        const floats = floatsOf[at++]!;
        const made = byItem.flatMap((list, item) =>
          list.map((target, channel) => {
            const region = input.placement as Region;
            const { resource, first } = sliceOf(region, (item * channels + channel) * voxels, voxels);
            const table = floats > 0 ? { offset, floats } : undefined;
            offset += roundUp(floats * 4, 256);
            const named: Readonly<Record<string, BufferRange | undefined>> = {
              values: resource,
              scratch: scratch && { buffer: scratch, offset: 0, size: scratchBytes },
              table: table && tables && { buffer: tables, offset: table.offset, size: floats * 4 },
            };
            const slot = { index: index++, table, first };
            const resources = [...bindings.map((name) => named[name]!), params.resource(slot.index, FIELDS)];
            return { target, slot, resources };
          }),
        );
        const groups = workgroups?.(patch) ?? [ceilDiv(voxels, PATCH_VOXELS), 1, 1];
        const label = `augment/${augmentation.name}`;
        const bound = await bindKernel(
          gpu,
          kernel,
          made.map(({ resources }) => ({ label, resources, workgroups: groups })),
        );
        made.forEach(({ target, slot }, i) => {
          target.push({ ...slot, dispatch: bound[i]! });
        });
      }
      slots.set(augmentation.name, byItem);
    }
    return new Augmenter(gpu, patch, params, tables, slots, owned);
  }

  /**
   * Sets what becomes of an item's images, and sends tables.
   * @param changes by augmentation, for each image what each kernel is given, or undefined
   * @returns what is to be dispatched, in order
   * @throws UsageError for parameters or a table larger than was declared.
   */
  set(
    item: number,
    changes: ReadonlyMap<string, readonly (readonly PassInput[] | undefined)[]>,
  ): readonly Dispatch[] {
    const [depth, height, width] = this.#patch;
    const dispatches: Dispatch[] = [];
    for (const [name, channels] of changes)
      channels.forEach((passes, channel) => {
        passes?.forEach((pass, k) => {
          const slot = this.#slots.get(name)![item]![channel]![k]!;
          const params = { depth, height, width, first: slot.first, ...pass.params };
          if (Object.values(params).flat().length > FIELDS)
            throw new UsageError(`augmentation ${name}: a kernel takes at most ${FIELDS - 4} parameters`, {
              hint: 'Give it the others as a table.',
            });
          this.#params.set(slot.index, params);
          if (pass.table) this.#sendTable(name, slot, pass.table);
          dispatches.push(slot.dispatch);
        });
      });
    return dispatches;
  }

  #sendTable(name: string, { table }: Slot, values: Float32Array): void {
    if (!table || !this.#tables || values.length > table.floats)
      throw new UsageError(
        `augmentation ${name}: a table of ${values.length} floats, where ${table?.floats ?? 0} were declared`,
        { hint: 'Declare the most that it takes: tableFloats.' },
      );
    this.#gpu.device.queue.writeBuffer(this.#tables, table.offset, values as Float32Array<ArrayBuffer>);
  }

  /** Sends the parameters; to be called once they are set, before the dispatches are submitted. */
  upload(): void {
    this.#params.upload();
  }

  destroy(): void {
    this.#owned.destroy();
  }
}
