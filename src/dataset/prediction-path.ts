import { type Scan, scanFolder, scanName } from './dataset.ts';

/** What a prediction's file holds: a mask or a map of one label. */
export interface PredictionKind {
  readonly label: 'lesion' | 'GM' | 'WM' | 'CSF';
  readonly suffix: 'mask' | 'probseg';
}

/** `sub-26/ses-02/anat/sub-26_ses-02_label-lesion_mask.nii.gz`: where a prediction goes, as a BIDS derivative. */
export function predictionPath(scan: Pick<Scan, 'subject' | 'session'>, kind: PredictionKind): string {
  return `${scanFolder(scan)}/${scanName(scan)}_label-${kind.label}_${kind.suffix}.nii.gz`;
}
