import { Gzip, gzipSync } from 'fflate';
import type { Grid, Volume } from '../volume/volume.ts';
import { DATATYPES } from './datatype.ts';
import { encodeNifti, NiftiEncoder, type NiftiStorage } from './encode.ts';

/** Settings of {@link writeNifti}. */
export interface WriteNiftiOptions extends NiftiStorage {
  /** Compress, deterministically: the same volume gives the same bytes. Default true. */
  readonly gzip?: boolean;
}

/**
 * {@link encodeNifti}, compressed where that is not declined.
 * @throws GridMismatchError, UsageError as `encodeNifti` does.
 */
export function writeNifti(
  volume: Volume<Float32Array | Uint8Array>,
  options: WriteNiftiOptions,
): Uint8Array {
  const out = encodeNifti(volume, options);
  return options.gzip === false ? out : gzipSync(out, { level: 6, mtime: 0 });
}

/** A volume whose planes are made when they are written. */
export interface PlaneVolume {
  readonly grid: Grid;
  /** Writes the values of plane z, x fastest, over what was in `target`. */
  plane(z: number, target: Float32Array): void;
}

/**
 * Writes a NIfTI image as {@link writeNifti} does, plane by plane: neither the volume nor the file is held. Compressed,
 * the same volume gives the same bytes, but others than writeNifti's.
 * @returns pieces of the file
 * @throws GridMismatchError, UsageError as `writeNifti` does.
 */
export function* writeNiftiPlanes(volume: PlaneVolume, options: WriteNiftiOptions): Generator<Uint8Array> {
  const encoder = new NiftiEncoder(volume.grid, options);
  const [nx, ny, nz] = volume.grid.shape;
  const values = new Float32Array(nx * ny);
  const packed: Uint8Array[] = [];
  const gzip = new Gzip({ level: 6, mtime: 0 }, (piece) => packed.push(piece));
  const pack = (bytes: Uint8Array, isLast: boolean): Uint8Array[] => {
    if (options.gzip === false) return [bytes];
    gzip.push(bytes, isLast);
    return packed.splice(0);
  };
  yield* pack(encoder.header, false);
  for (let z = 0; z < nz; z++) {
    volume.plane(z, values);
    const bytes = new Uint8Array(values.length * DATATYPES[options.datatype].bytes);
    encoder.encode(values, z * values.length, bytes);
    yield* pack(bytes, z === nz - 1);
  }
}
