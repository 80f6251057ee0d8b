import { type Scan, scanFolder, scanName } from './dataset.ts';

/** What a prediction's file holds. */
export interface PredictionKind {
  /** The label of a mask or map. */
  readonly label?: string | undefined;
  /** The head of a label image or a map of values. */
  readonly desc?: string | undefined;
  /** `mask`, `probseg`, `dseg`, or that of a map of values. */
  readonly suffix: string;
}

/** `sub-26/ses-02/anat/sub-26_ses-02_label-lesion_mask.nii.gz`: where a prediction goes, as a BIDS derivative. */
export function predictionPath(
  scan: Pick<Scan, 'subject' | 'session'>,
  { label, desc, suffix }: PredictionKind,
  extension = 'nii.gz',
): string {
  const entities = [
    ...(desc === undefined ? [] : [`desc-${desc}`]),
    ...(label === undefined ? [] : [`label-${label}`]),
  ];
  return `${scanFolder(scan)}/${[scanName(scan), ...entities, suffix].join('_')}.${extension}`;
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
