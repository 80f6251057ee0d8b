import { DatasetError, ShapeError, UsageError } from '../../core/errors.ts';
import type { GPUComputePassEncoder } from '../../core/globals.ts';
import { Random } from '../../core/random.ts';
import { Resources } from '../../core/resources.ts';
import { formatShape, type Shape, sizeOf } from '../../core/shape.ts';
import { setting, worded } from '../../core/wording.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import { type Dispatch, encodeDispatches } from '../../engine/tape/plan.ts';
import { TensorStore } from '../../engine/tape/store.ts';
import { Augmenter } from './augmenter.ts';
import { type DrawScan, drawPatch, type PatchDraw, type SamplerSettings } from './draw-patch.ts';
import { type BoundCuts, channelsOf, type Extent3, type Interpolation, PatchCutter } from './patch-cutter.ts';
import { ShiftTables } from './shift-tables.ts';
import { VoxelSet } from './voxel-set.ts';

/** A scan as the sampler takes it up. */
export interface SamplerScan {
  /** What messages call it. */
  readonly name: string;
  /** [depth, height, width]. */
  readonly shape: Extent3;
  /** Voxel size in mm, [z, y, x], by which patches are turned (default: equal along all axes). */
  readonly spacing?: Extent3 | undefined;
  /** Where patches are centred: not 0 inside the brain. */
  readonly brain: ArrayLike<number>;
  /** A mask, not 0 inside, for each label that patches are centred on (default: none). */
  readonly foreground?: readonly ArrayLike<number>[] | undefined;
  /** Channels by the name of the output tensor they go to, each [depth, height, width]. */
  readonly volumes: Readonly<Record<string, readonly Float32Array[]>>;
  /** Numbers of the whole scan by the name of the output tensor they go to. */
  readonly values?: Readonly<Record<string, number>> | undefined;
}

export interface SamplerOptions extends SamplerSettings {
  /**
   * Tensors that are filled: `input` and targets, [batch, channels, depth, height, width] with one batch and one patch,
   * and targets [batch, 1] that take a scan's number.
   */
  readonly outputs: TensorStore;
  /** Leading channels of `input` that are images and change their intensity; the rest (maps) is only moved. */
  readonly images: number;
  readonly random: Random;
}

interface Output {
  readonly name: string;
  readonly channels: number;
  readonly cutter: PatchCutter;
}

/** What the sampler holds on the GPU. */
interface Parts {
  readonly outputs: readonly Output[];
  /** Each scan's number by the name of the output. */
  readonly values: ReadonlyMap<string, readonly number[]>;
  readonly scans: readonly DrawScan[];
  /** By scan, by item of the batch, by output. */
  readonly cuts: readonly (readonly (readonly BoundCuts[])[])[];
  readonly augmenter: Augmenter;
  /** Displacements of each item, if there are any. */
  readonly shifts: ShiftTables | undefined;
}

/**
 * Draws training patches from scans that are on the GPU: `next` draws a batch on the host (a few numbers), and the
 * function it returns encodes the kernels that cut and change it in the output tensors, in front of a plan:
 * `plan.run(sampler.next())`. The draws depend on `random` alone.
 */
export class PatchSampler {
  readonly #parts: Parts;
  readonly #spacings: readonly (Extent3 | undefined)[];
  readonly #options: SamplerOptions;
  readonly #patch: Extent3;
  readonly #owned: Resources;
  #random: Random;
  #draws: readonly PatchDraw[] = [];

  private constructor(
    options: SamplerOptions,
    patch: Extent3,
    parts: Parts,
    spacings: readonly (Extent3 | undefined)[],
    owned: Resources,
  ) {
    this.#options = options;
    this.#patch = patch;
    this.#parts = parts;
    this.#spacings = spacings;
    this.#owned = owned;
    this.#random = options.random;
  }

