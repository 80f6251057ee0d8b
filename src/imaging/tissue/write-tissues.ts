import type { FileSink } from '../../core/files.ts';
import { type Scan, scanFolder, scanName } from '../dataset/dataset.ts';
import type { LoadedScan } from '../dataset/load-scan.ts';
import { predictionPath } from '../dataset/prediction-path.ts';
import { TISSUES, type TissueMaps } from '../dataset/tissue-maps.ts';
import { ESTIMATE_INTENT } from '../nifti/encode.ts';
import { type WriteNiftiOptions, writeNifti } from '../nifti/write.ts';

/** One scan's maps, as written. */
export interface WrittenTissues {
  readonly subject: string;
  readonly session: string | null;
  /** Paths of GM, WM and CSF as a BIDS derivative: `sub-07/anat/sub-07_space-orig_label-GM_probseg.nii.gz`. */
  readonly bids: readonly string[];
  /** The same maps as SPM names them, beside them: `sub-07/anat/c1sub-07_T1w.nii.gz`. */
  readonly spm: readonly string[];
  /** What a user of them must know, a clause each. */
  readonly warnings?: readonly string[];
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
  scan: Pick<LoadedScan, 'subject' | 'session' | 'entities' | 'grid' | 'header'>,
  maps: TissueMaps,
  description: string,
): Promise<WrittenTissues> {
  const { subject, session } = scan;
  const bids = await writeTissueDerivative(out, scan, maps, description);
  const stepped = { datatype: 'uint8', slope: 1 / 255 } as const;
  const spm = await writeMaps(out, scan, maps, description, (tissue) => spmPath(scan, tissue), stepped);
  return { subject, session, bids, spm };
}

/**
 * Writes three maps on the scan's grid as float32, in BIDS's naming alone.
 * @returns their paths
 * @throws StorageError
 */
export async function writeTissueDerivative(
  out: FileSink,
  scan: Pick<LoadedScan, 'subject' | 'session' | 'entities' | 'grid' | 'header'>,
  maps: TissueMaps,
  description: string,
): Promise<string[]> {
  const path = (tissue: Tissue): string => predictionPath(scan, { label: tissue, suffix: 'probseg' });
  return await writeMaps(out, scan, maps, description, path, { datatype: 'float32' });
}

type Tissue = (typeof TISSUES)[number];

async function writeMaps(
  out: FileSink,
  { grid, header }: Pick<LoadedScan, 'grid' | 'header'>,
  maps: TissueMaps,
  description: string,
  pathOf: (tissue: Tissue) => string,
  stored: Pick<WriteNiftiOptions, 'datatype' | 'slope'>,
): Promise<string[]> {
  const paths: string[] = [];
  for (const tissue of TISSUES) {
    const bytes = writeNifti(
      { grid, data: maps[tissue] },
      {
        ...stored,
        like: header,
        intent: ESTIMATE_INTENT,
        calMax: 1,
        description: `${tissue} probability, ${description}`,
      },
    );
    const path = pathOf(tissue);
    await out.write(path, bytes);
    paths.push(path);
  }
  return paths;
}
