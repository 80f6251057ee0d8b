import { DatasetError } from '../../core/errors.ts';
import type { FileSource } from '../../core/files.ts';
import { parseJson } from '../../core/json.ts';
import { type BidsName, compareCandidates, folderLabel, parseBidsName } from './bids-name.ts';
import {
  ALL_SOURCES,
  CONTESTED,
  type ContestedPurpose,
  type DatasetChoices,
  filterNames,
} from './choices.ts';
import type { Dataset, LabelFiles, Scan, Subject, TissuePaths } from './dataset.ts';
import { scanFolder, scanName } from './dataset.ts';
import { canonicalModality, compareModalities } from './modality.ts';
import { readParticipants } from './participants.ts';
import { type Folder, isNifti, joinPath, listFiles, sortTissues, tissuesIn } from './tissue-files.ts';

/** The raw data (path '') or one folder of derivatives. */
interface Pipeline {
  readonly path: string;
  readonly name: string;
  /** Made by voxelgrad: its lesion masks are predictions, not truth. */
  readonly ours: boolean;
}

/** Suffixes of files in anat folders that are no images. */
const NOT_IMAGES = new Set(['mask', 'probseg', 'dseg', 'defacemask', 'roi', 'xfm', 'warp']);
/** `L` is the label that BIDS reserves for lesions; the others are common. */
const LESION_LABELS = new Set(['lesion', 'lesions', 'l']);

/**
 * Reads a BIDS tree: `sub-07[/ses-01]/anat/*_{FLAIR,T1w,T2w,PDw,...}.nii[.gz]`, with lesion masks
 * (`label-L_mask`, told apart by `rater-` or `desc-`), brain masks (`desc-brain_mask`), tissue maps, and
 * whatever else says what voxels are (masks and `_probseg` of other labels, `_dseg`, maps of values) beside the images
 * or in `derivatives/*`. Of several files for one purpose the choices decide, else the plainest name
 * is taken (see `compareCandidates`) and a warning says so. Masks of several folders of derivatives are never chosen
 * between: the scan tells them as contested. What voxelgrad generated is a prediction and left out,
 * except for tissue maps. Everything that looks like an image or a patient and is not used is told of in the warnings.
 * @param only the subject to look at, without `sub-`, in a data set of thousands (default: all)
 * @returns undefined if there is no `sub-*` folder.
 */
export async function openBids(
  files: FileSource,
  choices: DatasetChoices = {},
  only?: string,
): Promise<Dataset | undefined> {
  const warnings: string[] = [];
  const all = await folderLabels(files, '', 'sub', warnings);
  if (all.length === 0) return undefined;
  const ids = only !== undefined && all.includes(only) ? [only] : all;
  const pipelines = await findPipelines(files);
  const seen: Sources = { lesions: new Set(), brainmask: new Set() };
  const subjects: Subject[] = [];
  for (const id of ids) {
    const sessions: (string | null)[] = await folderLabels(files, `sub-${id}`, 'ses', warnings);
    // Images beside folders of visits belong to no visit; they must not vanish behind them.
    const hasAnat = (await files.list(`sub-${id}`)).some((e) => e.kind === 'folder' && e.name === 'anat');
    if (sessions.length === 0 || hasAnat) sessions.unshift(null);
    const scans: Scan[] = [];
    for (const session of sessions) {
      const scan = await readScan(files, pipelines, { subject: id, session }, choices, seen, warnings);
      if (scan) scans.push(scan);
      else warnings.push(`${scanName({ subject: id, session })}: no images or masks in its anat folder`);
    }
    if (scans.length > 1 && scans[0]!.session === null)
      warnings.push(
        `sub-${id}: has images in anat and in ${sessions
          .slice(1)
          .map((s) => `ses-${s}`)
          .join(', ')}; each counts as a scan of its own`,
      );
    if (scans.length > 0) subjects.push({ id, scans });
  }
  requireSources(files.name, choices, seen);
  const table = await readParticipants(files, all);
  warnings.push(...table.warnings);
  return {
    layout: 'bids',
    name: files.name,
    files,
    subjects,
    warnings,
    choices,
    participants: table.participants,
  };
}