  /**
   * Uploads the scans and binds every scan to every place in the batch.
   * @throws UsageError for settings out of range; DatasetError for no scan, an empty brain, or a patch larger than a
   *   volume; ShapeError where a scan's channels do not fit the outputs; OutOfMemoryError naming the scan.
   */
  static async create(
    gpu: Gpu,
    scans: readonly SamplerScan[],
    options: SamplerOptions,
  ): Promise<PatchSampler> {
    checkSettings(options);
    const [batch, patch] = batchOf(options.outputs);
    const drawn = scans.map((scan) => checkScan(scan, patch, options.outputs));
    if (scans.length === 0)
      throw new DatasetError('sampler: there is no scan to draw patches from', {
        hint: 'Choose at least one subject to train on.',
      });
    const values = new Map<string, readonly number[]>();
    for (const [name, { shape }] of options.outputs.tensors)
      if (isNumber(shape))
        values.set(
          name,
          scans.map((scan) => scan.values![name]!),
        );
    return await Resources.build(async (owned) => {
      const { augmentations, images } = options;
      const outputs: Output[] = [];
      for (const [name, target] of options.outputs.tensors)
        if (!values.has(name))
          outputs.push({
            name,
            channels: target.shape[1]!,
            cutter: owned.add(await PatchCutter.create(gpu, target)),
          });
      const moves = augmentations.some((each) => each.kind === 'spatial' && each.resamples);
      const points = Math.max(...augmentations.map((each) => (each.kind === 'spatial' ? each.points : 0)), 0);
      const shifts = moves ? owned.add(await ShiftTables.create(gpu, batch, points)) : undefined;
      const cuts: BoundCuts[][][] = [];
      for (const scan of scans) {
        const store = owned.add(await upload(gpu, scan, outputs));
        const items: BoundCuts[][] = [];
        for (let item = 0; item < batch; item++) {
          const bound = outputs.map(({ name, channels, cutter }) =>
            cutter.bind(item, channelsOf(store, name, channels), shifts?.resource(item)),
          );
          items.push(await Promise.all(bound));
        }
        cuts.push(items);
      }
      const input = options.outputs.get('input');
      const augmenter = owned.add(await Augmenter.create(gpu, input, images, augmentations));
      const parts = { outputs, values, scans: drawn, cuts, augmenter, shifts };
      return new PatchSampler(
        options,
        patch,
        parts,
        scans.map(({ spacing }) => spacing),
        owned,
      );
    });
  }

  /** State of the random numbers, for a checkpoint: four words. */
  get state(): Uint32Array {
    return this.#random.state;
  }

  /** Goes on from a saved state. */
  restore(state: ArrayLike<number>): void {
    this.#random = Random.fromState(state);
  }

  /** The patches of the last {@link next}, in the order of the batch. */
  get draws(): readonly PatchDraw[] {
    return this.#draws;
  }

