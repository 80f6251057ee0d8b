import { UsageError } from '../../core/errors.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import type { NiftiImage } from '../../imaging/nifti/read.ts';
import { fillHoles, largestComponent } from '../../imaging/volume/components.ts';
import type { Model } from '../models/model.ts';
import { maskOf } from './head-result.ts';
import { type SegmentOptions, segment } from './segment.ts';

/**
 * The brain in an image of a head, by a network that finds it or its parts: the one that comes with the program, MindGrab, HD-BET, or one
 * that labels matter or regions. All that its first output finds is brain: the largest piece of it, without holes.
 * @param model that reads one image and takes whole heads
 * @returns 1 inside, by voxel of the image, x fastest
 * @throws UsageError for a network that reads several images, or that needs a brain mask itself; what `segment` throws.
 */
export async function brainByModel(
  gpu: Gpu,
  model: Model,
  { header, volume }: Pick<NiftiImage, 'header' | 'volume'>,
  options: SegmentOptions = {},
): Promise<Uint8Array> {
  const { task, steps } = model.info;
  const [channel] = task.channels;
  const refuse = (why: string): UsageError =>
    new UsageError(`the network ${task.name} finds no brain: it ${why}`, {
      hint: 'Import one that does, such as MindGrab of Brainchop.',
    });
  if (task.channels.length !== 1 || task.maps) throw refuse('reads more than one image');
  if (!steps) throw refuse('was trained here, on brains that were cut out before');
  const scan = {
    subject: 'image',
    session: null,
    grid: volume.grid,
    header,
    channels: [{ name: channel!, data: volume.data }],
    brain: new Uint8Array(volume.data.length).fill(1),
    brainSource: 'whole',
    raters: new Map<string, Uint8Array>(),
  } as const;
  const { heads } = await segment(gpu, model, scan, options);
  const [found] = heads.values();
  if (!found || found.head.labels.length === 0) throw refuse('has no labels');
  const brain = new Uint8Array(volume.data.length);
  for (const label of found.head.labels) {
    const mask = maskOf(found, label);
    for (let i = 0; i < brain.length; i++) if (mask[i] !== 0) brain[i] = 1;
  }
  const { shape } = volume.grid;
  return brain.includes(1) ? fillHoles(largestComponent(brain, shape, 6), shape) : brain;
}
