import type { FileSource } from '../../core/files.ts';
import { parseBidsName } from './bids-name.ts';
import type { Dataset, Scan, TissuePaths } from './dataset.ts';
import { scanFolder, scanName } from './dataset.ts';

/** A folder's file names, and the folder. */
export interface Folder {
  readonly path: string;
  readonly names: readonly string[];
  /** Links that lead nowhere. */
  readonly broken: readonly string[];
}

/** Whether a name ends as NIfTI files do, in small letters or capitals. */
export function isNifti(name: string): boolean {
  return /\.nii(\.gz)?$/i.test(name);
}

const SPM = /^c([123])(.+)\.nii(?:\.gz)?$/;
const SPM_TISSUES = { 1: 'GM', 2: 'WM', 3: 'CSF' } as const;
const PLAIN = new Set(['sub', 'ses', 'label']);

/** `a/b`, without a leading slash where `a` is the root. */
export function joinPath(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

/** Files of a folder by name. */
export async function listFiles(files: FileSource, path: string): Promise<Folder> {
  const entries = await files.list(path);
  const named = (kind: 'file' | 'broken'): string[] =>
    entries.filter((e) => e.kind === kind).map((e) => e.name);
  return { path, names: named('file'), broken: named('broken') };
}

/**
 * The tissue maps of one scan in one folder: SPM's c1, c2, c3 before an image's name, or BIDS's
 * `label-GM_probseg` and its like. All three must be there. Maps of a plain T1 go before those of one after
 * contrast or in another space.
 * @param stem start of the image's name: `sub-07_ses-02` or `training01_02`.
 */
export function tissuesIn(folder: Folder, stem: string, source: string): TissuePaths | undefined {
  const found = new Map<string, { maps: Map<string, string>; rank: number }>();
  const add = (group: string, rank: number, tissue: string, name: string): void => {
    const entry = found.get(group) ?? { maps: new Map<string, string>(), rank };
    // Names come sorted, so .nii goes before .nii.gz.
    if (!entry.maps.has(tissue)) entry.maps.set(tissue, joinPath(folder.path, name));
    found.set(group, entry);
  };
  for (const name of folder.names) {
    const spm = SPM.exec(name);
    if (spm) {
      const base = spm[2]!;
      if (base !== stem && !base.startsWith(`${stem}_`)) continue;
      const tissue = SPM_TISSUES[spm[1] as '1' | '2' | '3'];
      add(`spm ${base}`, (base.match(/-/g) ?? []).length, tissue, name);
      continue;
    }
    if (!name.startsWith(`${stem}_`)) continue;
    // ISBI stems are no BIDS entities; a stand-in makes the rest of the name readable.
    const bids = parseBidsName(stem.startsWith('sub-') ? name : name.replace(stem, 'sub-x'));
    if (bids?.suffix !== 'probseg') continue;
    const tissue = bids.entities.get('label');
    if (tissue !== 'GM' && tissue !== 'WM' && tissue !== 'CSF') continue;
    const others = [...bids.entities].filter(([key]) => !PLAIN.has(key)).map((pair) => pair.join('-'));
    add(`bids ${others.join('_')}`, 100 + others.length, tissue, name);
  }
  const complete = [...found].filter(([, { maps }]) => maps.size === 3);
  complete.sort(([a, { rank: r }], [b, { rank: s }]) => r - s || (a < b ? -1 : 1));
  const maps = complete[0]?.[1].maps;
  if (!maps) return undefined;
  return { GM: maps.get('GM')!, WM: maps.get('WM')!, CSF: maps.get('CSF')!, source };
}

/** Whether the maps are SPM's (their names begin with c1). */
export function isSpm(tissues: TissuePaths): boolean {
  return /(^|\/)c1[^/]*$/.test(tissues.GM);
}

/** Sources in order of preference: SPM's, then by name. */
export function sortTissues(found: readonly TissuePaths[]): Map<string, TissuePaths> {
  const sorted = [...found].sort(
    (a, b) => Number(isSpm(b)) - Number(isSpm(a)) || (a.source < b.source ? -1 : 1),
  );
  const map = new Map<string, TissuePaths>();
  for (const tissues of sorted) if (!map.has(tissues.source)) map.set(tissues.source, tissues);
  return map;
}

/**
 * The data set with the tissue maps of another tree instead of its own. The tree is looked
 * through as BIDS derivatives (`sub-07/anat`), as ISBI folders (`training01/...`) and flat.
 */
export async function withTissues(dataset: Dataset, files: FileSource): Promise<Dataset> {
  const attach = async (scan: Scan): Promise<Scan> => {
    const stems = [scanName(scan), ...(scan.session === null ? [] : [`${scan.subject}_${scan.session}`])];
    const folders = [scanFolder(scan), scan.subject, ''];
    for (const entry of await files.list(scan.subject))
      if (entry.kind === 'folder') folders.push(`${scan.subject}/${entry.name}`);
    for (const path of folders) {
      const folder = await listFiles(files, path);
      for (const stem of stems) {
        const found = tissuesIn(folder, stem, files.name);
        if (found) return { ...scan, tissues: new Map([[files.name, { ...found, files }]]) };
      }
    }
    return { ...scan, tissues: new Map() };
  };
  const subjects = [];
  for (const subject of dataset.subjects) {
    const scans: Scan[] = [];
    for (const scan of subject.scans) scans.push(await attach(scan));
    subjects.push({ ...subject, scans });
  }
  return { ...dataset, subjects };
}
