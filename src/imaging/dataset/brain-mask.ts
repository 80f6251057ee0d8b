import { DatasetError } from '../../core/errors.ts';
import { setting, type Wording, worded } from '../../core/wording.ts';
import { fillHoles, largestComponent } from '../volume/components.ts';
import { eachPiece, type Voxels } from '../volume/voxels.ts';

/** An image with at least this share of non-zero voxels is not skull-stripped. */
export const SKULL_STRIPPED_SHARE = 0.6;

/** What to do about images that are no brains. */
export const NO_BRAIN_HINT: Wording = worded`Strip the skull, or give a brain mask (in BIDS: derivatives/NAME/sub-XX/anat/sub-XX_desc-brain_mask.nii.gz). If it is a brain all the same, say so with ${setting('trustBrain', true)}.`;

/**
 * The brain mask of skull-stripped images: voxels where any of them is not zero, of those the largest
 * face-connected piece, holes filled.
 * @param images the scan's modalities on one grid; `name` is for messages.
 * @param shape [nx, ny, nz], x fastest in memory.
 * @param scan what messages call the scan.
 * @param trust take what is not 0 for the brain, however much it is
 * @returns 1 inside the brain, else 0.
 * @throws DatasetError where an image is not skull-stripped, or all are zero.
 */
export function brainOfSkullStripped(
  images: readonly { readonly name: string; readonly data: Voxels }[],
  shape: readonly [number, number, number],
  scan: string,
  trust = false,
): Uint8Array {
  const any = new Uint8Array(shape[0] * shape[1] * shape[2]);
  for (const { name, data } of images) {
    let count = 0;
    eachPiece(data, (values, first) => {
      for (let i = 0; i < values.length; i++) {
        if (values[i] === 0) continue;
        any[first + i] = 1;
        count++;
      }
    });
    if (!trust && count >= SKULL_STRIPPED_SHARE * data.length) {
      throw new DatasetError(
        `${scan}: there is no brain mask, and ${name} is not skull-stripped (${Math.round((100 * count) / data.length)} % of its voxels are not 0)`,
        { hint: NO_BRAIN_HINT, setting: 'trustBrain' },
      );
    }
  }
  if (!any.includes(1)) {
    throw new DatasetError(`${scan}: the brain mask is empty, all images are 0 everywhere`, {
      hint: 'Check the images in a viewer.',
    });
  }
  return fillHoles(largestComponent(any, shape, 6), shape);
}
