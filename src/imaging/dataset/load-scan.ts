import { DatasetError } from '../../core/errors.ts';
import type { NiftiHeader } from '../nifti/header.ts';
import { type ReadNiftiOptions, readMask, readVoxels } from '../nifti/read.ts';
import { type Grid, voxelCount } from '../volume/volume.ts';
import { toFloat32, type Voxels } from '../volume/voxels.ts';
import { judgeBrain } from './brain-check.ts';
import { brainOfSkullStripped, NO_BRAIN_HINT } from './brain-mask.ts';
import { requireChosen } from './choices.ts';
import { brainMaskOf, type Dataset, type Scan, scanName } from './dataset.ts';
import { type LabelMap, repairMaps } from './label-maps.ts';
import { findModality } from './modality.ts';
import { requireGrid } from './on-grid.ts';
import { combineRaters, describeLabels, type RaterChoice } from './raters.ts';
import {
  loadMaps,
  loadTarget,
  type MapSource,
  type MapsRequest,
  type Target,
  type TargetRequest,
} from './targets.ts';
import { TISSUES, type TissueMaps, tissuesOf } from './tissue-maps.ts';

/** Settings of {@link loadScan}. */
export interface LoadScanOptions {
  /** Names or aliases, in the order of the channels. Default: all that the scan has. */
  readonly modalities?: readonly string[] | undefined;
  /** Load tissue maps: true for the preferred ones, or a source's name. Default false. */
  readonly tissue?: boolean | string;
  /** Load what a task learns; the lesion masks then only if they are among it. */
  readonly targets?: readonly TargetRequest[] | undefined;
  /** Load maps that a network reads beside the images. */
  readonly maps?: MapsRequest | undefined;
  /** Whose probability maps `targets` and `maps` mean. Default true: the preferred ones. */
  readonly mapSource?: MapSource | undefined;
  /** Default `1`: the rater of that name, else the first. */
  readonly rater?: RaterChoice | undefined;
  /**
   * Take the whole image for what counts, and look for no brain: for networks with a preparation of their own. Default
   * false.
   */
  readonly whole?: boolean | undefined;
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
  /** As the scan's. */
  readonly title?: string | undefined;
  /** As the scan's. */
  readonly entities?: string | undefined;
  readonly grid: Grid;
  /** Header of the first modality, to write predictions with. */
  readonly header: NiftiHeader;
  readonly channels: readonly Channel<T>[];
  /** 1 inside the brain. Lesions may reach outside of it, see `samplingMask`. */
  readonly brain: Uint8Array;
  /** Where the brain mask came from: a file, the non-zero voxels of skull-stripped images, or the whole image. */
  readonly brainSource: 'mask' | 'skull-stripped' | 'whole';
  /** The target: 0 and 1, or the share of raters for `mean`. Missing where the scan has no lesion masks. */
  readonly lesions?: Uint8Array | Float32Array;
  /** Every rater's own mask, for evaluation. */
  readonly raters: ReadonlyMap<string, Uint8Array>;
  readonly tissues?: TissueMaps;
  /** What a task learns, by name. */
  readonly targets?: ReadonlyMap<string, Target> | undefined;
  /** Maps that a network reads beside the images. */
  readonly maps?: InputMaps | undefined;
  /** What a reader of the results must know, a clause each: a brain that was taken on trust, an odd mask. */
  readonly warnings?: readonly string[];
}

/** Probability maps that a network reads, in the order of its channels. */
export interface InputMaps {
  /** What they are called together: `tissue`. */
  readonly name: string;
  readonly list: readonly LabelMap[];
  /** Whether their labels make up the whole brain. */
  readonly complete: boolean;
}

