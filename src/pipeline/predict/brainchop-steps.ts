import { DatasetError } from '../../core/errors.ts';
import type { Triple } from '../../core/shape.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import { scanName } from '../../imaging/dataset/dataset.ts';
import type { LoadedScan } from '../../imaging/dataset/load-scan.ts';
import { labelComponents } from '../../imaging/volume/components.ts';
import { conform } from '../../imaging/volume/conform.ts';
import { resample } from '../../imaging/volume/resample.ts';
import { toFloat32, type Voxels } from '../../imaging/volume/voxels.ts';
import type { Model } from '../models/model.ts';
import type { BrainchopSteps } from '../models/steps.ts';
import { labelWholeVolume, type WholeVolumeOptions } from './whole-volume.ts';

/**
 * Labels of a scan as Brainchop finds them: conformed, 0 to 1, the whole of it through the network, the most probable label,
 * the largest piece of all that is found (26 neighbours), and the nearest label on the scan's own grid.
 * @returns one per voxel of the scan, x fastest: 0 for the background
 * @throws DatasetError for an image that is one value; UsageError for a network that is not a chain of convolutions;
 *   OutOfMemoryError, GpuError, DeviceLostError, the signal's reason.
 */
export async function labelByBrainchop(
  gpu: Gpu,
  { info, weights }: Model,
  { extent, spacing, range }: BrainchopSteps,
  scan: Pick<LoadedScan<Voxels>, 'subject' | 'session' | 'grid' | 'header' | 'channels'>,
  options: WholeVolumeOptions = {},
): Promise<Uint8Array> {
  const image = { grid: scan.grid, data: toFloat32(scan.channels[0]!.data) };
  const cube = conform(image, { extent, spacing, bytes: scan.header.datatype === 'uint8' });
  const [low, high] = rangeOf(cube.data, range);
  if (low === high)
    throw new DatasetError(
      `${scanName(scan)}: the image has one value only, ${low}, where the network looks`,
      {
        hint: 'Look at the image: it may be empty, or of another kind than the network reads.',
      },
    );
  // Conformed axes are the network's: to the left, down, to the front.
  const input = Float32Array.from(cube.data, (value) => (value - low) / (high - low));
  const extents: Triple = [extent, extent, extent];
  const network = { network: info.network, weights };
  const labels = await labelWholeVolume(gpu, network, [input], extents, options);
  keepLargest(labels, extents);
  const own = resample({ grid: cube.grid, data: labels }, scan.grid, 'nearest');
  return Uint8Array.from(own.data);
}

/** The values that become 0 and 1. */
function rangeOf(data: Uint8Array, range: BrainchopSteps['range']): readonly [low: number, high: number] {
  const counts = new Float64Array(256);
  for (const value of data) counts[value]!++;
  /** The value at a place of the sorted ones. */
  const at = (place: number): number => {
    let sum = 0;
    for (let value = 0; value < 256; value++) {
      sum += counts[value]!;
      if (sum > place) return value;
    }
    return 255;
  };
  const last = data.length - 1;
  if (range === 'min-max') return [at(0), at(last)];
  const [low, high] = range;
  return [
    at(Math.min(last, Math.floor(low * data.length))),
    at(Math.max(0, Math.ceil(high * data.length) - 1)),
  ];
}

/** Makes background of all but the largest piece of what is labelled. */
function keepLargest(labels: Uint8Array, [depth, height, width]: Triple): void {
  const { labels: pieces, sizes } = labelComponents(labels, [width, height, depth], 26);
  const largest = sizes.indexOf(Math.max(...sizes)) + 1;
  for (let i = 0; i < labels.length; i++) if (pieces[i] !== largest) labels[i] = 0;
}

/** Labels as a map for each: 1 where it is. A map is made when it is asked for, so that many labels take no memory. */
export class LabelMaps implements ReadonlyMap<string, Float32Array> {
  readonly #names: readonly string[];
  readonly #labels: Uint8Array;

  /** @param labels 0 for the background, then names by their place from 1 */
  constructor(names: readonly string[], labels: Uint8Array) {
    this.#names = names;
    this.#labels = labels;
  }

  get size(): number {
    return this.#names.length;
  }

  has(name: string): boolean {
    return this.#names.includes(name);
  }

  get(name: string): Float32Array | undefined {
    const own = this.#names.indexOf(name) + 1;
    return own === 0 ? undefined : Float32Array.from(this.#labels, (label) => Number(label === own));
  }

  *entries(): MapIterator<[string, Float32Array]> {
    for (const name of this.#names) yield [name, this.get(name)!];
  }

  keys(): MapIterator<string> {
    return this.#names.values();
  }

  *values(): MapIterator<Float32Array> {
    for (const [, map] of this) yield map;
  }

  [Symbol.iterator](): MapIterator<[string, Float32Array]> {
    return this.entries();
  }

  forEach(visit: (map: Float32Array, name: string, maps: ReadonlyMap<string, Float32Array>) => void): void {
    for (const [name, map] of this) visit(map, name, this);
  }
}
