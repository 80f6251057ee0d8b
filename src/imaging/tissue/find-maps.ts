import type { FileSource } from '../../core/files.ts';
import { parseBidsName } from '../dataset/bids-name.ts';
import type { Scan, TissuePaths } from '../dataset/dataset.ts';
import { parseSubmissionName } from '../dataset/prediction-path.ts';
import { type Folder, joinPath, listFiles, tissuesIn } from '../dataset/tissue-files.ts';

/** Whose maps these are. */
export type ScanId = Pick<Scan, 'subject' | 'session'>;

/** Three tissue maps of one scan that lie in one folder. */
export interface FoundMaps {
  readonly scan: ScanId;
  readonly paths: TissuePaths;
}

/** How deep a tree of maps is searched: root/training/training01/preprocessed and derivatives/x/sub/ses/anat fit. */
const DEPTH = 6;

/**
 * Every set of GM, WM and CSF maps in a tree, in BIDS's naming (`sub-07_label-GM_probseg.nii.gz`), SPM's
 * (`c1sub-07_T1w.nii`), or SPM's on the files of the ISBI 2015 challenge (`c1training01_01_mprage_pp.nii`). A scan
 * whose maps lie in a folder under both namings is listed under both.
 */
export async function findTissueMaps(files: FileSource): Promise<FoundMaps[]> {
  const found: FoundMaps[] = [];
  for (const folder of await folders(files)) {
    const spm = { ...folder, names: folder.names.filter((name) => /^c[123]/.test(name)) };
    const bids = { ...folder, names: folder.names.filter((name) => !/^c[123]/.test(name)) };
    for (const part of [bids, spm]) {
      const stems = new Map<string, ScanId>();
      for (const name of part.names) {
        const scan = scanOf(name.replace(/^c[123]/, ''));
        if (scan) stems.set(scan.stem, { subject: scan.subject, session: scan.session });
      }
      for (const [stem, scan] of stems) {
        const paths = tissuesIn(part, stem, files.name);
        if (paths) found.push({ scan, paths });
      }
    }
  }
  return found;
}

/**
 * One lesion mask a scan in a tree: predictions (`sub-07_space-orig_label-L_mask.nii.gz`), an ISBI 2015 submission
 * (`test01_01_TEAM.nii`) or raters' masks (`training01_01_mask1.nii`); of several the first by path.
 * @returns paths by {@link scanKey}
 */
export async function findLesionMasks(files: FileSource): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const folder of await folders(files))
    for (const name of folder.names) {
      const scan = lesionScan(name);
      if (!scan) continue;
      const key = scanKey(scan);
      if (!found.has(key)) found.set(key, joinPath(folder.path, name));
    }
  return found;
}

/** One text for one scan, whichever naming it comes from. */
export function scanKey({ subject, session }: ScanId): string {
  return `${subject}/${session ?? ''}`;
}

function lesionScan(name: string): ScanId | undefined {
  const bids = parseBidsName(name);
  if (bids)
    return bids.suffix === 'mask' && /^(l|lesions?)$/i.test(bids.entities.get('label') ?? '')
      ? scanOf(name)
      : undefined;
  const isbi = parseSubmissionName(name);
  return isbi && !/_pp$|brain/.test(isbi.team) ? isbi : undefined;
}

/** The scan that a file name begins with, and how it spells it. */
function scanOf(name: string): (ScanId & { readonly stem: string }) | undefined {
  const isbi = /^((?:training|test)\d+)_(\d+)_/.exec(name);
  if (isbi) return { subject: isbi[1]!, session: isbi[2]!, stem: `${isbi[1]}_${isbi[2]}` };
  const bids = /^sub-([a-zA-Z0-9+]+)(?:_ses-([a-zA-Z0-9+]+))?_/.exec(name);
  if (!bids) return undefined;
  return { subject: bids[1]!, session: bids[2] ?? null, stem: bids[0].slice(0, -1) };
}

/** The folders of a tree, parents first, sorted. */
async function folders(files: FileSource): Promise<Folder[]> {
  const out: Folder[] = [];
  const walk = async (path: string, depth: number): Promise<void> => {
    out.push(await listFiles(files, path));
    if (depth === 0) return;
    for (const { name, kind } of await files.list(path))
      if (kind === 'folder' && !name.startsWith('.')) await walk(joinPath(path, name), depth - 1);
  };
  await walk('', DEPTH);
  return out;
}
