import type { PassInput, PatchKernel } from './augmentation.ts';

/** value · scale + shift inside the brain. */
export const scaleKernel: PatchKernel = {
  kernel: { file: 'augment-scale.wgsl', entry: 'scale_shift' },
  bindings: ['values'],
};

/** What {@link scaleKernel} is given. */
export function scalePass({ scale, shift }: { readonly scale: number; readonly shift: number }): PassInput {
  return { params: { scale: { f32: scale }, shift: { f32: shift } } };
}
