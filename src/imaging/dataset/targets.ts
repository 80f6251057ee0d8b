import { DatasetError } from '../../core/errors.ts';
import type { FileSource } from '../../core/files.ts';
import { setting, worded } from '../../core/wording.ts';
import { type ReadNiftiOptions, readMask, readNifti } from '../nifti/read.ts';
import type { Grid } from '../volume/volume.ts';
import { requireChosen } from './choices.ts';
import { type Dataset, type Scan, scanName } from './dataset.ts';
import { type LabelMap, mapsName, repairMaps } from './label-maps.ts';
import { requireGrid, toGrid } from './on-grid.ts';
import { combineRaters, describeLabels, type RaterChoice } from './raters.ts';

/** Where what is to be learned lies in a data set. */
export type TargetSource =
  /** A mask a label, `label-L_mask`, of one or more raters; `labels` are the names in the files if they differ. */
  | { readonly from: 'mask'; readonly labels?: readonly string[] | undefined }
  /** A label image, `_dseg`, with one value a label (default 1, 2, 3, …); `source` is a derivatives folder. */
  | {
      readonly from: 'dseg';
      readonly values?: readonly number[] | undefined;
      readonly source?: string | undefined;
    }
  /**
   * A probability map a label, `label-L_probseg`, or SPM's c1, c2, c3 for GM, WM and CSF. `complete`: the labels make up
   * the whole brain, and the maps are scaled to sum to 1 in it.
   */
  | { readonly from: 'probseg'; readonly complete?: boolean | undefined }
  /** One map of values by its suffix, such as `T1map`. */
  | { readonly from: 'map'; readonly suffix: string }
  /** A number of the whole scan: a column of participants.tsv. */
  | { readonly from: 'column'; readonly column: string };

/** What is to be loaded as a target. */
export interface TargetRequest {
  /** What messages and the loaded targets call it. */
  readonly name: string;
  /** One channel each; empty for values. */
  readonly labels: readonly string[];
  readonly source: TargetSource;
  /** Whether a voxel has one label only: of labels that overlap the first counts. */
  readonly exclusive: boolean;
}

/** A target in memory. */
export interface Target {
  /** A label's channels each, or one channel of values; every array has the grid's voxels. Empty for a scan's number. */
  readonly channels: readonly (Uint8Array | Float32Array)[];
  /** The number of the whole scan. */
  readonly value?: number | undefined;
  /** Whether marked voxels outside the brain count: those of masks and label images are real. */
  readonly marks: boolean;
  readonly exclusive: boolean;
  /** Values that a label image holds, for messages. */
  readonly found?: readonly number[] | undefined;
}

/** Whose maps are read: a source's name, or true for the preferred ones. */
export type MapSource = string | true;

/** Probability maps by source, those that are preferred first: tissue maps, then those of other labels. */
export function mapSources(
  scan: Scan,
): Map<string, { readonly paths: ReadonlyMap<string, string>; readonly files?: FileSource | undefined }> {
  const sources = new Map<string, { paths: Map<string, string>; files?: FileSource | undefined }>();
  for (const [source, { GM, WM, CSF, files }] of scan.tissues) {
    const paths = new Map(Object.entries({ GM, WM, CSF }));
    sources.set(source, { paths, files });
  }
  for (const [source, maps] of scan.labelled?.maps ?? []) {
    const known = sources.get(source);
    const paths = new Map([...maps, ...(known?.paths ?? [])]);
    // Another tree's tissue maps do not lie where this scan's other maps do.
    if (!known?.files) sources.set(source, { paths });
  }
  return sources;
}

/** The source that holds maps of all labels; undefined if there is none. */
export function findMaps(
  scan: Scan,
  labels: readonly string[],
  wanted: MapSource,
): { readonly paths: readonly string[]; readonly files?: FileSource | undefined } | undefined {
  for (const [source, { paths, files }] of mapSources(scan)) {
    if (wanted !== true && wanted !== source) continue;
    if (labels.every((label) => paths.has(label)))
      return { paths: labels.map((label) => paths.get(label)!), files };
  }
  return undefined;
}

