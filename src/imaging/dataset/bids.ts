import type { FileSource } from '../../core/files.ts';
import { parseJson } from '../../core/json.ts';
import { type BidsName, compareCandidates, folderLabel, parseBidsName } from './bids-name.ts';
import type { Dataset, LabelFiles, Scan, Subject, TissuePaths } from './dataset.ts';
import { scanFolder, scanName } from './dataset.ts';
import { canonicalModality, compareModalities } from './modality.ts';
import { readParticipants } from './participants.ts';
import { type Folder, joinPath, listFiles, sortTissues, tissuesIn } from './tissue-files.ts';

/** The raw data (path '') or one folder of derivatives. */
interface Pipeline {
  readonly path: string;
  readonly name: string;
  /** Made by voxelgrad: its lesion masks are predictions, not truth. */
  readonly ours: boolean;
}

/** Suffixes of files in anat folders that are no images. */
const NOT_IMAGES = new Set(['mask', 'probseg', 'dseg', 'defacemask', 'roi', 'xfm', 'warp']);
const LESION_LABELS = new Set(['lesion', 'lesions', 'l']);

/**
 * Reads a BIDS tree: `sub-07[/ses-01]/anat/*_{FLAIR,T1w,T2w,PDw,...}.nii[.gz]`, with lesion masks
 * (`label-lesion_mask`, told apart by `rater-` or `desc-`), brain masks (`desc-brain_mask`), tissue maps, and whatever
 * else says what voxels are (masks and `_probseg` of other labels, `_dseg`, maps of values) beside the images or in
 * `derivatives/*`. Of several files for one purpose the plainest name is taken (see `compareCandidates`). What voxelgrad
 * generated is a prediction and left out, except for tissue maps.
 * @returns undefined where there is no `sub-*` folder.
 */
export async function openBids(files: FileSource): Promise<Dataset | undefined> {
  const ids = await subjectIds(files, '');
  if (ids.length === 0) return undefined;
  const pipelines = await findPipelines(files);
  const warnings: string[] = [];
  const subjects: Subject[] = [];
  for (const id of ids) {
    const sessions = (await files.list(`sub-${id}`))
      .filter((e) => e.kind === 'folder')
      .map((e) => folderLabel(e.name, 'ses'))
      .filter((label) => label !== undefined);
    const scans: Scan[] = [];
    for (const session of sessions.length > 0 ? sessions : [null]) {
      const scan = await readScan(files, pipelines, { subject: id, session }, warnings);
      if (scan) scans.push(scan);
      else warnings.push(`${scanName({ subject: id, session })}: no images or masks in its anat folder`);
    }
    if (scans.length > 0) subjects.push({ id, scans });
  }
  const table = await readParticipants(files, ids);
  warnings.push(...table.warnings);
  return { layout: 'bids', name: files.name, files, subjects, warnings, participants: table.participants };
}

async function subjectIds(files: FileSource, path: string): Promise<string[]> {
  return (await files.list(path))
    .filter((e) => e.kind === 'folder')
    .map((e) => folderLabel(e.name, 'sub'))
    .filter((label) => label !== undefined);
}

async function findPipelines(files: FileSource): Promise<Pipeline[]> {
  const pipelines: Pipeline[] = [{ path: '', name: 'raw', ours: false }];
  const derivatives = await files.list('derivatives');
  if (derivatives.some((e) => e.kind === 'folder' && folderLabel(e.name, 'sub') !== undefined))
    pipelines.push({ path: 'derivatives', name: 'derivatives', ours: await isOurs(files, 'derivatives') });
  for (const { name, kind } of derivatives) {
    if (kind !== 'folder' || folderLabel(name, 'sub') !== undefined || !/^[\w.+ -]+$/.test(name)) continue;
    const path = `derivatives/${name}`;
    pipelines.push({ path, name, ours: await isOurs(files, path) });
  }
  return pipelines;
}

