import { DatasetError, GridMismatchError } from '../../core/errors.ts';
import type { FileSource } from '../../core/files.ts';
import { setting, worded } from '../../core/wording.ts';
import type { NiftiHeader } from '../nifti/header.ts';
import { readMask, readNifti, readVoxels } from '../nifti/read.ts';
import { orderBetween, reorient } from '../volume/orientation.ts';
import { describeGrid, type Grid, sameGrid, type Volume } from '../volume/volume.ts';
import { toFloat32, type Voxels } from '../volume/voxels.ts';
import { brainOfSkullStripped } from './brain-mask.ts';
import { type Dataset, type Scan, scanName, type TissuePaths } from './dataset.ts';
import { findModality } from './modality.ts';
import { repairTissues, type TissueMaps } from './tissue-maps.ts';

/** How the raters' masks become one target: a rater's own, all of them, those all agree on, or their mean. */
export type RaterChoice = 'union' | 'intersection' | 'mean' | (string & {});

export interface LoadScanOptions {
  /** Names or aliases, in the order of the channels. Default: all that the scan has. */
  readonly modalities?: readonly string[];
  /** Load tissue maps: true for the preferred ones, or a source's name. Default false. */
  readonly tissue?: boolean | string;
  /** Default `1`: the rater of that name, else the first. */
  readonly rater?: RaterChoice;
  /** Refuse a scan without a lesion mask. Default false: it is predicted, not scored. */
  readonly requireLesions?: boolean;
  /** What to do about NaN and infinite voxels of images and maps. Default `error`. */
  readonly nonFinite?: 'error' | 'zero';
}

/** One modality's voxels, with the intensities of the file. */
export interface Channel<T extends Voxels = Float32Array> {
  /** Canonical name: `FLAIR`, `T1w`, ... */
  readonly name: string;
  readonly data: T;
}

/** A scan in memory: every array has the grid's voxels, x fastest. */
export interface LoadedScan<T extends Voxels = Float32Array> {
  readonly subject: string;
  readonly session: string | null;
  readonly grid: Grid;
  /** Header of the first modality, to write predictions with. */
  readonly header: NiftiHeader;
  readonly channels: readonly Channel<T>[];
  /** 1 inside the brain. Lesions may reach outside of it, see `samplingMask`. */
  readonly brain: Uint8Array;
  /** Where the brain mask came from: a file, or the non-zero voxels of skull-stripped images. */
  readonly brainSource: 'mask' | 'skull-stripped';
  /** The target: 0 and 1, or the share of raters for `mean`. Missing where the scan has no lesion masks. */
  readonly lesions?: Uint8Array | Float32Array;
  /** Every rater's own mask, for evaluation. */
  readonly raters: ReadonlyMap<string, Uint8Array>;
  readonly tissues?: TissueMaps;
}

/**
 * Reads a scan's images, masks and maps.
 *
 * The brain mask is the data set's where it has one; else it is derived from skull-stripped images. Lesion voxels
 * outside the brain mask are kept: they are real, and a model that is trained or scored must meet them.
 * Tissue maps are brought to the scan's voxel order where only axes and directions differ, and made a
 * probability (see `repairTissues`).
 * @throws DatasetError for a missing modality, mask, map or rater, and for an empty brain mask.
 * @throws GridMismatchError where a volume lies on another grid than the first modality.
 * @throws FileFormatError, StorageError where a file cannot be read.
 */
export async function loadScan(
  dataset: Dataset,
  scan: Scan,
  options: LoadScanOptions = {},
): Promise<LoadedScan> {
  return await loadAs(dataset, scan, options, toFloat32);
}

/**
 * Reads a scan as {@link loadScan} does, in as little memory as there may be for a prediction: intensities of 8 and 16
 * bits stay as they are stored, and lesion masks are not read.
 * @throws what `loadScan` throws, but nothing about lesion masks.
 */
export async function loadStoredScan(
  dataset: Dataset,
  scan: Scan,
  options: Pick<LoadScanOptions, 'modalities' | 'tissue'> = {},
): Promise<LoadedScan<Voxels>> {
  return await loadAs(dataset, { ...scan, lesionMasks: new Map() }, options, (voxels) => voxels);
}