/** The masks of a label by rater; undefined if there are none. */
export function masksOf(scan: Scan, label: string): ReadonlyMap<string, string> | undefined {
  if (label === 'lesion') return scan.lesionMasks.size > 0 ? scan.lesionMasks : undefined;
  return scan.labelled?.masks.get(label);
}

/** The path of a map of values: of derivatives, or of the images themselves. */
function valueMap(scan: Scan, suffix: string): string | undefined {
  return scan.labelled?.values.get(suffix) ?? scan.modalities.get(suffix);
}

function segmentationOf(scan: Scan, source: string | undefined): string | undefined {
  const found = scan.labelled?.segmentations;
  return source === undefined ? found?.values().next().value : found?.get(source);
}

/** The labels as the files of masks name them. */
function maskLabels({ labels, source }: TargetRequest): readonly string[] {
  return source.from === 'mask' ? (source.labels ?? labels) : labels;
}

/** What a target is read from, for messages: `lesion mask`, `label image (_dseg)`, `maps of A, B`. */
export function describeTarget(request: TargetRequest): string {
  const { source } = request;
  switch (source.from) {
    case 'mask':
      return `${maskLabels(request).join(' or ')} mask`;
    case 'dseg':
      return source.source === undefined ? 'label image (_dseg)' : `label image (_dseg) of ${source.source}`;
    case 'probseg':
      return mapsName(request.labels);
    case 'map':
      return `${source.suffix} map`;
    case 'column':
      return `number in the column ${source.column} of participants.tsv`;
  }
}

/** Whether a scan has what a target is read from. Reads no image. */
export function hasTarget(dataset: Dataset, scan: Scan, request: TargetRequest, maps: MapSource): boolean {
  const { source } = request;
  switch (source.from) {
    case 'mask':
      return maskLabels(request).some((label) => masksOf(scan, label) !== undefined);
    case 'dseg':
      return segmentationOf(scan, source.source) !== undefined;
    case 'probseg':
      return findMaps(scan, request.labels, maps) !== undefined;
    case 'map':
      return valueMap(scan, source.suffix) !== undefined;
    case 'column':
      return Number.isFinite(columnValue(dataset, scan, source.column));
  }
}

/** What there is of the kind that a target is read from, in the whole data set: for messages. */
export function availableTargets(dataset: Dataset, { source }: TargetRequest): string {
  const scans = dataset.subjects.flatMap((subject) => subject.scans);
  const list = (names: Iterable<string>): string => [...new Set(names)].sort().join(', ') || 'none';
  switch (source.from) {
    case 'mask':
      return `masks of ${list(
        scans.flatMap((scan) => [
          ...(scan.lesionMasks.size > 0 ? ['lesion'] : []),
          ...(scan.labelled?.masks.keys() ?? []),
        ]),
      )}`;
    case 'dseg':
      return `label images of ${list(scans.flatMap((scan) => [...(scan.labelled?.segmentations.keys() ?? [])]))}`;
    case 'probseg':
      return `maps of ${list(
        scans.flatMap((scan) =>
          [...mapSources(scan)].map(([name, { paths }]) => `${[...paths.keys()].join(' ')} (${name})`),
        ),
      )}`;
    case 'map':
      return `maps ${list(scans.flatMap((scan) => [...(scan.labelled?.values.keys() ?? []), ...scan.modalities.keys()]))}`;
    case 'column':
      return dataset.participants
        ? `columns ${dataset.participants.columns.join(', ') || 'none'}`
        : 'no participants.tsv';
  }
}

/** NaN for a cell that is not a number, or not there. */
function columnValue(dataset: Dataset, { subject }: Scan, column: string): number {
  const text = dataset.participants?.rows.get(subject)?.get(column);
  return text === undefined || text === '' ? Number.NaN : Number(text);
}

/** The number of a scan that a target from a column is; NaN for anything else, and if there is none. */
export function scanValue(dataset: Dataset, scan: Scan, { source }: TargetRequest): number {
  return source.from === 'column' ? columnValue(dataset, scan, source.column) : Number.NaN;
}

/** @throws DatasetError if the target's masks come from several sources and none was chosen. */
export function requireChosenTarget(scan: Scan, request: TargetRequest): void {
  const lesions = request.source.from === 'mask' && maskLabels(request).includes('lesion');
  if (lesions) requireChosen('lesions', scan.contested?.lesions, scanName(scan));
}

