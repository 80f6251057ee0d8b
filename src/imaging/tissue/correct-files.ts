import { DatasetError, GridMismatchError } from '../../core/errors.ts';
import type { FileSink, FileSource } from '../../core/files.ts';
import { hashFile } from '../../core/hash-file.ts';
import { scanName } from '../dataset/dataset.ts';
import { type InputFile, MAPS_TREE } from '../dataset/inputs.ts';
import { sidecar, sidecarPath } from '../dataset/sidecar.ts';
import { TISSUES } from '../dataset/tissue-maps.ts';
import { ESTIMATE_INTENT } from '../nifti/encode.ts';
import { type NiftiImage, readMask, readNifti } from '../nifti/read.ts';
import { writeNifti } from '../nifti/write.ts';
import { orderBetween, reorient } from '../volume/orientation.ts';
import { describeGrid, type Grid, sameGrid, type Volume, voxelVolume } from '../volume/volume.ts';
import { correctTissues } from './correct-tissues.ts';
import { type FoundMaps, findLesionMasks, findTissueMaps, scanKey } from './find-maps.ts';

/** Tissue maps with the lesion mask that corrects them. */
export interface Correction extends FoundMaps {
  readonly lesions: string;
}

/** What became of one scan's maps. */
export interface CorrectedScan {
  readonly subject: string;
  readonly session: string | null;
  /** Paths of GM, WM and CSF in the output, those of the maps that were read. */
  readonly maps: readonly string[];
  readonly lesionMl: number;
}

/**
 * Pairs the tissue maps of one tree with the lesion masks of another.
 * @throws DatasetError where there are no maps, or maps of a scan without a mask.
 */
export async function findCorrections(tissue: FileSource, lesions: FileSource): Promise<Correction[]> {
  const found = await findTissueMaps(tissue);
  if (found.length === 0)
    throw new DatasetError(`${tissue.name}: there are no tissue maps`, {
      hint: 'Looked for sub-*_label-{GM,WM,CSF}_probseg.nii[.gz] and c1*, c2*, c3*; all three must be there.',
    });
  const masks = await findLesionMasks(lesions);
  const bare = found.filter(({ scan }) => !masks.has(scanKey(scan)));
  if (bare.length > 0) {
    const names = [...new Set(bare.map(({ scan }) => scanName(scan)))];
    throw new DatasetError(`${lesions.name}: there is no lesion mask for ${names.join(', ')}`, {
      hint: 'Predict these scans first, or give a folder of tissue maps without them.',
    });
  }
  return found.map((maps) => ({ ...maps, lesions: masks.get(scanKey(maps.scan))! }));
}

/** What sidecars of corrected maps call the tree of lesion masks; that of the maps is {@link MAPS_TREE}. */
export const LESIONS_TREE = 'lesions';

/**
 * Corrects one scan's maps by its lesions and writes them, as float32, under the names they had, each with a sidecar. A
 * mask whose axes run another way is turned to the maps' grid.
 * @param version of voxelgrad
 * @throws GridMismatchError where maps and mask lie on different grids; DatasetError where the maps hold no
 *   probabilities; FileFormatError, StorageError.
 */
export async function correctScan(
  tissue: FileSource,
  lesions: FileSource,
  correction: Correction,
  out: FileSink,
  version: string,
): Promise<CorrectedScan> {
  const { scan, paths } = correction;
  const name = scanName(scan);
  const images: NiftiImage[] = [];
  for (const key of TISSUES) {
    const image = await readNifti(await tissue.open(paths[key]), paths[key]);
    if (images[0] && !sameGrid(images[0].volume.grid, image.volume.grid))
      throw new GridMismatchError(
        `${name}: ${paths[key]} is ${describeGrid(image.volume.grid)}, but ${paths.GM} is ${describeGrid(images[0].volume.grid)}`,
        { hint: 'Give three maps that were made together.' },
      );
    images.push(image);
  }
  const { grid } = images[0]!.volume;
  const read = (await readMask(await lesions.open(correction.lesions), correction.lesions)).volume;
  const mask = turned(read, correction.lesions, grid, paths.GM, name);
  const [GM, WM, CSF] = images.map((image) => image.volume.data);
  const maps = correctTissues({ GM: GM!, WM: WM!, CSF: CSF! }, mask, name);
  const voxels = mask.reduce((sum, v) => sum + Number(v !== 0), 0);
  const lesionMl = (voxels * voxelVolume(grid)) / 1000;
  const inputs: InputFile[] = [];
  for (const key of TISSUES)
    inputs.push({
      role: `${key} map`,
      path: paths[key],
      sha256: await hashFile(tissue, paths[key]),
      tree: MAPS_TREE,
    });
  inputs.push({
    role: 'lesion mask',
    path: correction.lesions,
    sha256: await hashFile(lesions, correction.lesions),
    tree: LESIONS_TREE,
  });
  const facts = {
    version,
    inputs,
    method: { Method: 'lesion voxels made white matter', LesionMl: lesionMl },
    warnings: [],
  };
  const written: string[] = [];
  for (const [i, key] of TISSUES.entries()) {
    const options = {
      datatype: 'float32',
      like: images[i]!.header,
      intent: ESTIMATE_INTENT,
      calMax: 1,
      gzip: paths[key].endsWith('.gz'),
      description: `${key} probability, lesions as WM`,
    } as const;
    await out.write(paths[key], writeNifti({ grid, data: maps[key] }, options));
    await out.write(sidecarPath(paths[key]), sidecar({ label: key, suffix: 'probseg' }, facts));
    written.push(paths[key]);
  }
  return { ...scan, maps: written, lesionMl };
}

/** The mask's voxels in the maps' order. */
function turned(mask: Volume<Uint8Array>, path: string, grid: Grid, first: string, scan: string): Uint8Array {
  if (sameGrid(mask.grid, grid)) return mask.data;
  const order = orderBetween(mask.grid, grid);
  if (order) return reorient(mask, order).data;
  throw new GridMismatchError(
    `${scan}: ${path} is ${describeGrid(mask.grid)}, but ${first} is ${describeGrid(grid)}`,
    { hint: 'Predict lesions on the grid of the tissue maps, or resample one of them.' },
  );
}
