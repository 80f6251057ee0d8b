import type { FileSink } from '../core/files.ts';
import { type Scan, scanFolder, scanName } from '../dataset/dataset.ts';
import type { LoadedScan } from '../dataset/load-scan.ts';
import { predictionPath } from '../dataset/prediction-path.ts';
import type { TissueMaps } from '../dataset/tissue-maps.ts';
import { ESTIMATE_INTENT, writeNifti } from '../nifti/write.ts';
import { TISSUES } from '../nn/variants.ts';

/** One scan's maps, as written. */
export interface WrittenTissues {
  readonly subject: string;
  readonly session: string | null;
  /** Paths of GM, WM and CSF as a BIDS derivative: `sub-07/anat/sub-07_label-GM_probseg.nii.gz`. */
  readonly bids: readonly string[];
  /** The same maps as SPM names them, beside them: `sub-07/anat/c1sub-07_T1w.nii.gz`. */
  readonly spm: readonly string[];
}

/** SPM's path of a tissue map: c1 is GM, c2 WM, c3 CSF. */
export function spmPath(scan: Pick<Scan, 'subject' | 'session'>, tissue: (typeof TISSUES)[number]): string {
  return `${scanFolder(scan)}/c${TISSUES.indexOf(tissue) + 1}${scanName(scan)}_T1w.nii.gz`;
}

/**
 * Writes three maps on the scan's grid under both namings: as float32 in BIDS's, and in SPM's as SPM stores them,
 * in steps of 1/255 of one byte.
 * @throws StorageError
 */
export async function writeTissues(
  out: FileSink,
  scan: Pick<LoadedScan, 'subject' | 'session' | 'grid' | 'header'>,
  maps: TissueMaps,
  description: string,
): Promise<WrittenTissues> {
  const { subject, session, grid, header } = scan;
  const bids = await writeTissueDerivative(out, scan, maps, description);
  const spm: string[] = [];
  for (const tissue of TISSUES) {
    const path = spmPath(scan, tissue);
    const options = {
      datatype: 'uint8',
      slope: 1 / 255,
      like: header,
      intent: ESTIMATE_INTENT,
      calMax: 1,
      description: `${tissue} probability, ${description}`,
    } as const;
    await out.write(path, writeNifti({ grid, data: maps[tissue] }, options));
    spm.push(path);
  }
  return { subject, session, bids, spm };
}

/**
 * Writes three maps on the scan's grid as float32, in BIDS's naming alone.
 * @returns their paths
 * @throws StorageError
 */
export async function writeTissueDerivative(
  out: FileSink,
  scan: Pick<LoadedScan, 'subject' | 'session' | 'grid' | 'header'>,
  maps: TissueMaps,
  description: string,
): Promise<string[]> {
  const { grid, header } = scan;
  const paths: string[] = [];
  for (const tissue of TISSUES) {
    const path = predictionPath(scan, { label: tissue, suffix: 'probseg' });
    const options = {
      datatype: 'float32',
      like: header,
      intent: ESTIMATE_INTENT,
      calMax: 1,
      description: `${tissue} probability, ${description}`,
    } as const;
    await out.write(path, writeNifti({ grid, data: maps[tissue] }, options));
    paths.push(path);
  }
  return paths;
}
