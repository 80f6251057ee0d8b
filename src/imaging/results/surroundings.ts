import type { Grid } from '../volume/volume.ts';

/** An image that contrasts are taken from. */
export interface PartImage {
  readonly name: string;
  /** The intensity of a voxel. */
  at(voxel: number): number;
}

/** How far the surroundings of a part reach, in voxels along each axis. */
const REACH = 2;

/**
 * How much brighter each part is than what surrounds it: the mean in the part less the mean around it, over the standard
 * deviation of the whole brain's intensities. Around it are the brain's voxels within two voxels of the part (by faces,
 * edges or corners) that the mask does not mark.
 * @param members the voxels of each part
 * @param brain not 0 inside
 * @returns by part, then by image; NaN where nothing surrounds it or the brain has one intensity only
 */
export function surroundingContrasts(
  mask: Uint8Array,
  members: readonly ArrayLike<number>[],
  { shape: [nx, ny, nz] }: Grid,
  images: readonly PartImage[],
  brain: Uint8Array,
): Readonly<Record<string, number>>[] {
  const deviations = images.map((image) => deviation(image, brain));
  // The last part that counted a voxel, so that each counts it once.
  const counted = new Int32Array(mask.length);
  return members.map((voxels, part) => {
    const around: number[] = [];
    for (let k = 0; k < voxels.length; k++) {
      const i = voxels[k]!;
      const [x, y, z] = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
      for (let w = Math.max(0, z - REACH); w <= Math.min(nz - 1, z + REACH); w++)
        for (let v = Math.max(0, y - REACH); v <= Math.min(ny - 1, y + REACH); v++) {
          const row = (w * ny + v) * nx;
          for (let j = row + Math.max(0, x - REACH); j <= row + Math.min(nx - 1, x + REACH); j++) {
            if (mask[j] !== 0 || brain[j] === 0 || counted[j] === part + 1) continue;
            counted[j] = part + 1;
            around.push(j);
          }
        }
    }
    // In memory's order, whichever voxel met it first.
    around.sort((a, b) => a - b);
    const contrast = images.map((image, c): [string, number] => [
      image.name,
      (mean(image, voxels) - mean(image, around)) / deviations[c]!,
    ]);
    return Object.fromEntries(contrast.map(([name, value]) => [name, Number.isFinite(value) ? value : NaN]));
  });
}

function mean(image: PartImage, voxels: ArrayLike<number>): number {
  let sum = 0;
  for (let k = 0; k < voxels.length; k++) sum += image.at(voxels[k]!);
  return sum / voxels.length;
}

/** Of an image's intensities in the brain. */
function deviation(image: PartImage, brain: Uint8Array): number {
  let [count, sum, squares] = [0, 0, 0];
  for (let i = 0; i < brain.length; i++) {
    if (brain[i] === 0) continue;
    count++;
    sum += image.at(i);
  }
  const middle = sum / count;
  for (let i = 0; i < brain.length; i++) if (brain[i] !== 0) squares += (image.at(i) - middle) ** 2;
  return Math.sqrt(squares / count);
}
