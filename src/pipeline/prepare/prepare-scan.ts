import { DatasetError } from '../../core/errors.ts';
import type { AbortSignal } from '../../core/globals.ts';
import { setting, worded } from '../../core/wording.ts';
import { correctBias } from '../../imaging/bias/correct-bias.ts';
import { type Dataset, type Scan, scanName } from '../../imaging/dataset/dataset.ts';
import { type NiftiImage, readMask, readNifti } from '../../imaging/nifti/read.ts';
import { type Compare, type Registration, registerVolumes } from '../../imaging/register/register.ts';
import { resample } from '../../imaging/volume/resample.ts';
import { movedGrid, resampleSpline } from '../../imaging/volume/resample-spline.ts';
import { sameGrid, type Volume } from '../../imaging/volume/volume.ts';
import { checkBrain, checkField, checkImage, checkRegistration } from './checks.ts';

/** Finds the brain in an image of a head: 1 inside, by voxel. */
export type FindBrain = (image: NiftiImage, modality: string) => Promise<Uint8Array>;

/** The network that finds brains, as sidecars tell of it. */
export interface BrainModelFacts {
  readonly name: string;
  readonly sha256: string;
  /** A voxel is brain where its probability is at or above this; undefined for the most probable label. */
  readonly threshold: number | undefined;
}

/** What the steps need beside the files. */
export interface PrepareTools {
  /** Counts joint histograms: `gpuComparison(gpu)`. */
  readonly compare: Compare;
  /** For scans without a brain mask. */
  readonly findBrain?: FindBrain | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of a step's beginning: `registration`. */
  onStep?(step: string): void;
  /** Shown the brain before it is judged. */
  onBrain?(flair: Volume, brain: Uint8Array): void;
}

/** A scan whose images lie on the FLAIR's grid, evenly bright. */
export interface PreparedImages {
  readonly header: NiftiImage['header'];
  readonly flair: Volume;
  readonly brain: Volume<Uint8Array>;
  /** Undefined for a FLAIR alone. */
  readonly t1w: { readonly volume: Volume; readonly registration: Registration } | undefined;
  /** 95th over 5th percentile of the fields that were taken out, by image. */
  readonly fields: Readonly<Record<string, number>>;
  /** Where the brain mask comes from: `file` or `found`. */
  readonly brainFrom: 'file' | 'found';
  readonly warnings: readonly string[];
}

/**
 * Brings a scan's raw FLAIR and T1w to the FLAIR's own grid: the brain, then the transform, one resampling, the bias fields. Each step is
 * checked, and what cannot be right is refused.
 *
 * @throws DatasetError naming the scan, the step and what to do; FileFormatError; what the tools throw
 */
export async function prepareScan(
  dataset: Dataset,
  scan: Scan,
  tools: PrepareTools,
): Promise<PreparedImages> {
  const name = scanName(scan);
  const { compare, signal } = tools;
  const step = (what: string): void => {
    signal?.throwIfAborted();
    tools.onStep?.(what);
  };
  step('reading');
  const flair = await readImage(dataset, scan, 'FLAIR');
  if (!flair)
    throw new DatasetError(
      `${name}: there is no FLAIR; there are ${[...scan.modalities.keys()].join(', ') || 'no images'}`,
      {
        hint: worded`Name the file with ${setting('flair')}.`,
      },
    );
  const t1w = await readImage(dataset, scan, 'T1w');
  const warnings: string[] = [];
  if (!t1w) warnings.push('there is no T1w: the FLAIR alone was prepared');

  step('brain');
  const { grid } = flair.volume;
  const register = async (mask?: Uint8Array): Promise<Registration> =>
    await registerVolumes(compare, flair.volume, t1w!.volume, { mask, signal });
  const given = scan.brainMask === undefined ? undefined : await readGiven(dataset, scan.brainMask);
  let brain: Uint8Array;
  if (given && sameGrid(given.grid, grid)) brain = given.data;
  else if (given && t1w && sameGrid(given.grid, t1w.volume.grid)) {
    const { transform } = await register();
    const share = resample({ grid: movedGrid(given.grid, transform), data: given.data }, grid);
    brain = Uint8Array.from(share.data, (v) => (v >= 0.5 ? 1 : 0));
  } else if (given)
    throw new DatasetError(`${name}: the brain mask ${scan.brainMask} has the grid of no image of the scan`, {
      hint: 'Give a mask on the grid of the FLAIR or of the T1w.',
    });
  else if (tools.findBrain) brain = await tools.findBrain(flair, 'FLAIR');
  else
    throw new DatasetError(`${name}: there is no brain mask`, {
      hint: worded`Give one on the grid of the FLAIR or the T1w with ${setting('brainMask')} (in BIDS: derivatives/NAME/sub-XX/anat/sub-XX_desc-brain_mask.nii.gz), or a network that finds it with ${setting('brainModel')}.`,
    });
  tools.onBrain?.(flair.volume, brain);
  warnings.push(...checkBrain(flair.volume, brain, name, given ? 'file' : 'found'));

  let moved: { volume: Volume; registration: Registration } | undefined;
  if (t1w) {
    step('registration');
    const registration = await register(brain);
    checkRegistration(registration, name, 'T1w');
    const onFlair = { grid: movedGrid(t1w.volume.grid, registration.transform), data: t1w.volume.data };
    moved = { volume: resampleSpline(onFlair, grid), registration };
  }

  step('bias field');
  const fields: Record<string, number> = {};
  const even = (image: Volume, what: string): Volume => {
    const { data, spread } = correctBias(image, brain);
    checkField(spread, name, what);
    fields[what] = spread;
    return { grid, data };
  };
  return {
    header: flair.header,
    flair: even(flair.volume, 'FLAIR'),
    brain: { grid, data: brain },
    t1w: moved && { ...moved, volume: even(moved.volume, 'T1w') },
    fields,
    brainFrom: given ? 'file' : 'found',
    warnings,
  };
}

async function readImage(
  { files, maxImageBytes }: Dataset,
  scan: Scan,
  modality: string,
): Promise<NiftiImage | undefined> {
  const path = scan.modalities.get(modality);
  if (path === undefined) return undefined;
  const image = await readNifti(await files.open(path), path, { maxBytes: maxImageBytes });
  checkImage(image.volume, modality, path);
  return image;
}

async function readGiven({ files, maxImageBytes }: Dataset, path: string): Promise<Volume<Uint8Array>> {
  return (await readMask(await files.open(path), path, { maxBytes: maxImageBytes })).volume;
}
