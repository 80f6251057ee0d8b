import { DatasetError } from '../../core/errors.ts';
import { setting, worded } from '../../core/wording.ts';
import { judgeBrain } from '../../imaging/dataset/brain-check.ts';
import type { Registration } from '../../imaging/register/register.ts';
import type { Grid, Volume } from '../../imaging/volume/volume.ts';

/** Slices of a FLAIR, at least: fewer are a part of a brain. */
const LEAST_SLICES = 12;
/** Share of the brain mask that must lie on voxels of the image that are not 0. */
const LEAST_SIGNAL = 0.9;
/** Share of the brain that the other image must hold. Of nine right pairs the least was 0.99. */
const LEAST_OVERLAP = 0.9;
/**
 * Normalised mutual information in the brain after registration: right pairs had 1.060 to 1.107, scans mirrored or of another patient less.
 */
const LEAST_INFORMATION = 1.055;
/** A field that changes more than this over the brain is none that a coil leaves: raw scans had 1.19 to 1.49. */
const LARGEST_FIELD = 2.5;
/** Faces of the image that a brain may reach: those that cut a slab, or one side of the head. */
const MOST_FACES = 2;
/** Share of a face's voxels from which on the brain counts as reaching it. */
const FACE_SHARE = 0.05;
/** Air in a CT has -1000; a magnetic resonance image has hardly anything below 0. */
const CT_AIR = -500;
/** Share of the voxels that are air in the CT of a head, at least. */
const CT_SHARE = 0.05;
/** Cosine of the angle between two axes of a grid, at most. */
const LARGEST_SHEAR = 0.01;

/** Refuses an image that nothing can be found in. @throws DatasetError */
export function checkImage({ grid, data }: Volume, name: string, path: string): void {
  const slices = Math.min(...grid.shape);
  if (slices < LEAST_SLICES)
    throw new DatasetError(
      `${path}: has ${slices} slices, and a ${name} of a brain has at least ${LEAST_SLICES}`,
      {
        hint: 'Give the whole series, and not a scout or a part.',
      },
    );
  if (!data.some((v) => v !== data[0]))
    throw new DatasetError(`${path}: has the value ${data[0]} everywhere`, { hint: 'Give another file.' });
  let dark = 0;
  for (const value of data) if (value < CT_AIR) dark++;
  if (dark > CT_SHARE * data.length)
    throw new DatasetError(
      `${path}: ${Math.round((100 * dark) / data.length)} % of its voxels are below ${CT_AIR}, as those of a CT are`,
      { hint: `Give a ${name} from magnetic resonance imaging.` },
    );
  const shear = Math.max(...[0, 1, 2].map((a) => Math.abs(cosine(grid, a, (a + 1) % 3))));
  if (shear > LARGEST_SHEAR)
    throw new DatasetError(
      `${path}: its axes are not at right angles (cosine ${shear.toFixed(3)}), as those of a tilted gantry are`,
      { hint: 'Resample it to right angles first, for example with dcm2niix.' },
    );
}

/**
 * Refuses a brain mask that cannot be this image's.
 * @param from a file, or found in the image by a network: then it must have a brain's volume, too
 * @returns warnings
 * @throws DatasetError
 */
export function checkBrain(
  { grid, data }: Volume,
  brain: Uint8Array,
  name: string,
  from: 'file' | 'found',
): string[] {
  const { ml, head, odd } = judgeBrain([], brain, grid);
  if (from === 'found' && (ml === 0 || odd !== null))
    throw new DatasetError(
      `${name}: no brain was found in the FLAIR: what is most like one holds ${ml.toFixed(0)} ml`,
      {
        hint: worded`Look at the image: is it a head, the right way up, and all of it? If so, give a mask with ${setting('brainMask')}.`,
      },
    );
  const faces = from === 'found' ? facesReached(brain, grid.shape) : 0;
  if (faces > MOST_FACES)
    throw new DatasetError(
      `${name}: no brain was found in the FLAIR: what is most like one reaches ${faces} borders of the image`,
      {
        hint: worded`Look at the image: is it the whole of a head? If so, give a mask with ${setting('brainMask')}.`,
      },
    );
  if (ml === 0) throw new DatasetError(`${name}: the brain mask is empty`, { hint: 'Make the mask again.' });
  if (head !== null)
    throw new DatasetError(`${name}: the brain mask is not a brain: ${head}`, {
      hint: worded`Give another with ${setting('brainMask')}.`,
    });
  let [inside, lit] = [0, 0];
  brain.forEach((v, i) => {
    if (v === 0) return;
    inside++;
    if (data[i] !== 0) lit++;
  });
  if (lit < LEAST_SIGNAL * inside)
    throw new DatasetError(
      `${name}: ${Math.round(100 - (100 * lit) / inside)} % of the brain mask lies where the FLAIR is 0`,
      {
        hint: worded`The mask belongs to another image, or the image is cropped; give another with ${setting('brainMask')}.`,
      },
    );
  return odd === null ? [] : [`the brain mask is an odd brain: ${odd}`];
}

/** Refuses a registration that cannot be right. @throws DatasetError */
export function checkRegistration(
  { overlap, information, before }: Registration,
  name: string,
  moving: string,
): void {
  if (overlap < LEAST_OVERLAP)
    throw new DatasetError(
      `${name}: ${moving} holds ${Math.round(100 * overlap)} % of the brain that the FLAIR shows, and ${100 * LEAST_OVERLAP} % are needed`,
      { hint: `Give a ${moving} of the whole head, or leave it out.` },
    );
  if (information < LEAST_INFORMATION || information < before)
    throw new DatasetError(
      `${name}: ${moving} does not fit the FLAIR: mutual information ${information.toFixed(3)}, and at least ${LEAST_INFORMATION} was seen where it does`,
      {
        hint: `Check that both are of one patient, that left and right are not swapped, and that ${moving} is one; or leave it out.`,
      },
    );
}

/** Refuses a field that no coil leaves. @throws DatasetError */
export function checkField(spread: number, name: string, image: string): void {
  if (!(spread < LARGEST_FIELD))
    throw new DatasetError(
      `${name}: the brightness of ${image} changes by a factor of ${spread.toFixed(2)} over the brain`,
      { hint: 'Look at the image and its brain mask: one of them is wrong.' },
    );
}

/** How many of the six faces of an image a mask reaches. */
function facesReached(mask: Uint8Array, shape: Grid['shape']): number {
  const [nx, ny, nz] = shape;
  const reached = [0, 0, 0, 0, 0, 0];
  mask.forEach((v, i) => {
    if (v === 0) return;
    const place = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
    for (const [a, at] of place.entries()) {
      if (at === 0) reached[2 * a]!++;
      if (at === shape[a]! - 1) reached[2 * a + 1]!++;
    }
  });
  const areas = [ny * nz, nx * nz, nx * ny];
  return reached.filter((count, face) => count > FACE_SHARE * areas[face >> 1]!).length;
}

function cosine({ affine, spacing }: Grid, a: number, b: number): number {
  let sum = 0;
  for (let r = 0; r < 3; r++) sum += affine[a * 4 + r]! * affine[b * 4 + r]!;
  return sum / (spacing[a]! * spacing[b]!);
}
