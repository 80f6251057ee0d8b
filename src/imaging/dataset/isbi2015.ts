import { DatasetError } from '../../core/errors.ts';
import type { FileSource } from '../../core/files.ts';
import type { DatasetChoices } from './choices.ts';
import type { Dataset, Scan, Subject, TissuePaths } from './dataset.ts';
import { scanFolder, scanName } from './dataset.ts';
import { canonicalModality, compareModalities } from './modality.ts';
import { type Folder, isNifti, joinPath, listFiles, sortTissues, tissuesIn } from './tissue-files.ts';

const SUBJECT = /^(?:training|test)\d+$/;
/** Folders of the challenge's archives that hold the subjects; '' stands for the root itself. */
const TEST = 'testdata_website';
const PARENTS = ['', 'training', TEST] as const;

/**
 * Reads the layout of the ISBI 2015 longitudinal MS lesion challenge:
 * `training/training01/preprocessed/training01_01_{flair,mprage,pd,t2}_pp.nii[.gz]`,
 * `training/training01/masks/training01_01_mask{1,2}.nii[.gz]`, and `testdata_website/test01/...` without masks.
 * The root may also be one of these folders, or hold the subjects itself. Subjects are `training01`, `test01`;
 * visits are sessions `01`, `02`, ...; mprage is `T1w`, pd `PDw`, t2 `T2w`, flair `FLAIR`. A brain mask
 * (`training01_01_brainmask.nii[.gz]`) and tissue maps (`c1training01_01_mprage_pp.nii[.gz]`, or
 * `..._label-GM_probseg`) may lie in any folder of the subject; tissue maps also in BIDS derivatives.
 * @returns undefined where there is no such subject.
 * @throws DatasetError for a subject that is in both the training and the test folder.
 */
export async function openIsbi2015(
  files: FileSource,
  choices: DatasetChoices = {},
): Promise<Dataset | undefined> {
  const subjects = new Map<string, Subject>();
  const warnings: string[] = [];
  const derivatives = (await files.list('derivatives'))
    .filter((e) => e.kind === 'folder' && /^[\w.+ -]+$/.test(e.name))
    .map((e) => e.name);
  for (const parent of PARENTS) {
    for (const entry of await files.list(parent)) {
      if (entry.kind !== 'folder' || !SUBJECT.test(entry.name)) continue;
      const path = joinPath(parent, entry.name);
      const twin = parent === TEST && (await files.list('training')).some(({ name }) => name === entry.name);
      if (twin)
        throw new DatasetError(`subject ${entry.name} is in training and in ${TEST}`, {
          hint: 'Take one of the two folders away: nobody can be trained on and tested with.',
        });
      if (subjects.has(entry.name)) {
        warnings.push(`${path}: subject ${entry.name} was already found elsewhere, not used`);
        continue;
      }
      const scans = await readSubject(files, path, entry.name, derivatives, warnings);
      if (scans.length > 0) subjects.set(entry.name, { id: entry.name, scans });
      else warnings.push(`${path}: no images like ${entry.name}_01_flair_pp.nii`);
    }
  }
  if (subjects.size === 0) return undefined;
  const sorted = [...subjects.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  return { layout: 'isbi2015', name: files.name, files, subjects: sorted, warnings, choices };
}

interface Visit {
  readonly images: Map<string, string>;
  readonly masks: Map<string, string>;
  brain?: string;
}

async function readSubject(
  files: FileSource,
  path: string,
  subject: string,
  derivatives: readonly string[],
  warnings: string[],
): Promise<Scan[]> {
  const folders: Folder[] = [await listFiles(files, path)];
  for (const entry of await files.list(path))
    if (entry.kind === 'folder' && /^[\w.+ -]+$/.test(entry.name))
      folders.push(await listFiles(files, `${path}/${entry.name}`));
  const image = new RegExp(`^${subject}_(\\d+)_([a-zA-Z0-9]+)_pp\\.nii(?:\\.gz)?$`);
  const mask = new RegExp(`^${subject}_(\\d+)_mask([a-zA-Z0-9]+)\\.nii(?:\\.gz)?$`);
  const brain = new RegExp(`^${subject}_(\\d+)_(?:brain_?mask|desc-brain_mask)\\.nii(?:\\.gz)?$`);
  const visits = new Map<string, Visit>();
  const visit = (session: string): Visit => {
    const found = visits.get(session) ?? { images: new Map(), masks: new Map() };
    visits.set(session, found);
    return found;
  };
  for (const folder of folders) {
    for (const name of folder.broken)
      if (isNifti(name)) warnings.push(`${joinPath(folder.path, name)}: a link that leads nowhere, not used`);
    for (const name of folder.names) {
      const at = joinPath(folder.path, name);
      // Names come sorted, so .nii goes before .nii.gz where both are there.
      const i = image.exec(name);
      const once = (map: Map<string, string>, key: string): void => {
        const taken = map.get(key);
        if (taken === undefined) map.set(key, at);
        else warnings.push(`${at}: not used, there is ${taken}`);
      };
      if (i) once(visit(i[1]!).images, canonicalModality(i[2]!));
      const m = mask.exec(name);
      if (m) once(visit(m[1]!).masks, m[2]!);
      const b = brain.exec(name);
      if (b) visit(b[1]!).brain ??= at;
    }
  }
  const scans: Scan[] = [];
  for (const [session, found] of [...visits].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (found.images.size === 0) {
      if (found.masks.size > 0) warnings.push(`${path}: visit ${session} has masks and no images, not used`);
      continue;
    }
    const id = { subject, session };
    const tissues: TissuePaths[] = [];
    for (const folder of folders) {
      const maps = tissuesIn(folder, `${subject}_${session}`, folder.path.split('/').at(-1)!);
      if (maps) tissues.push(maps);
    }
    for (const name of derivatives) {
      const folder = await listFiles(files, `derivatives/${name}/${scanFolder(id)}`);
      const maps = tissuesIn(folder, scanName(id), name);
      if (maps) tissues.push(maps);
    }
    scans.push({
      ...id,
      modalities: new Map([...found.images].sort(([a], [b]) => compareModalities(a, b))),
      lesionMasks: new Map([...found.masks].sort(([a], [b]) => (a < b ? -1 : 1))),
      brainMask: found.brain,
      tissues: sortTissues(tissues),
    });
  }
  return scans;
}