/** Whether a derivatives folder says that voxelgrad made it. */
async function isOurs(files: FileSource, path: string): Promise<boolean> {
  const { names } = await listFiles(files, path);
  if (!names.includes('dataset_description.json')) return false;
  try {
    const text = new TextDecoder().decode(await files.read(`${path}/dataset_description.json`));
    const description = parseJson(text) as { GeneratedBy?: unknown } | null;
    const generators = Array.isArray(description?.GeneratedBy) ? description.GeneratedBy : [];
    return generators.some((g: { Name?: unknown } | null) => g?.Name === 'voxelgrad');
  } catch {
    // A description that cannot be read claims nothing.
    return false;
  }
}

interface Candidate {
  readonly name: BidsName;
  readonly path: string;
  readonly pipeline: Pipeline;
}

async function readScan(
  files: FileSource,
  pipelines: readonly Pipeline[],
  id: Pick<Scan, 'subject' | 'session'>,
  warnings: string[],
): Promise<Scan | undefined> {
  const images: Candidate[] = [];
  const lesions: Candidate[] = [];
  const lesionMaps: Candidate[] = [];
  const brains: Candidate[] = [];
  const others: Candidate[] = [];
  const tissues: TissuePaths[] = [];
  for (const pipeline of pipelines) {
    const folder: Folder = await listFiles(files, joinPath(pipeline.path, scanFolder(id)));
    const found = tissuesIn(folder, scanName(id), pipeline.name);
    if (found) tissues.push(found);
    for (const file of folder.names) {
      const name = parseBidsName(file);
      if (name?.entities.get('sub') !== id.subject || (name.entities.get('ses') ?? null) !== id.session)
        continue;
      const candidate = { name, path: joinPath(folder.path, file), pipeline };
      if (isLesion(name) && name.suffix === 'probseg') lesionMaps.push(candidate);
      else if (isLesion(name)) lesions.push(candidate);
      else if (isBrain(name)) brains.push(candidate);
      else if (pipeline.path === '' && !NOT_IMAGES.has(name.suffix)) images.push(candidate);
      else others.push(candidate);
    }
  }
  const truths = lesions.filter((c) => !c.pipeline.ours);
  for (const c of lesions)
    if (c.pipeline.ours) warnings.push(`${c.path}: a prediction by voxelgrad, not used as truth`);
  const labelled = pickLabelled([...others, ...lesionMaps].filter((c) => !c.pipeline.ours));
  if (images.length + truths.length + lesionMaps.length === 0) return undefined;
  return {
    ...id,
    modalities: pickImages(images, warnings),
    lesionMasks: pickRaters(truths),
    lesionProbability: best(
      lesionMaps.filter((c) => !c.pipeline.ours),
      ['sub', 'ses', 'label'],
    )?.path,
    brainMask: best(brains, ['sub', 'ses', 'desc', 'label'])?.path,
    tissues: sortTissues(tissues),
    labelled,
  };
}

/** Masks, label images and maps by what they are of; undefined if there are none. */
function pickLabelled(files: readonly Candidate[]): LabelFiles | undefined {
  const of = (group: (candidate: Candidate) => string | undefined): [string, Candidate[]][] => {
    const groups = new Map<string, Candidate[]>();
    for (const file of files) {
      const key = group(file);
      if (key !== undefined) groups.set(key, [...(groups.get(key) ?? []), file]);
    }
    return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  };
  const label = ({ name }: Candidate, ...suffixes: readonly string[]): string | undefined =>
    suffixes.includes(name.suffix) ? name.entities.get('label') : undefined;
  const source = ({ pipeline }: Candidate): string => pipeline.name;
  const masks = of((c) => label(c, 'mask', 'roi')).map(([key, found]) => [key, pickRaters(found)] as const);
  const segmentations = of((c) => (c.name.suffix === 'dseg' ? source(c) : undefined)).map(
    ([key, found]) => [key, best(found, ['sub', 'ses', 'desc'])!.path] as const,
  );
  const maps = of((c) => (label(c, 'probseg') === undefined ? undefined : source(c))).map(([key, found]) => {
    const labels = [...new Set(found.map((c) => label(c, 'probseg')!))];
    const paths = labels.map((each) => {
      const own = found.filter((c) => label(c, 'probseg') === each);
      return [each, best(own, ['sub', 'ses', 'label'])!.path] as const;
    });
    return [key, new Map(paths)] as const;
  });
  const values = of(({ name, pipeline }) =>
    pipeline.path === '' || NOT_IMAGES.has(name.suffix) ? undefined : name.suffix,
  ).map(([key, found]) => [key, best(found, ['sub', 'ses', 'desc'])!.path] as const);
  if (masks.length + segmentations.length + maps.length + values.length === 0) return undefined;
  return {
    masks: new Map(masks),
    segmentations: new Map(segmentations),
    maps: new Map(maps),
    values: new Map(values),
  };
}

