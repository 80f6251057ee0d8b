import { OutOfMemoryError } from '../../core/errors.ts';
import { ceilDiv, formatShape, sizeOf } from '../../core/shape.ts';
import { formatBytes, type Gpu } from '../../engine/gpu/gpu.ts';
import type { Dispatch } from '../../engine/tape/plan.ts';
import type { TensorStore } from '../../engine/tape/store.ts';
import { byteLength, type Region, type Tensor } from '../../engine/tape/tensor.ts';
import { bindKernel, sliceOf, UniformSlots } from './uniform-slots.ts';

/** [depth, height, width]: extents, or a position, in voxels. */
export type Extent3 = readonly [number, number, number];

/** Workgroups that walk a patch: 16 rows of a plane each (sample-patch.wgsl). */
export function patchGroups([depth, height]: Extent3): [number, number, number] {
  return [ceilDiv(height, 16), depth, 1];
}

/** Which patch, and what is done to it. */
export interface Cut {
  /** First voxel; may be negative, or reach beyond the volume: 0 is put there. */
  readonly corner: Extent3;
  readonly mirror?: readonly [boolean, boolean, boolean];
  /** value · scale + shift, where the voxel is not exactly 0. */
  readonly scale?: number;
  readonly shift?: number;
}

const FIELDS = 15;

/**
 * Cuts patches out of volumes on the GPU into a batch tensor [N, C, depth, height, width] of fixed place. Every
 * (item, channel) is a target with its own cut; the volume it comes from is chosen when encoding, among those bound.
 */
export class PatchCutter {
  readonly #gpu: Gpu;
  readonly #slots: UniformSlots;
  readonly #target: Tensor;
  readonly #firsts: readonly number[];

  private constructor(gpu: Gpu, slots: UniformSlots, target: Tensor, firsts: readonly number[]) {
    this.#gpu = gpu;
    this.#slots = slots;
    this.#target = target;
    this.#firsts = firsts;
  }

  /** @param target batch tensor [N, C, depth, height, width] with a region. @throws OutOfMemoryError. */
  static async create(gpu: Gpu, target: Tensor): Promise<PatchCutter> {
    const [items, channels] = target.shape as [number, number];
    const patch = sizeOf(target.shape.slice(2));
    const slots = await UniformSlots.create(gpu, `cuts of ${target.label}`, items * channels);
    const firsts = Array.from(
      { length: items * channels },
      (_, i) => sliceOf(target.placement as Region, i * patch, patch).first,
    );
    return new PatchCutter(gpu, slots, target, firsts);
  }

  /**
   * Dispatches that fill one item from a volume's channels, one a channel of the target.
   * @param volume one tensor [depth, height, width] a channel
   * @throws OutOfMemoryError for a channel that the device cannot bind whole; GpuError.
   */
  async bind(item: number, volume: readonly Tensor[]): Promise<Dispatch[]> {
    const [, channels, ...patch] = this.#target.shape as [number, number, number, number, number];
    const size = sizeOf(patch);
    return await bindKernel(
      this.#gpu,
      { file: 'sample-patch.wgsl', entry: 'cut_patch' },
      volume.map((channel, c) => {
        const slot = item * channels + c;
        const bytes = byteLength(channel);
        const most = this.#gpu.capabilities.maxBindingBytes;
        if (bytes > most)
          throw new OutOfMemoryError(
            `${channel.label} ${formatShape(channel.shape)} is ${formatBytes(bytes)}; this adapter binds at most ${formatBytes(most)}`,
            { hint: 'Cut the volume to the brain, or resample it to larger voxels.' },
          );
        const { buffer, offset } = channel.placement as Region;
        return {
          label: `sample-patch/${this.#target.label}`,
          resources: [
            { buffer, offset, size: bytes },
            sliceOf(this.#target.placement as Region, slot * size, size).resource,
            this.#slots.resource(slot, FIELDS),
          ],
          workgroups: patchGroups(patch),
        };
      }),
    );
  }

  /** Sets the next cut of a target's channel out of a volume of this extent. */
  set(item: number, channel: number, volume: Extent3, { corner, mirror, scale = 1, shift = 0 }: Cut): void {
    const [, channels, ...patch] = this.#target.shape as [number, number, number, number, number];
    const slot = item * channels + channel;
    const [mirror_z, mirror_y, mirror_x] = (mirror ?? [false, false, false]).map(Number) as [
      number,
      number,
      number,
    ];
    this.#slots.set(slot, {
      ...{ depth: volume[0], height: volume[1], width: volume[2] },
      ...{ patch_depth: patch[0], patch_height: patch[1], patch_width: patch[2] },
      ...{ corner_z: corner[0], corner_y: corner[1], corner_x: corner[2] },
      ...{ mirror_z, mirror_y, mirror_x },
      first: this.#firsts[slot]!,
      scale: { f32: scale },
      shift: { f32: shift },
    });
  }

  /** Sends the cuts; to be called once they are set, before the dispatches are submitted. */
  upload(): void {
    this.#slots.upload();
  }

  destroy(): void {
    this.#slots.destroy();
  }
}

/** The channels of a store that were written as `name.0`, `name.1`, … */
export function channelsOf(store: TensorStore, name: string, count: number): Tensor[] {
  return Array.from({ length: count }, (_, c) => store.get(`${name}.${c}`));
}