/** Labels of the `sub-` or `ses-` folders; warns of those whose names BIDS does not allow. */
async function folderLabels(
  files: FileSource,
  path: string,
  entity: 'sub' | 'ses',
  warnings: string[],
): Promise<string[]> {
  const labels: string[] = [];
  for (const { name, kind } of await files.list(path)) {
    const begins = name.toLowerCase().startsWith(`${entity}-`);
    if (kind === 'broken' && begins)
      warnings.push(`${joinPath(path, name)}: a link that leads nowhere, not used`);
    if (kind !== 'folder') continue;
    const label = folderLabel(name, entity);
    if (label !== undefined) labels.push(label);
    else if (begins)
      warnings.push(
        `${joinPath(path, name)}: not used, a label after ${entity}- is made of letters and digits alone in BIDS; rename the folder and its files`,
      );
  }
  return labels;
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

interface Candidate extends BidsName {
  readonly path: string;
  readonly pipeline: Pipeline;
}

/** The files of one scan, by what they could be. */
interface Found {
  readonly images: Candidate[];
  readonly lesions: Candidate[];
  readonly lesionMaps: Candidate[];
  readonly brains: Candidate[];
  /** Masks, label images and maps of anything else. */
  readonly others: Candidate[];
  readonly tissues: TissuePaths[];
}

/** Folders of derivatives in which masks were found. */
type Sources = Readonly<Record<ContestedPurpose, Set<string>>>;

async function readScan(
  files: FileSource,
  pipelines: readonly Pipeline[],
  id: Pick<Scan, 'subject' | 'session'>,
  choices: DatasetChoices,
  seen: Sources,
  warnings: string[],
): Promise<Scan | undefined> {
  const found: Found = { images: [], lesions: [], lesionMaps: [], brains: [], others: [], tissues: [] };
  for (const pipeline of pipelines) {
    const folder = await listFiles(files, joinPath(pipeline.path, scanFolder(id)));
    sortFiles(folder, pipeline, id, found, warnings);
  }
  const truths = found.lesions.filter((c) => !c.pipeline.ours);
  for (const c of found.lesions)
    if (c.pipeline.ours) warnings.push(`${c.path}: a prediction by voxelgrad, not used as truth`);
  if (found.images.length + truths.length + found.lesionMaps.length === 0) return undefined;
  for (const { pipeline } of truths) seen.lesions.add(pipeline.name);
  for (const { pipeline } of found.brains) seen.brainmask.add(pipeline.name);
  const lesions = ofSource(truths, choices.lesions);
  const ofTheirs = ofSource(found.brains, choices.brainmask).chosen;
  const brains = ofSource(inImageSpace(ofTheirs, found.images, warnings), choices.brainmask);
  const contested = {
    ...(lesions.sources.length > 1 ? { lesions: lesions.sources } : {}),
    ...(brains.sources.length > 1 ? { brainmask: brains.sources } : {}),
  };
  const modalities = pickImages(found.images, choices, warnings);
  const brainMasks = pickBrains(brains.chosen, [...modalities.keys()], choices, warnings);
  const [first] = modalities.values();
  const source = found.images.find(({ path }) => path === first);
  return {
    ...id,
    entities: source && sourceEntities(source),
    modalities,
    lesionMasks: pickRaters(lesions.chosen, choices, warnings),
    lesionProbability: best(
      found.lesionMaps.filter((c) => !c.pipeline.ours),
      ['sub', 'ses', 'label'],
    )?.path,
    ...brainMasks,
    tissues: sortTissues(found.tissues),
    labelled: pickLabelled(
      [...found.others, ...found.lesionMaps].filter((c) => !c.pipeline.ours),
      choices,
      warnings,
    ),
    ...(Object.keys(contested).length > 0 ? { contested } : {}),
  };
}

/** The brain mask of a scan, and those that lie in the space of one of its images. */
function pickBrains(
  brains: readonly Candidate[],
  modalities: readonly string[],
  choices: DatasetChoices,
  warnings: string[],
): Pick<Scan, 'brainMask' | 'brainMasks'> {
  const one = (candidates: readonly Candidate[]): string | undefined =>
    pick('brain mask', candidates, ['sub', 'ses', 'desc', 'label', 'space'], choices, warnings)?.path;
  const imageOf = ({ entities }: Candidate): string | undefined => {
    const space = entities.get('space');
    return space === undefined ? undefined : modalities.find((name) => name === canonicalModality(space));
  };
  const own = new Map<string, string>();
  for (const name of modalities) {
    const path = one(brains.filter((brain) => imageOf(brain) === name));
    if (path !== undefined) own.set(name, path);
  }
  const general = one(brains.filter((brain) => imageOf(brain) === undefined));
  return {
    brainMask: general ?? own.values().next().value,
    ...(own.size > 0 ? { brainMasks: own } : {}),
  };
}

/** Names of a scan's own space that BIDS has, besides those of its images (`space-T1w`). */
const OWN_SPACES: ReadonlySet<string | undefined> = new Set([undefined, 'orig', 'individual']);

/** The brain masks whose names say that they lie where the images do; all if none do, which is told. */
function inImageSpace(
  brains: readonly Candidate[],
  images: readonly Candidate[],
  warnings: string[],
): readonly Candidate[] {
  const spaces = new Set(images.flatMap(({ suffix, entities }) => [suffix, entities.get('space')]));
  const own = brains.filter(({ entities }) => {
    const space = entities.get('space');
    return OWN_SPACES.has(space) || spaces.has(space);
  });
  for (const { path, entities } of brains.filter((brain) => !own.includes(brain)))
    warnings.push(
      own.length > 0
        ? `${path}: not used, it lies in space-${entities.get('space')}, not in that of the images`
        : `${path}: the only brain mask, though its name says space-${entities.get('space')}; its grid must be that of the images`,
    );
  return own.length > 0 ? own : brains;
}

/** Masks, label images and maps by what they are of; undefined if there are none. */
function pickLabelled(
  files: readonly Candidate[],
  choices: DatasetChoices,
  warnings: string[],
): LabelFiles | undefined {
  const of = (group: (candidate: Candidate) => string | undefined): [string, Candidate[]][] => {
    const groups = new Map<string, Candidate[]>();
    for (const file of files) {
      const key = group(file);
      if (key !== undefined) groups.set(key, [...(groups.get(key) ?? []), file]);
    }
    return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  };
  const label = ({ suffix, entities }: Candidate, ...suffixes: readonly string[]): string | undefined =>
    suffixes.includes(suffix) ? entities.get('label') : undefined;
  const source = ({ pipeline }: Candidate): string => pipeline.name;
  const masks = of((c) => label(c, 'mask', 'roi')).map(
    ([key, found]) => [key, pickRaters(found, choices, warnings)] as const,
  );
  const segmentations = of((c) => (c.suffix === 'dseg' ? source(c) : undefined)).map(
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
  const values = of(({ suffix, pipeline }) =>
    pipeline.path === '' || NOT_IMAGES.has(suffix) ? undefined : suffix,
  ).map(([key, found]) => [key, best(found, ['sub', 'ses', 'desc'])!.path] as const);
  if (masks.length + segmentations.length + maps.length + values.length === 0) return undefined;
  return {
    masks: new Map(masks),
    segmentations: new Map(segmentations),
    maps: new Map(maps),
    values: new Map(values),
  };
}

/** Puts a folder's files where they belong, and tells of those that belong nowhere. */
function sortFiles(
  folder: Folder,
  pipeline: Pipeline,
  id: Pick<Scan, 'subject' | 'session'>,
  found: Found,
  warnings: string[],
): void {
  const tissues = tissuesIn(folder, scanName(id), pipeline.name);
  if (tissues) found.tissues.push(tissues);
  const raw = pipeline.path === '';
  for (const file of folder.broken)
    if (isNifti(file)) warnings.push(`${joinPath(folder.path, file)}: a link that leads nowhere, not used`);
  for (const file of folder.names) {
    const path = joinPath(folder.path, file);
    const name = parseBidsName(file);
    if (!name) {
      if (raw && isNifti(file) && !/^c[123]/.test(file))
        warnings.push(`${path}: not used, its name is not one of BIDS (${scanName(id)}_FLAIR.nii.gz)`);
      continue;
    }
    if (name.entities.get('sub') !== id.subject || (name.entities.get('ses') ?? null) !== id.session) {
      if (raw)
        warnings.push(`${path}: not used, its name does not begin with ${scanName(id)}_ as its folder does`);
      continue;
    }
    const candidate = { ...name, path, pipeline };
    if (isLesion(name) && name.suffix === 'probseg') found.lesionMaps.push(candidate);
    else if (isLesion(name)) found.lesions.push(candidate);
    else if (isBrain(name)) found.brains.push(candidate);
    else if (raw && !NOT_IMAGES.has(name.suffix)) found.images.push(candidate);
    else found.others.push(candidate);
  }
}

/** The entities of an image that files made of it keep, in BIDS's order: `acq-3D_run-2`; undefined if it has none. */
function sourceEntities({ entities }: BidsName): string | undefined {
  const kept = ['acq', 'rec', 'run'].flatMap((key) =>
    entities.has(key) ? [`${key}-${entities.get(key)}`] : [],
  );
  return kept.length > 0 ? kept.join('_') : undefined;
}

/** The masks of a chosen source; where none is chosen, all, and which sources compete. */
function ofSource(
  candidates: readonly Candidate[],
  wanted: string | undefined,
): { readonly chosen: readonly Candidate[]; readonly sources: readonly string[] } {
  const sources = [...new Set(candidates.map(({ pipeline }) => pipeline.name))].sort();
  const named = new Set(candidates.map(({ entities }) => entities.get('rater')));
  // Raters who are named, each once, do not compete wherever their masks lie.
  const apart = !named.has(undefined) && named.size === candidates.length;
  if (wanted === ALL_SOURCES || (wanted === undefined && apart)) return { chosen: candidates, sources: [] };
  if (wanted !== undefined)
    return { chosen: candidates.filter(({ pipeline }) => pipeline.name === wanted), sources: [wanted] };
  return { chosen: candidates, sources };
}

/** @throws DatasetError for a source that was chosen and is nowhere. */
function requireSources(dataset: string, choices: DatasetChoices, seen: Sources): void {
  for (const purpose of ['lesions', 'brainmask'] as const) {
    const wanted = choices[purpose];
    if (wanted === undefined || wanted === ALL_SOURCES || seen[purpose].has(wanted)) continue;
    const there = [...seen[purpose]].sort().join(', ') || 'none';
    throw new DatasetError(
      `${dataset}: there are no ${CONTESTED[purpose]} from ${JSON.stringify(wanted)}; the sources are: ${there}`,
      { hint: 'A source is a folder in derivatives; raw means beside the images.', setting: purpose },
    );
  }
}

function isLesion(name: BidsName): boolean {
  const label = name.entities.get('label')?.toLowerCase();
  return ['mask', 'roi', 'probseg'].includes(name.suffix) && label !== undefined && LESION_LABELS.has(label);
}

function isBrain(name: BidsName): boolean {
  return name.suffix === 'mask' && (name.entities.get('desc') ?? name.entities.get('label')) === 'brain';
}

function best(candidates: readonly Candidate[], expected: readonly string[]): Candidate | undefined {
  return [...candidates].sort((a, b) => compareCandidates(a, b, expected) || (a.path < b.path ? -1 : 1))[0];
}

/** The one of several files of a kind that is used; tells of the others. */
function pick(
  kind: string,
  candidates: readonly Candidate[],
  expected: readonly string[],
  { filter }: DatasetChoices,
  warnings: string[],
): Candidate | undefined {
  const left = filterNames(candidates, kind, filter);
  const chosen = best(left, expected);
  for (const other of candidates)
    if (other !== chosen && (!chosen || other.pipeline === chosen.pipeline))
      warnings.push(
        left.includes(other)
          ? `${other.path}: not used, ${chosen!.name} is the ${kind}`
          : `${other.path}: not used, the filter leaves it out`,
      );
  return chosen;
}

/** `T1w`, or `ce-gadolinium_T1w` for an image after contrast, which is another modality. */
function modalityOf(name: BidsName): string {
  const agent = name.entities.get('ce');
  const suffix = canonicalModality(name.suffix);
  return agent === undefined ? suffix : `ce-${agent}_${suffix}`;
}

function pickImages(
  images: readonly Candidate[],
  choices: DatasetChoices,
  warnings: string[],
): Map<string, string> {
  const groups = new Map<string, Candidate[]>();
  for (const image of images) {
    const key = modalityOf(image);
    groups.set(key, [...(groups.get(key) ?? []), image]);
  }
  const picked = new Map<string, string>();
  for (const key of [...groups.keys()].sort(compareModalities)) {
    const chosen = pick(key, groups.get(key)!, ['sub', 'ses', 'ce'], choices, warnings);
    if (chosen) picked.set(key, chosen.path);
  }
  return picked;
}

/**
 * One mask a rater: named by `rater-`, else `desc-`, else `1`. The same rater in two derivatives folders is told
 * apart by the folder's name.
 */
function pickRaters(
  masks: readonly Candidate[],
  { filter }: DatasetChoices,
  warnings: string[],
): Map<string, string> {
  const expected = ['sub', 'ses', 'label', 'rater', 'desc', 'space'];
  const left = filterNames(masks, undefined, filter);
  for (const mask of masks)
    if (!left.includes(mask)) warnings.push(`${mask.path}: not used, the filter leaves it out`);
  const sorted = left.sort(
    (a, b) =>
      (a.pipeline.name < b.pipeline.name ? -1 : a.pipeline.name > b.pipeline.name ? 1 : 0) ||
      compareCandidates(a, b, expected),
  );
  const raters = new Map<string, Candidate>();
  for (const mask of sorted) {
    const { entities, path, pipeline } = mask;
    const rater = entities.get('rater') ?? entities.get('desc') ?? '1';
    const taken = raters.get(rater);
    if (!taken) raters.set(rater, mask);
    // A second file of the same rater in the same folder is a variant (run, space): the plainer one stays.
    else if (taken.pipeline !== pipeline && !raters.has(pipeline.name)) raters.set(pipeline.name, mask);
    else if (taken.pipeline === pipeline)
      warnings.push(`${path}: not used, ${taken.name} is the lesion mask of rater ${rater}`);
  }
  return new Map([...raters].sort(([a], [b]) => (a < b ? -1 : 1)).map(([rater, { path }]) => [rater, path]));
}
