import type { Emitter, Variant } from '../../tape/op.ts';
import { type ConvolutionTask, slotOf, type WeightGradientTask } from './task.ts';
import { convolveTile, weightGradientTile } from './tile.ts';

interface ConvolutionVariant extends Variant {
  run(emit: Emitter, task: ConvolutionTask): void;
}

interface WeightGradientVariant extends Variant {
  run(emit: Emitter, task: WeightGradientTask): void;
}

/** Convolves by the variant that is chosen for the task's shape. */
export function convolve(emit: Emitter, task: ConvolutionTask): void {
  const candidates: ConvolutionVariant[] = [{ name: 'tile', run: convolveTile }];
  emit.choose(slotOf(task), candidates).run(emit, task);
}

/** Weight gradient by the variant that is chosen for the task's shape. */
export function weightGradient(emit: Emitter, task: WeightGradientTask): void {
  const candidates: WeightGradientVariant[] = [{ name: 'tile', run: weightGradientTile }];
  const from = task.sources.map((source) => source.channels).join('+');
  const { outChannels, samples, outExtents, kernel, stride, padding } = task;
  const slot = `conv3d/backward_weight ${from}->${outChannels}@${samples}x${outExtents.join('x')} k${kernel} s${stride} p${padding}`;
  emit.choose(slot, candidates).run(emit, task);
}
