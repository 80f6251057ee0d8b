import type { Augmentation } from './augmentation.ts';
import { biasField } from './bias-field.ts';
import { blur } from './blur.ts';
import { brightness } from './brightness.ts';
import { contrast } from './contrast.ts';
import { elastic } from './elastic.ts';
import { gamma } from './gamma.ts';
import { gibbs } from './gibbs.ts';
import { intensity } from './intensity.ts';
import { lowResolution } from './low-resolution.ts';
import { mirror } from './mirror.ts';
import { modalityDropout } from './modality-dropout.ts';
import { noise } from './noise.ts';
import { rotation } from './rotation.ts';
import { scaling } from './scaling.ts';
import { thickSlices } from './thick-slices.ts';

/** The augmentations that settings know, one per line, in the order in which they are applied. */
export const IN_ORDER: readonly Augmentation[] = [
  mirror,
  rotation,
  scaling,
  elastic,
  intensity,
  biasField,
  noise,
  blur,
  brightness,
  contrast,
  lowResolution,
  thickSlices,
  gibbs,
  gamma,
  modalityDropout,
];
