import { OutOfMemoryError } from '../../core/errors.ts';
import { ceilDiv, formatShape, sizeOf } from '../../core/shape.ts';
import { formatBytes, type Gpu } from '../../engine/gpu/gpu.ts';
import type { Dispatch } from '../../engine/tape/plan.ts';
import type { TensorStore } from '../../engine/tape/store.ts';
import { byteLength, type Region, type Tensor } from '../../engine/tape/tensor.ts';
import { betweenVoxels, IDENTITY, mirroring, type SpatialTransform } from '../augment/transform.ts';
import { type BufferRange, bindKernel, sliceOf, UniformSlots } from './uniform-slots.ts';

/** [depth, height, width]: extents, or a position, in voxels. */
export type Extent3 = readonly [number, number, number];

/** Workgroups that walk a patch: 16 rows of a plane each (sample-patch.wgsl). */
export function patchGroups([depth, height]: Extent3): [number, number, number] {
  return [ceilDiv(height, 16), depth, 1];
}

/** How values between voxels are made. A channel that is `linear-inside` stays 0 where it is exactly 0. */
export type Interpolation = 'nearest' | 'linear' | 'linear-inside';

const INTERPOLATIONS: readonly Interpolation[] = ['nearest', 'linear', 'linear-inside'];

/** Which patch, and where its voxels are read from. */
export interface Cut {
  /** First voxel; may be negative, or reach beyond the volume: 0 is put there. */
  readonly corner: Extent3;
  /** About the centre of the patch (default: nothing). */
  readonly transform?: SpatialTransform;
  /** Used where the transform does more than to mirror axes (default `linear`). */
  readonly interpolation?: Interpolation;
}

/** A volume that patches are cut from. */
export interface CutVolume {
  /** [depth, height, width]. */
  readonly shape: Extent3;
  /** Voxel size in mm, [z, y, x] (default: equal along all axes). */
  readonly spacing?: Extent3 | undefined;
}

/** Dispatches that fill one item from one volume. */
export interface BoundCuts {
  /** Copy voxels: for transforms that only mirror axes. */
  readonly copy: readonly Dispatch[];
  /** Interpolate: for the others. */
  readonly resample: readonly Dispatch[];
}

const FIELDS = 24;

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
   * Dispatches that fill one item from a volume's channels, one per channel of the target.
   * @param volume one tensor [depth, height, width] per channel
   * @param shifts where the item's displacements lie; left out: voxels are never interpolated
   * @throws OutOfMemoryError for a channel that the device cannot bind whole; GpuError.
   */
  async bind(item: number, volume: readonly Tensor[], shifts?: BufferRange): Promise<BoundCuts> {
    const [, channels, ...patch] = this.#target.shape as [number, number, number, number, number];
    const size = sizeOf(patch);
    const bind = (entry: string, more: readonly BufferRange[]): Promise<Dispatch[]> =>
      bindKernel(
        this.#gpu,
        { file: 'sample-patch.wgsl', entry },
        volume.map((channel, c) => {
          const slot = item * channels + c;
          return {
            label: `sample-patch/${this.#target.label}`,
            resources: [
              wholeOf(this.#gpu, channel),
              sliceOf(this.#target.placement as Region, slot * size, size).resource,
              ...more,
              this.#slots.resource(slot, FIELDS),
            ],
            workgroups: patchGroups(patch),
          };
        }),
      );
    const copy = await bind('cut_patch', []);
    return { copy, resample: shifts ? await bind('resample_patch', [shifts]) : [] };
  }

  /** Sets the next cut of a target's channel out of a volume. @returns which of the bound dispatches make it */
  set(
    item: number,
    channel: number,
    { shape, spacing = [1, 1, 1] }: CutVolume,
    { corner, transform = { matrix: IDENTITY }, interpolation = 'linear' }: Cut,
  ): keyof BoundCuts {
    const [, channels, ...patch] = this.#target.shape as [number, number, number, number, number];
    const slot = item * channels + channel;
    const mirrored = mirroring(transform);
    const [mirror_z, mirror_y, mirror_x] = (mirrored ?? [false, false, false]).map(Number) as [
      number,
      number,
      number,
    ];
    const rows = betweenVoxels(transform.matrix, spacing).map((value) => ({ f32: value }));
    const [zz, zy, zx, yz, yy, yx, xz, xy, xx] = rows as [F, F, F, F, F, F, F, F, F];
    this.#slots.set(slot, {
      ...{ depth: shape[0], height: shape[1], width: shape[2] },
      ...{ patch_depth: patch[0], patch_height: patch[1], patch_width: patch[2] },
      ...{ corner_z: corner[0], corner_y: corner[1], corner_x: corner[2] },
      ...{ mirror_z, mirror_y, mirror_x },
      first: this.#firsts[slot]!,
      interpolation: INTERPOLATIONS.indexOf(interpolation),
      points: transform.shifts?.points ?? 0,
      ...{ zz, zy, zx, yz, yy, yx, xz, xy, xx },
    });
    return mirrored ? 'copy' : 'resample';
  }

  /** Sends the cuts; to be called once they are set, before the dispatches are submitted. */
  upload(): void {
    this.#slots.upload();
  }

  destroy(): void {
    this.#slots.destroy();
  }
}

interface F {
  readonly f32: number;
}

/** @throws OutOfMemoryError for a volume that the device cannot bind whole. */
function wholeOf({ capabilities }: Gpu, channel: Tensor): BufferRange {
  const bytes = byteLength(channel);
  const most = capabilities.maxBindingBytes;
  if (bytes > most)
    throw new OutOfMemoryError(
      `${channel.label} ${formatShape(channel.shape)} is ${formatBytes(bytes)}; this adapter binds at most ${formatBytes(most)}`,
      { hint: 'Cut the volume to the brain, or resample it to larger voxels.' },
    );
  const { buffer, offset } = channel.placement as Region;
  return { buffer, offset, size: bytes };
}

/** The channels of a store that were written as `name.0`, `name.1`, … */
export function channelsOf(store: TensorStore, name: string, count: number): Tensor[] {
  return Array.from({ length: count }, (_, c) => store.get(`${name}.${c}`));
}