async function loadAs<T extends Voxels>(
  dataset: Dataset,
  scan: Scan,
  options: LoadScanOptions,
  kept: (voxels: Voxels) => T,
): Promise<LoadedScan<T>> {
  const { files } = dataset;
  const name = scanName(scan);
  const readOptions = { nonFinite: options.nonFinite ?? 'error' } as const;
  const channels: Channel<T>[] = [];
  let header: NiftiHeader | undefined;
  let firstPath = '';
  for (const [key, path] of chooseModalities(scan, options.modalities)) {
    const image = await readVoxels(await files.open(path), path, readOptions);
    if (header) requireGrid(image.header.grid, path, header.grid, firstPath, name);
    else [header, firstPath] = [image.header, path];
    channels.push({ name: key, data: kept(image.voxels) });
  }
  if (!header) throw new DatasetError(`${name}: there are no images`, { hint: 'Check the folder.' });
  const { grid } = header;
  const mask = async (path: string): Promise<Uint8Array> => {
    const { volume } = await readMask(await files.open(path), path);
    requireGrid(volume.grid, path, grid, firstPath, name);
    return volume.data;
  };

  const brain =
    scan.brainMask === undefined
      ? brainOfSkullStripped(channels, grid.shape, name)
      : await mask(scan.brainMask);
  if (!brain.includes(1)) {
    throw new DatasetError(`${name}: the brain mask ${scan.brainMask} is empty`, {
      hint: 'Make the mask again; it needs 1 inside the brain.',
    });
  }
  if (options.requireLesions && scan.lesionMasks.size === 0) {
    throw new DatasetError(`${name}: there is no lesion mask`, {
      hint: 'Leave this subject out, or add a mask (BIDS: derivatives/NAME/sub-XX/anat/sub-XX_label-lesion_mask.nii.gz).',
    });
  }
  const raters = new Map<string, Uint8Array>();
  for (const [rater, path] of scan.lesionMasks) raters.set(rater, await mask(path));
  const lesions = combineRaters(raters, options.rater ?? '1', name);

  const paths = options.tissue ? chooseTissues(scan, options.tissue) : undefined;
  const tissues = paths && (await loadTissues(dataset, paths, grid, firstPath, name, readOptions));
  if (tissues) repairTissues(tissues, brain, name);
  return {
    subject: scan.subject,
    session: scan.session,
    grid,
    header,
    channels,
    brain,
    brainSource: scan.brainMask === undefined ? 'skull-stripped' : 'mask',
    ...(lesions ? { lesions } : {}),
    raters,
    ...(tissues ? { tissues } : {}),
  };
}

/** The scan with other tissue maps, made a probability as those of files are; the given arrays stay as they are. */
export function withTissueMaps<T extends Voxels>(
  scan: LoadedScan<T>,
  { GM, WM, CSF }: TissueMaps,
): LoadedScan<T> {
  const tissues = { GM: GM.slice(), WM: WM.slice(), CSF: CSF.slice() };
  repairTissues(tissues, scan.brain, scanName(scan));
  return { ...scan, tissues };
}

/**
 * Where patches may be centred in training: the brain and every lesion voxel, also those outside the brain mask.
 * @returns 1 inside.
 */
export function samplingMask(scan: Pick<LoadedScan, 'brain' | 'lesions'>): Uint8Array {
  const { brain, lesions } = scan;
  return lesions ? brain.map((v, i) => (v !== 0 || lesions[i]! > 0 ? 1 : 0)) : brain;
}

function requireGrid(grid: Grid, path: string, first: Grid, firstPath: string, scan: string): void {
  if (sameGrid(grid, first)) return;
  throw new GridMismatchError(
    `${scan}: ${path} is ${describeGrid(grid)}, but ${firstPath} is ${describeGrid(first)}`,
    { hint: 'Register and resample all images of a scan to one grid first.' },
  );
}

/**
 * The canonical names and paths of a scan's wanted modalities.
 * @throws DatasetError for one that the scan does not have; the message names those it has.
 */