/** A file that is read, and what it serves as. */
export interface RoledPath {
  /** `FLAIR`, `brain mask`, `lesion mask, rater 1`, `GM map`. */
  readonly role: string;
  readonly path: string;
  readonly files: FileSource;
}

/** The files that a target is read from. */
export function targetPaths(
  dataset: Dataset,
  scan: Scan,
  request: TargetRequest,
  maps: MapSource,
): RoledPath[] {
  const { source } = request;
  const { files } = dataset;
  switch (source.from) {
    case 'mask':
      return maskLabels(request).flatMap((label) =>
        [...(masksOf(scan, label) ?? [])].map(([rater, path]) => ({
          role: `${label} mask, rater ${rater}`,
          path,
          files,
        })),
      );
    case 'dseg': {
      const path = segmentationOf(scan, source.source);
      return path === undefined ? [] : [{ role: 'label image', path, files }];
    }
    case 'probseg':
      return mapPaths(dataset, scan, request.labels, maps);
    case 'map': {
      const path = valueMap(scan, source.suffix);
      return path === undefined ? [] : [{ role: `${source.suffix} map`, path, files }];
    }
    case 'column':
      return [{ role: `column ${source.column}`, path: 'participants.tsv', files }];
  }
}

/** The files that probability maps are read from. */
export function mapPaths(
  dataset: Dataset,
  scan: Scan,
  labels: readonly string[],
  source: MapSource,
): RoledPath[] {
  const found = findMaps(scan, labels, source);
  const files = found?.files ?? dataset.files;
  return (found?.paths ?? []).map((path, i) => ({ role: `${labels[i]} map`, path, files }));
}

/** The scan's voxels that what is read must share. */
export interface TargetGrid {
  readonly grid: Grid;
  /** 1 inside. */
  readonly brain: Uint8Array;
  /** What messages call the image whose grid it is. */
  readonly path: string;
}

/** How a target is loaded. */
export interface LoadTargetOptions {
  /** Which rater's mask, for labels with more than one (default `1`). */
  readonly rater?: RaterChoice | undefined;
  /** Whose probability maps (default: the preferred ones). */
  readonly maps?: MapSource | undefined;
  /** Told, in a clause, what is odd about a file. */
  readonly warn?: ((text: string) => unknown) | undefined;
}

/**
 * Reads a target of a scan.
 * @throws DatasetError if the scan has none, naming what it has; for a rater that is not there; for maps that hold no
 *   probabilities and label images that hold no whole numbers. GridMismatchError for another grid than the scan's;
 *   FileFormatError, StorageError.
 */
export async function loadTarget(
  dataset: Dataset,
  scan: Scan,
  request: TargetRequest,
  at: TargetGrid,
  { rater = '1', maps = true, warn = () => {} }: LoadTargetOptions = {},
): Promise<Target> {
  const { source, labels, exclusive } = request;
  const { files } = dataset;
  switch (source.from) {
    case 'mask': {
      const channels: (Uint8Array | Float32Array)[] = [];
      requireChosenTarget(scan, request);
      if (!hasTarget(dataset, scan, request, maps)) throw missing(dataset, scan, request);
      for (const label of maskLabels(request)) {
        const raters = new Map<string, Uint8Array>();
        for (const [name, path] of masksOf(scan, label) ?? []) {
          const { volume, labels: held } = await readMask(await files.open(path), path, {
            maxBytes: dataset.maxImageBytes,
          });
          const odd = describeLabels(held, label);
          if (odd !== null) warn(`${path} ${odd}`);
          requireGrid(volume.grid, path, at.grid, at.path, scanName(scan));
          raters.set(name, volume.data);
        }
        // A label that a scan has no mask of does not occur in it.
        channels.push(combineRaters(raters, rater, scanName(scan)) ?? new Uint8Array(at.brain.length));
      }
      return { channels: exclusive ? firstOnly(channels) : channels, marks: true, exclusive };
    }
    case 'dseg': {
      const path = segmentationOf(scan, source.source);
      if (path === undefined) throw missing(dataset, scan, request);
      const { volume } = await readNifti(await files.open(path), path, { maxBytes: dataset.maxImageBytes });
      const data = toGrid(volume, path, at.grid, at.path, scanName(scan));
      const values = source.values ?? labels.map((_, i) => i + 1);
      const found = labelValues(data, path);
      const channels = values.map((value) => Uint8Array.from(data, (v) => (v === value ? 1 : 0)));
      return { channels, marks: true, exclusive, found };
    }
    case 'probseg': {
      const channels = await loadMaps(
        dataset,
        scan,
        { name: request.name, labels, complete: source.complete ?? false },
        at,
        maps,
      );
      return { channels: channels.map(({ data }) => data), marks: false, exclusive };
    }
    case 'map': {
      const path = valueMap(scan, source.suffix);
      if (path === undefined) throw missing(dataset, scan, request);
      const { volume } = await readNifti(await files.open(path), path, { maxBytes: dataset.maxImageBytes });
      return {
        channels: [toGrid(volume, path, at.grid, at.path, scanName(scan))],
        marks: false,
        exclusive: false,
      };
    }
    case 'column': {
      const value = columnValue(dataset, scan, source.column);
      if (!Number.isFinite(value)) throw missing(dataset, scan, request);
      return { channels: [], value, marks: false, exclusive: false };
    }
  }
}

