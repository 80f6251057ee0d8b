import { DatasetError } from '../../core/errors.ts';
import type { FileSource } from '../../core/files.ts';
import { setting, worded } from '../../core/wording.ts';
import type { ContestedPurpose, DatasetChoices } from './choices.ts';
import { compareModalities } from './modality.ts';
import type { Participants } from './participants.ts';

/** Where the three tissue probability maps of a scan are. */
export interface TissuePaths {
  readonly GM: string;
  readonly WM: string;
  readonly CSF: string;
  /** Who made them: the derivatives folder's name, or the folder they lie in. */
  readonly source: string;
  /** The tree that holds them, where it is not the data set's own. */
  readonly files?: FileSource;
}

/** Files of a scan, beside lesion masks and tissue maps, that say what its voxels are: what a task can learn. */
export interface LabelFiles {
  /** Masks by label (`label-stroke_mask`), then by rater. */
  readonly masks: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Label images (`_dseg`) by source: the derivatives folder's name, or `raw` for those beside the images. */
  readonly segmentations: ReadonlyMap<string, string>;
  /** Probability maps (`label-stroke_probseg`) by source, then by label. */
  readonly maps: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Other maps of values in derivatives by suffix (`T1map`). */
  readonly values: ReadonlyMap<string, string>;
}

/** One visit of one patient. All paths are relative to the data set's root. */
export interface Scan {
  readonly subject: string;
  /** Visit, or null in a data set without visits. */
  readonly session: string | null;
  /** What messages call it if it is no subject of a data set. */
  readonly title?: string | undefined;
  /** Entities that tell its images apart from others of the visit, of the first modality: `acq-3D_run-2`. */
  readonly entities?: string | undefined;
  /** By canonical name (`FLAIR`, `T1w`, `T2w`, `PDw`, `ce-gadolinium_T1w`, ...), in that order. */
  readonly modalities: ReadonlyMap<string, string>;
  /** Lesion masks by rater, sorted; one unnamed mask is rater `1`. */
  readonly lesionMasks: ReadonlyMap<string, string>;
  /** A lesion probability map, as predictions have one. */
  readonly lesionProbability?: string | undefined;
  readonly brainMask?: string | undefined;
  /** Brain masks that lie in the space of one image (`space-T1w`), by that image's modality: see {@link brainMaskOf}. */
  readonly brainMasks?: ReadonlyMap<string, string> | undefined;
  /** Tissue maps by source; the first is the one used unless another is asked for (SPM's before others). */
  readonly tissues: ReadonlyMap<string, TissuePaths>;
  /** Masks, label images and maps of anything else; missing in layouts that have no names for them. */
  readonly labelled?: LabelFiles | undefined;
  /** Folders of derivatives that compete for a purpose, where nobody has chosen: see `requireChosen`. */
  readonly contested?: Readonly<Partial<Record<ContestedPurpose, readonly string[]>>>;
}

/** A patient with all visits. Folds are made of patients, never of scans. */
export interface Subject {
  readonly id: string;
  readonly scans: readonly Scan[];
}

/** What was found in a folder of images. */
export interface Dataset {
  readonly layout: 'bids' | 'isbi2015' | 'files';
  /** The folder's name, for messages. */
  readonly name: string;
  readonly files: FileSource;
  /** Sorted by id. */
  readonly subjects: readonly Subject[];
  /** Things found that were left aside, and why. */
  readonly warnings: readonly string[];
  /** The table `participants.tsv`, if there is one. */
  readonly participants?: Participants | undefined;
  /** Most bytes of memory that one of its images may take (default: that of `readNifti`). */
  readonly maxImageBytes?: number;
  /** What was chosen when it was opened. */
  readonly choices?: DatasetChoices;
}

/** The brain mask of a scan whose images are read with this one first: that of its own space, if there is one. */
export function brainMaskOf(scan: Scan, first: string | undefined): string | undefined {
  if (scan.brainMask === undefined || first === undefined) return scan.brainMask;
  return scan.brainMasks?.get(first) ?? scan.brainMask;
}

/** `sub-07` or `sub-07_ses-02`: how messages and BIDS file names call a scan; the title of one that has one. */
export function scanName(scan: Pick<Scan, 'subject' | 'session' | 'title'>): string {
  return scan.title ?? `sub-${scan.subject}${scan.session === null ? '' : `_ses-${scan.session}`}`;
}

/** `sub-07/anat` or `sub-07/ses-02/anat`: where a BIDS derivative of a scan goes. */
export function scanFolder(scan: Pick<Scan, 'subject' | 'session'>): string {
  return `sub-${scan.subject}/${scan.session === null ? '' : `ses-${scan.session}/`}anat`;
}

/**
 * The subject that an id means: its own name, with or without `sub-`; in the ISBI layout also the number alone
 * where it is clear (`01` for `training01`).
 * @throws DatasetError where there is none, or more than one; the message lists those that exist.
 */
