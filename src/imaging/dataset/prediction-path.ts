import type { FileSource } from '../../core/files.ts';
import { type Scan, scanFolder, scanName } from './dataset.ts';
import { listFiles } from './tissue-files.ts';

/** What a prediction's file holds. */
export interface PredictionKind {
  /** The label of a mask or map. */
  readonly label?: string | undefined;
  /** The head of a label image or a map of values. */
  readonly desc?: string | undefined;
  /** `mask`, `probseg`, `dseg`, or that of a map of values. */
  readonly suffix: string;
}

/** Whose prediction it is. */
export type PredictedId = Pick<Scan, 'subject' | 'session' | 'entities'>;

/**
 * `sub-26/ses-02/anat/sub-26_ses-02_space-orig_label-L_mask.nii.gz`: where a prediction goes, as a BIDS derivative on the
 * scan's own grid. `L` is BIDS's label of lesions. Entities of the source (`acq-3D_run-2`) are kept.
 */
export function predictionPath(scan: PredictedId, kind: PredictionKind, extension = 'nii.gz'): string {
  return `${scanFolder(scan)}/${predictionName(scanName(scan), scan.entities, kind, extension)}`;
}

/** A label as it stands in the names of files: `L` is BIDS's for lesions. */
export function labelInNames(label: string): string {
  return label === 'lesion' ? 'L' : label;
}

/** The file's name alone, for whatever it begins with. */
export function predictionName(
  stem: string,
  entities: string | undefined,
  { label, desc, suffix }: PredictionKind,
  extension = 'nii.gz',
): string {
  const parts = [
    stem,
    ...(entities ? [entities] : []),
    'space-orig',
    ...(label === undefined ? [] : [`label-${labelInNames(label)}`]),
    ...(desc === undefined ? [] : [`desc-${desc}`]),
    suffix,
  ];
  return `${parts.join('_')}.${extension}`;
}

/** {@link predictionPath}, and after it the names that earlier versions gave. */
export function predictionPaths(scan: PredictedId, kind: PredictionKind): string[] {
  const old = `${scanFolder(scan)}/${scanName(scan)}_label-${kind.label}_${kind.suffix}.nii.gz`;
  return [predictionPath(scan, kind), old];
}

/** Where a prediction lies in a tree; the path that it would be written to if it is not there. */
export async function findPredicted(
  files: FileSource,
  scan: PredictedId,
  kind: PredictionKind,
): Promise<string> {
  const paths = predictionPaths(scan, kind);
  const { names } = await listFiles(files, scanFolder(scan));
  return paths.find((path) => names.includes(path.split('/').at(-1)!)) ?? paths[0]!;
}

/** What the challenge calls a visit: `test01_02`, whose mask is `test01_02_TEAM.nii`. */
export interface SubmissionName {
  readonly subject: string;
  readonly session: string;
  readonly team: string;
}

/** Takes the name of a mask of an ISBI 2015 submission apart; `undefined` where it is none. */
export function parseSubmissionName(name: string): SubmissionName | undefined {
  const match = /^((?:training|test)\d+)_(\d+)_([A-Za-z0-9][\w-]*)\.nii(?:\.gz)?$/.exec(name);
  return match ? { subject: match[1]!, session: match[2]!, team: match[3]! } : undefined;
}