/**
 * Reads a scan's images, masks and maps.
 *
 * The brain mask is the data set's where it has one; else it is derived from skull-stripped images. Lesion voxels
 * outside the brain mask are kept: they are real, and a model that is trained or scored must meet them.
 * Tissue maps are brought to the scan's voxel order where only axes and directions differ, and made a
 * probability (see `repairTissues`). A brain that looks like a whole head is refused (see `judgeBrain`), unless the data
 * set was opened with `trustBrain`.
 * @throws DatasetError for a missing modality, mask, map or rater, an empty brain mask, a whole head, and for masks of
 *   several sources of which none was chosen.
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
  options: Pick<LoadScanOptions, 'modalities' | 'tissue' | 'maps' | 'mapSource' | 'whole'> = {},
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
  const { maxImageBytes: maxBytes } = dataset;
  const readOptions: ReadNiftiOptions = { nonFinite: options.nonFinite ?? 'error', maxBytes };
  const channels: Channel<T>[] = [];
  let header: NiftiHeader | undefined;
  let firstPath = '';
  const chosen = chooseModalities(scan, options.modalities);
  for (const [key, path] of chosen) {
    const image = await readVoxels(await files.open(path), path, readOptions);
    if (header) requireGrid(image.header.grid, path, header.grid, firstPath, name);
    else [header, firstPath] = [image.header, path];
    channels.push({ name: key, data: kept(image.voxels) });
  }
  if (!header) throw new DatasetError(`${name}: there are no images`, { hint: 'Check the folder.' });
  const { grid } = header;
  const warnings: string[] = [];
  const warn = (text: string): unknown => warnings.push(text);
  const mask = async (path: string, what: string): Promise<Uint8Array> => {
    const { volume, labels } = await readMask(await files.open(path), path, { maxBytes });
    requireGrid(volume.grid, path, grid, firstPath, name);
    const odd = describeLabels(labels, what);
    if (odd !== null) warn(`${path} ${odd}`);
    return volume.data;
  };

  const trust = dataset.choices?.trustBrain ?? false;
  const { whole = false } = options;
  if (!whole) requireChosen('brainmask', scan.contested?.brainmask, name);
  const brainMask = brainMaskOf(scan, chosen[0]?.[0]);
  const derived = brainMask === undefined;
  const brain = whole
    ? new Uint8Array(voxelCount(grid)).fill(1)
    : derived
      ? brainOfSkullStripped(channels, grid.shape, name, trust)
      : await mask(brainMask, 'brain');
  if (!brain.includes(1)) {
    throw new DatasetError(`${name}: the brain mask ${brainMask} is empty`, {
      hint: 'Make the mask again; it needs 1 inside the brain.',
    });
  }
  const { head, odd } = whole ? { head: null, odd: null } : judgeBrain(derived ? channels : [], brain, grid);
  const what = derived ? 'what is not 0 in its images' : `the brain mask ${brainMask}`;
  if (head !== null && !trust)
    throw new DatasetError(`${name}: ${what} looks like a whole head and not like a brain: ${head}`, {
      hint: NO_BRAIN_HINT,
      setting: 'trustBrain',
    });
  if (head !== null) warn(`${what} was taken for the brain, as asked, but looks like a whole head: ${head}`);
  if (odd !== null) warn(`${what} is an odd brain: ${odd}; check the voxel size`);
  if (options.requireLesions && scan.lesionMasks.size === 0) {
    throw new DatasetError(`${name}: there is no lesion mask`, {
      hint: 'Leave this subject out, or add a mask (BIDS: derivatives/NAME/sub-XX/anat/sub-XX_label-lesion_mask.nii.gz).',
    });
  }
  const raters = new Map<string, Uint8Array>();
  if (!options.targets) {
    if (scan.lesionMasks.size > 0) requireChosen('lesions', scan.contested?.lesions, name);
    for (const [rater, path] of scan.lesionMasks) raters.set(rater, await mask(path, 'lesion'));
  }
  const lesions = combineRaters(raters, options.rater ?? '1', name);

  const at = { grid, brain, path: firstPath };
  const { tissue: source = false, mapSource = true, rater } = options;
  const mapsOf = async (request: MapsRequest, from: MapSource): Promise<LabelMap[]> =>
    await loadMaps(dataset, scan, request, at, from, readOptions);
  const tissues = source
    ? tissuesOf(await mapsOf({ name: 'tissue', labels: TISSUES, complete: true }, source))
    : undefined;
  const maps = options.maps && {
    name: options.maps.name,
    list: await mapsOf(options.maps, mapSource),
    complete: options.maps.complete,
  };
  const targets = options.targets && new Map<string, Target>();
  for (const request of options.targets ?? [])
    targets?.set(
      request.name,
      await loadTarget(dataset, scan, request, at, { rater, maps: mapSource, warn }),
    );
  return {
    subject: scan.subject,
    session: scan.session,
    title: scan.title,
    entities: scan.entities,
    grid,
    header,
    channels,
    brain,
    brainSource: whole ? 'whole' : derived ? 'skull-stripped' : 'mask',
    ...(lesions ? { lesions } : {}),
    raters,
    ...(tissues ? { tissues } : {}),
    targets,
    maps,
    ...(warnings.length > 0 ? { warnings } : {}),
  };
}

/** The scan with other input maps, made a probability as those of files are; the given arrays stay as they are. */
export function withInputMaps<T extends Voxels>(scan: LoadedScan<T>, maps: InputMaps): LoadedScan<T> {
  const copies = maps.list.map(({ label, data }) => ({ label, data: data.slice() }));
  repairMaps(copies, scan.brain, scanName(scan), maps.complete);
  return { ...scan, maps: { ...maps, list: copies } };
}

/**
 * Where patches may be centred in training: the brain, and every voxel that a mask or label image marks, also outside
 * the brain mask.
 * @returns 1 inside.
 */
export function samplingMask({ brain, targets }: Pick<LoadedScan, 'brain' | 'targets'>): Uint8Array {
  const marks = [...(targets?.values() ?? [])].flatMap((target) => (target.marks ? target.channels : []));
  return marks.length === 0
    ? brain
    : brain.map((v, i) => (v !== 0 || marks.some((channel) => channel[i]! > 0) ? 1 : 0));
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
        hint: 'Add the image to the data set, or leave this subject out.',
      });
    }
    return [key, scan.modalities.get(key)!];
  });
  const twice = chosen.find(([key], i) => chosen.findIndex(([other]) => other === key) !== i);
  if (twice) throw new DatasetError(`modality ${twice[0]} is asked for twice (${wanted.join(', ')})`);
  return chosen;
}