export function findSubject(dataset: Dataset, id: string): Subject {
  const wanted = id.trim().replace(/^sub-/, '');
  const exact = dataset.subjects.find((subject) => subject.id === wanted);
  if (exact) return exact;
  const numbered =
    dataset.layout === 'isbi2015'
      ? dataset.subjects.filter((s) => s.id === `training${wanted}` || s.id === `test${wanted}`)
      : [];
  if (numbered.length === 1) return numbered[0]!;
  const all = dataset.subjects.map((subject) => subject.id).join(', ');
  if (numbered.length > 1) {
    throw new DatasetError(
      `${dataset.name}: subject ${wanted} may be ${numbered.map((s) => s.id).join(' or ')}`,
      { hint: 'Give the whole name.' },
    );
  }
  throw new DatasetError(`${dataset.name}: there is no subject ${JSON.stringify(wanted)}; there are ${all}`, {
    hint: `Choose from: ${all}.`,
  });
}

/**
 * All scans of the named subjects, in the data set's order, each once. An id may name one visit only, as
 * `sub-07_ses-02` or ISBI's `training01_02`.
 * @param ids all subjects if left out.
 * @param visits of these scans, only those with one of these labels, with or without `ses-`; all if left out.
 * @throws DatasetError for an unknown subject or visit.
 */
export function findScans(dataset: Dataset, ids?: readonly string[], visits?: readonly string[]): Scan[] {
  const scans = scansOf(dataset, ids);
  if (!visits) return scans;
  const wanted = visits.map((visit) => visit.trim().replace(/^ses-/, ''));
  const known = [...new Set(scans.flatMap(({ session }) => session ?? []))].sort();
  const unknown = wanted.find((visit) => !known.includes(visit));
  if (unknown !== undefined) {
    const there = known.length > 0 ? `there are ${known.join(', ')}` : 'no scan belongs to a visit';
    throw new DatasetError(
      `${dataset.name}: ${ids ? 'these subjects have' : 'there is'} no visit ${JSON.stringify(unknown)}; ${there}`,
      { hint: known.length > 0 ? `Choose from: ${known.join(', ')}.` : 'Leave the visits out.' },
    );
  }
  return scans.filter(({ session }) => session !== null && wanted.includes(session));
}

function scansOf(dataset: Dataset, ids: readonly string[] | undefined): Scan[] {
  if (!ids) return dataset.subjects.flatMap((subject) => subject.scans);
  const wanted = new Set<Scan>();
  for (const id of ids) {
    const [name = '', visit] = id.trim().split(/_ses-|_/, 2);
    const subject = findSubject(dataset, name);
    const scans = visit === undefined ? subject.scans : subject.scans.filter((s) => s.session === visit);
    if (scans.length === 0) {
      throw new DatasetError(
        `${dataset.name}: subject ${subject.id} has no visit ${JSON.stringify(visit)}; it has ${subject.scans.map((s) => s.session ?? 'none').join(', ')}`,
        { hint: 'Give the subject alone for all its visits.' },
      );
    }
    for (const scan of scans) wanted.add(scan);
  }
  return dataset.subjects.flatMap((subject) => subject.scans).filter((scan) => wanted.has(scan));
}

/** An image after a contrast agent: `ce-gadolinium_T1w`. */
export function isContrastEnhanced(modality: string): boolean {
  return modality.startsWith('ce-');
}

/** The channels of a model of these scans if nobody names them. */
export interface DefaultModalities {
  /** In canonical order. */
  readonly modalities: readonly string[];
  /** Images after a contrast agent, which are only used if they are named. */
  readonly leftOut: readonly string[];
}

/**
 * The modalities to use for scans if none are named: all that they have, except those after a contrast agent. None is
 * ever dropped because some scan lacks it.
 * @throws DatasetError that names who lacks what.
 */
export function defaultModalities(scans: readonly Scan[]): DefaultModalities {
  const all = [...new Set(scans.flatMap((scan) => [...scan.modalities.keys()]))].sort(compareModalities);
  const modalities = all.filter((name) => !isContrastEnhanced(name));
  const lacking = modalities.flatMap((name) => {
    const without = scans.filter((scan) => !scan.modalities.has(name)).map(scanName);
    return without.length > 0 ? [`${name} (not there for ${shortList(without)})`] : [];
  });
  if (lacking.length > 0) {
    const common = commonModalities(scans).filter((name) => !isContrastEnhanced(name));
    throw new DatasetError(`the scans do not have the same images: ${lacking.join('; ')}`, {
      hint: worded`Name the images to use by ${setting('modalities', common.join(',') || 'NAME')}, or leave these patients out.`,
    });
  }
  const leftOut = all.filter(isContrastEnhanced);
  if (modalities.length === 0)
    throw new DatasetError(
      leftOut.length > 0
        ? `the scans have only images after a contrast agent: ${leftOut.join(', ')}`
        : 'the scans have no images',
      { hint: worded`Name the images to use by ${setting('modalities')}.` },
    );
  return { modalities, leftOut };
}

/** That images after a contrast agent are not used. */
export function describeLeftOut(modalities: readonly string[]): string {
  return `${modalities.join(', ')} left out: images after a contrast agent are used only if they are named`;
}

/** `a, b, c and 4 more`. */
export function shortList(words: readonly string[], shown = 6): string {
  const rest = words.length - shown;
  return rest > 1 ? `${words.slice(0, shown).join(', ')} and ${rest} more` : words.join(', ');
}

/** Modalities that every one of the scans has, in canonical order: the channels of a model that fits them all. */
export function commonModalities(scans: readonly Scan[]): string[] {
  const [first, ...rest] = scans;
  if (!first) return [];
  return [...first.modalities.keys()]
    .filter((name) => rest.every((scan) => scan.modalities.has(name)))
    .sort(compareModalities);
}