export function chooseModalities(scan: Scan, wanted?: readonly string[]): [name: string, path: string][] {
  if (!wanted) return [...scan.modalities];
  const chosen = wanted.map((name): [string, string] => {
    const key = findModality(scan.modalities.keys(), name);
    if (key === undefined) {
      const present = [...scan.modalities.keys()].join(', ') || 'none';
      throw new DatasetError(`${scanName(scan)}: there is no ${name} image; there are ${present}`, {
        hint: 'Choose other modalities, or leave this subject out.',
      });
    }
    return [key, scan.modalities.get(key)!];
  });
  const twice = chosen.find(([key], i) => chosen.findIndex(([other]) => other === key) !== i);
  if (twice) throw new DatasetError(`modality ${twice[0]} is asked for twice (${wanted.join(', ')})`);
  return chosen;
}

/**
 * One target out of the raters' masks.
 * @returns undefined where there are none; float32 shares for `mean`, else 0 and 1.
 * @throws DatasetError for a rater that is not there.
 */
export function combineRaters(
  raters: ReadonlyMap<string, Uint8Array>,
  choice: RaterChoice,
  scan: string,
): Uint8Array | Float32Array | undefined {
  const masks = [...raters.values()];
  const [first] = masks;
  if (!first) return undefined;
  switch (choice) {
    case 'union':
      return first.map((_, i) => (masks.some((m) => m[i] !== 0) ? 1 : 0));
    case 'intersection':
      return first.map((_, i) => (masks.every((m) => m[i] !== 0) ? 1 : 0));
    case 'mean':
      return Float32Array.from(first, (_, i) => masks.reduce((sum, m) => sum + m[i]!, 0) / masks.length);
    default: {
      // Raters that are named otherwise are counted: `1` is the first, `2` the second.
      const own = raters.get(choice) ?? (/^[1-9]$/.test(choice) ? masks[Number(choice) - 1] : undefined);
      if (own) return own;
      throw new DatasetError(
        `${scan}: there is no lesion mask of rater ${choice}; there are ${[...raters.keys()].join(', ')}`,
        { hint: 'Choose another rater, or union, intersection or mean.' },
      );
    }
  }
}

function chooseTissues(scan: Scan, wanted: true | string): TissuePaths {
  const found = wanted === true ? scan.tissues.values().next().value : scan.tissues.get(wanted);
  if (found) return found;
  const present = [...scan.tissues.keys()].join(', ') || 'none';
  throw new DatasetError(
    `${scanName(scan)}: there are no tissue maps${wanted === true ? '' : ` from ${wanted}; there are ${present}`}`,
    {
      hint: worded`Make them with SPM (c1, c2, c3 beside the T1 or in derivatives), or give their folder with ${setting('tissue')}.`,
    },
  );
}

async function loadTissues(
  dataset: Dataset,
  paths: TissuePaths,
  grid: Grid,
  firstPath: string,
  scan: string,
  options: { readonly nonFinite: 'error' | 'zero' },
): Promise<TissueMaps> {
  const files: FileSource = paths.files ?? dataset.files;
  const read = async (path: string): Promise<Float32Array> => {
    const { volume } = await readNifti(await files.open(path), path, options);
    return toGrid(volume, path, grid, firstPath, scan);
  };
  return { GM: await read(paths.GM), WM: await read(paths.WM), CSF: await read(paths.CSF) };
}

/** The map's voxels in the scan's order. */
function toGrid(volume: Volume, path: string, grid: Grid, firstPath: string, scan: string): Float32Array {
  if (sameGrid(volume.grid, grid)) return volume.data;
  const order = orderBetween(volume.grid, grid);
  if (order) return reorient(volume, order).data;
  throw new GridMismatchError(
    `${scan}: tissue map ${path} is ${describeGrid(volume.grid)}, but ${firstPath} is ${describeGrid(grid)}, ` +
      'and no swap or flip of axes makes them agree',
    { hint: 'Make the maps from the registered T1, or resample them to its grid.' },
  );
}