/** Probability maps that are read together. */
export interface MapsRequest {
  /** What they are called together: `tissue`. */
  readonly name: string;
  readonly labels: readonly string[];
  /** Whether the labels make up the whole brain. */
  readonly complete: boolean;
}

/**
 * Reads probability maps of a scan on its grid, made a probability (see {@link repairMaps}). Maps whose axes are stored
 * in another order or direction are brought to the scan's.
 * @throws as {@link loadTarget}
 */
export async function loadMaps(
  dataset: Dataset,
  scan: Scan,
  { labels, complete }: MapsRequest,
  { grid, brain, path: first }: TargetGrid,
  source: MapSource,
  options: ReadNiftiOptions = {},
): Promise<LabelMap[]> {
  const name = scanName(scan);
  const found = findMaps(scan, labels, source);
  if (!found) {
    const present = [...mapSources(scan).keys()].join(', ') || 'none';
    throw new DatasetError(
      `${name}: there are no ${mapsName(labels)}${source === true ? '' : ` from ${source}; there are ${present}`}`,
      {
        hint: worded`Make them with SPM (c1, c2, c3 beside the T1 or in derivatives), or give their folder with ${setting('maps')}.`,
      },
    );
  }
  const maps: LabelMap[] = [];
  for (const [i, path] of found.paths.entries()) {
    const { volume } = await readNifti(await (found.files ?? dataset.files).open(path), path, options);
    maps.push({ label: labels[i]!, data: toGrid(volume, path, grid, first, name) });
  }
  repairMaps(maps, brain, name, complete);
  return maps;
}

/** The distinct whole numbers of a label image, sorted. @throws DatasetError for one that is none. */
function labelValues(data: Float32Array, path: string): number[] {
  const values = new Set<number>();
  for (let i = 0; i < data.length; i++) values.add(data[i]!);
  const bad = [...values].find((v) => !Number.isInteger(v));
  if (bad !== undefined)
    throw new DatasetError(`${path}: holds the value ${bad}, which is not a label`, {
      hint: 'A label image holds whole numbers; for probabilities use a target from probseg.',
    });
  return [...values].sort((a, b) => a - b);
}

/** Channels of which at most one is 1 in a voxel: the first. */
export function firstOnly(
  channels: readonly (Uint8Array | Float32Array)[],
): readonly (Uint8Array | Float32Array)[] {
  if (channels.length < 2) return channels;
  const left = new Float32Array(channels[0]!.length).fill(1);
  return channels.map((channel) => {
    const own = channel.slice();
    for (let i = 0; i < own.length; i++) {
      own[i] = Math.min(own[i]!, left[i]!);
      left[i]! -= own[i]!;
    }
    return own;
  });
}

function missing(dataset: Dataset, scan: Scan, request: TargetRequest): DatasetError {
  return new DatasetError(
    `${scanName(scan)}: there is no ${describeTarget(request)} for ${request.name}; there are ${availableTargets(dataset, request)}`,
    { hint: 'Leave this scan out, or correct where the task says that the target comes from.' },
  );
}
