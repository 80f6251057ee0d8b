import { copyFileSync, createWriteStream, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { Random } from '../../src/core/random.ts';
import { writeNiftiPlanes } from '../../src/imaging/nifti/write.ts';
import { axisAlignedGrid, type Grid, voxelCount } from '../../src/imaging/volume/volume.ts';
import type { Outcome, Workspace } from './workspace.ts';

const MODALITIES = ['FLAIR', 'T1w', 'T2w', 'PDw'] as const;
/** The program itself, the driver, the network and the window, which do not grow with the volume. */
const PROGRAM_BYTES = 1e9;

/**
 * Segments a volume of four float32 modalities by the real program, and reads one large compressed file in a process of
 * its own; the most memory that each process held is compared to what is to be held.
 * @param shape of the volume; its voxels are noise in an ellipsoid, so that they hardly compress
 * @param cube edge of the single file, in voxels of float64 noise
 */
export async function large(
  workspace: Workspace,
  shape: readonly [number, number, number],
  cube: number,
): Promise<Outcome> {
  const grid = axisAlignedGrid(shape, [0.5, 0.5, 0.5]);
  const anat = join(workspace.path('large'), 'sub-01/anat');
  mkdirSync(anat, { recursive: true });
  const description = { Name: 'large', BIDSVersion: '1.10.0' };
  writeFileSync(join(workspace.path('large'), 'dataset_description.json'), JSON.stringify(description));
  const [first, ...others] = MODALITIES.map((name) => join(anat, `sub-01_${name}.nii.gz`));
  await writeNoise(first!, grid, 'float32', 1);
  for (const other of others) copyFileSync(first!, other);
  await workspace.run(workspace.train('large-net', 'single', 2, '--base-channels', '4'));
  const words = [
    'predict',
    workspace.path('large-net'),
    workspace.path('large'),
    workspace.path('large-out'),
  ];
  const predicted = await workspace.peak([...words, '--tile', '64', '--overlap', '0', '--no-resample']);
  // Four modalities, the brain mask whole and cut, and one map.
  const held = voxelCount(grid) * (4 * MODALITIES.length + 1 + 1 + 4);

  const file = join(workspace.root, 'large.nii.gz');
  // Level 0: what deflate cannot shrink it stores, and this is noise.
  await writeNoise(file, axisAlignedGrid([cube, cube, cube], [0.5, 0.5, 0.5]), 'float64', 0);
  const packed = statSync(file).size;
  const read = await workspace.peakOf(['--import', 'tsx', join(import.meta.dirname, 'read-one.ts'), file]);
  const voxels = 4 * cube ** 3;
  const giga = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
  return {
    promise: 'a large input is held once at most',
    counts:
      `${shape.join('x')} voxels, 4 float32 modalities of ${giga(4 * voxelCount(grid))} each: predicted with ${giga(predicted)} resident at most, ` +
      `${giga(held)} of them the modalities, masks and map; ` +
      `a .nii.gz of ${giga(packed)}, ${giga(2 * voxels)} inflated, read with ${giga(read)} for ${giga(voxels)} of float32 voxels`,
    kept: predicted < held + PROGRAM_BYTES && read < voxels + PROGRAM_BYTES / 4,
  };
}

/** Writes an image that is noise of mean 1000 in an ellipsoid and 0 outside; in float64, it is noise everywhere. */
async function writeNoise(
  path: string,
  grid: Grid,
  datatype: 'float32' | 'float64',
  level: number,
): Promise<void> {
  const [nx, ny, nz] = grid.shape;
  const random = new Random(1);
  const noise = Float32Array.from({ length: nx * ny }, () => 1000 + 100 * (random.uniform() - 0.5));
  const everywhere = datatype === 'float64';
  const pieces = writeNiftiPlanes(
    {
      grid,
      plane(z, target) {
        // Another order of the same noise in each plane: farther apart than deflate looks back.
        const turn = (z * 7919) % noise.length;
        for (let y = 0, i = 0; y < ny; y++)
          for (let x = 0; x < nx; x++, i++) {
            const [u, v, w] = [(2 * x) / nx - 1, (2 * y) / ny - 1, (2 * z) / nz - 1];
            const isIn = everywhere || u * u + v * v + w * w < 0.7;
            target[i] = isIn ? noise[(i + turn) % noise.length]! : 0;
          }
      },
    },
    { datatype, gzip: false },
  );
  await pipeline(Readable.from(pieces), createGzip({ level }), createWriteStream(path));
}