function isLesion(name: BidsName): boolean {
  const label = name.entities.get('label')?.toLowerCase();
  return ['mask', 'roi', 'probseg'].includes(name.suffix) && label !== undefined && LESION_LABELS.has(label);
}

function isBrain(name: BidsName): boolean {
  return name.suffix === 'mask' && (name.entities.get('desc') ?? name.entities.get('label')) === 'brain';
}

function best(candidates: readonly Candidate[], expected: readonly string[]): Candidate | undefined {
  return [...candidates].sort(
    (a, b) => compareCandidates(a.name, b.name, expected) || (a.path < b.path ? -1 : 1),
  )[0];
}

/** `T1w`, or `ce-gadolinium_T1w` for an image after contrast, which is another modality. */
function modalityOf(name: BidsName): string {
  const agent = name.entities.get('ce');
  const suffix = canonicalModality(name.suffix);
  return agent === undefined ? suffix : `ce-${agent}_${suffix}`;
}

function pickImages(images: readonly Candidate[], warnings: string[]): Map<string, string> {
  const groups = new Map<string, Candidate[]>();
  for (const image of images) {
    const key = modalityOf(image.name);
    groups.set(key, [...(groups.get(key) ?? []), image]);
  }
  const picked = new Map<string, string>();
  for (const key of [...groups.keys()].sort(compareModalities)) {
    const group = groups.get(key)!;
    const chosen = best(group, ['sub', 'ses', 'ce'])!;
    picked.set(key, chosen.path);
    for (const other of group)
      if (other !== chosen) warnings.push(`${other.path}: not used, ${chosen.name.name} is the ${key}`);
  }
  return picked;
}

/**
 * One mask a rater: named by `rater-`, else `desc-`, else `1`. The same rater in two derivatives folders is told
 * apart by the folder's name.
 */
function pickRaters(masks: readonly Candidate[]): Map<string, string> {
  const expected = ['sub', 'ses', 'label', 'rater', 'desc'];
  const sorted = [...masks].sort(
    (a, b) =>
      (a.pipeline.name < b.pipeline.name ? -1 : a.pipeline.name > b.pipeline.name ? 1 : 0) ||
      compareCandidates(a.name, b.name, expected),
  );
  const raters = new Map<string, { path: string; pipeline: string }>();
  for (const { name, path, pipeline } of sorted) {
    const rater = name.entities.get('rater') ?? name.entities.get('desc') ?? '1';
    const taken = raters.get(rater);
    if (!taken) raters.set(rater, { path, pipeline: pipeline.name });
    // A second file of the same rater in the same folder is a variant (run, space): the plainer one stays.
    else if (taken.pipeline !== pipeline.name && !raters.has(pipeline.name))
      raters.set(pipeline.name, { path, pipeline: pipeline.name });
  }
  return new Map([...raters].sort(([a], [b]) => (a < b ? -1 : 1)).map(([rater, { path }]) => [rater, path]));
}