  /**
   * Draws the next batch and sends its numbers to the GPU.
   * @returns encodes the kernels that fill the outputs; to be submitted before `next` is called again
   */
  next(): (pass: GPUComputePassEncoder) => void {
    const { outputs, values, scans, cuts, augmenter, shifts } = this.#parts;
    const { images } = this.#options;
    const draws = cuts[0]!.map(() => drawPatch(this.#random, scans, this.#patch, images, this.#options));
    this.#draws = draws;
    const dispatches = draws.flatMap((draw, item): Dispatch[] => {
      const { scan, transform, intensities } = draw;
      if (transform.shifts) shifts?.send(item, transform.shifts);
      const moved = outputs.flatMap((output, o): readonly Dispatch[] => {
        const bound = cuts[scan]![item]![o]!;
        return bound[this.#setCuts(output, item, draw)];
      });
      return [...moved, ...augmenter.set(item, intensities)];
    });
    for (const { cutter } of outputs) cutter.upload();
    augmenter.upload();
    for (const [name, numbers] of values)
      this.#options.outputs.write(
        name,
        Float32Array.from(draws, ({ scan }) => numbers[scan]!),
      );
    return (pass) => encodeDispatches(pass, dispatches);
  }

  /** Images and maps are interpolated, targets keep their values. */
  #setCuts({ name, channels, cutter }: Output, item: number, draw: PatchDraw): keyof BoundCuts {
    const { scan, corner, transform } = draw;
    const volume = { shape: this.#parts.scans[scan]!.shape, spacing: this.#spacings[scan] };
    let which: keyof BoundCuts = 'copy';
    for (let c = 0; c < channels; c++) {
      const inside: Interpolation = c < this.#options.images ? 'linear-inside' : 'linear';
      const interpolation = name === 'input' ? inside : 'nearest';
      which = cutter.set(item, c, volume, { corner, transform, interpolation });
    }
    return which;
  }

  /** Frees the uploaded scans; the outputs stay. */
  destroy(): void {
    this.#owned.destroy();
  }
}

async function upload(gpu: Gpu, scan: SamplerScan, outputs: readonly Output[]): Promise<TensorStore> {
  const specs = outputs.flatMap(({ name, channels }) =>
    Array.from({ length: channels }, (_, c) => ({ name: `${name}.${c}`, shape: scan.shape })),
  );
  const store = await TensorStore.create(gpu, `scan ${scan.name}`, specs);
  for (const { name, channels } of outputs)
    for (let c = 0; c < channels; c++) store.write(`${name}.${c}`, scan.volumes[name]![c]!);
  return store;
}

/** Whether an output takes one number of a scan per item. */
function isNumber(shape: Shape): boolean {
  return shape.length === 2 && shape[1] === 1;
}

function batchOf(outputs: TensorStore): [number, Extent3] {
  const shapes = [...outputs.tensors.values()].map(({ shape }) => shape);
  const first = outputs.tensors.get('input')?.shape;
  const same = (shape: readonly number[]): boolean =>
    isNumber(shape)
      ? shape[0] === first![0]
      : shape.length === 5 && [0, 2, 3, 4].every((a) => shape[a] === first![a]);
  if (!first || isNumber(first) || !shapes.every(same))
    throw new ShapeError(
      'sampler',
      'outputs are `input` and targets, [batch, channels, depth, height, width] with one batch and one patch, or [batch, 1]',
      [...outputs.tensors].map(([name, { shape }]) => `${name} ${formatShape(shape)}`).join(', ') ||
        'nothing',
    );
  return [first[0]!, first.slice(2) as unknown as Extent3];
}

function checkScan(scan: SamplerScan, patch: Extent3, outputs: TensorStore): DrawScan {
  const { name, shape, volumes } = scan;
  if (patch.some((extent, a) => extent > shape[a]!))
    throw new DatasetError(
      `${name}: a patch of ${formatShape(patch)} is larger than the volume, ${formatShape(shape)} (depth x height x width)`,
      { hint: worded`Use a ${setting('patch')} of at most ${Math.min(...shape)}.` },
    );
  const size = sizeOf(shape);
  for (const [output, target] of outputs.tensors) {
    if (isNumber(target.shape)) {
      if (!Number.isFinite(scan.values?.[output]))
        throw new ShapeError('sampler', `${name} gives ${output} a number`, String(scan.values?.[output]));
      continue;
    }
    const channels = volumes[output] ?? [];
    if (channels.length !== target.shape[1] || channels.some((data) => data.length !== size))
      throw new ShapeError(
        'sampler',
        `${name} gives ${output} ${target.shape[1]} channels of ${size} voxels`,
        `${channels.length} of ${channels.map((data) => data.length).join(', ') || 'none'}`,
      );
  }
  const width = shape[2];
  const { foreground = [] } = scan;
  for (const [what, mask] of [
    ['brain', scan.brain] as const,
    ...foreground.map((own) => ['foreground', own] as const),
  ])
    if (mask.length !== size)
      throw new ShapeError('sampler', `${name}: ${what} has ${size} voxels`, String(mask.length));
  const brain = new VoxelSet(scan.brain, width);
  if (brain.count === 0)
    throw new DatasetError(`${name}: the brain mask is empty, so no patch can be drawn`, {
      hint: 'Check the mask, or leave this scan out.',
    });
  const sets = foreground.map((mask) => new VoxelSet(mask, width));
  return { shape, brain, foreground: sets.filter(({ count }) => count > 0) };
}

function checkSettings({ foregroundShare, images, outputs }: SamplerOptions): void {
  const channels = outputs.tensors.get('input')?.shape[1] ?? 0;
  const rules: readonly (readonly [string, number, boolean])[] = [
    ['foregroundShare lies in [0, 1]', foregroundShare, foregroundShare >= 0 && foregroundShare <= 1],
    [
      `images lies in [0, ${channels}]`,
      images,
      Number.isInteger(images) && images >= 0 && images <= channels,
    ],
  ];
  for (const [rule, value, holds] of rules)
    if (!holds) throw new UsageError(`sampler: ${rule}; got ${value}`, { hint: 'Leave it at its default.' });
}
