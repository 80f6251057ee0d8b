import { hashFile } from '../../core/hash-file.ts';
import { brainMaskOf, type Dataset, type Scan, scanName, shortList } from './dataset.ts';
import {
  type MapSource,
  mapPaths,
  mapSources,
  type RoledPath,
  type TargetRequest,
  targetPaths,
} from './targets.ts';

/** What sidecars call a tree of maps that is no part of the data set. */
export const MAPS_TREE = 'maps';

/** Which files of a scan are read. */
export interface InputRequest {
  readonly modalities: readonly string[];
  /** What is learned, if anything is. */
  readonly targets?: readonly TargetRequest[];
  /** Labels of the probability maps that a network reads beside the images, if it reads any. */
  readonly maps?: readonly string[] | undefined;
  /** Whose probability maps (default: the preferred ones). */
  readonly mapSource?: MapSource | undefined;
}

/** A file that was read. */
export interface InputFile {
  /** What it served as: `FLAIR`, `brain mask`, `lesion mask, rater 1`, `GM map`. */
  readonly role: string;
  /** From the root of its tree. */
  readonly path: string;
  readonly sha256: string;
  /** Which tree the file lies in, as sidecars call it (default: the data set, {@link RAW_DATASET}). */
  readonly tree?: string | undefined;
}

/** The files of a scan that are read: images first, then the brain mask, maps and targets. */
function inputPaths(dataset: Dataset, scan: Scan, request: InputRequest): RoledPath[] {
  const { files } = dataset;
  const { modalities, targets = [], maps = [], mapSource = true } = request;
  const paths: RoledPath[] = modalities.map((role) => ({ role, path: scan.modalities.get(role)!, files }));
  const brainMask = brainMaskOf(scan, modalities[0]);
  if (brainMask !== undefined) paths.push({ role: 'brain mask', path: brainMask, files });
  if (maps.length > 0) paths.push(...mapPaths(dataset, scan, maps, mapSource));
  for (const target of targets) paths.push(...targetPaths(dataset, scan, target, mapSource));
  // What is read twice is listed once.
  return paths.filter(
    ({ path, role }, i) => paths.findIndex((p) => p.path === path && p.role === role) === i,
  );
}

/** The files of a scan that are read, with their hashes. @throws StorageError */
export async function hashInputs(dataset: Dataset, scan: Scan, request: InputRequest): Promise<InputFile[]> {
  const inputs: InputFile[] = [];
  for (const { role, path, files } of inputPaths(dataset, scan, request))
    inputs.push({
      role,
      path,
      sha256: await hashFile(files, path),
      ...(files === dataset.files ? {} : { tree: MAPS_TREE }),
    });
  return inputs;
}

/** One line that says what is read: images, scans, and where brain masks, targets and maps come from. */
export function describeInputs(dataset: Dataset, scans: readonly Scan[], request: InputRequest): string {
  const parts = [`inputs: ${request.modalities.join(', ')}`];
  parts.push(`scans: ${scans.length} (${shortList(scans.map(scanName))})`);
  const byRole = new Map<string, Set<string>>();
  for (const scan of scans)
    for (const { role, path, files } of inputPaths(dataset, scan, request)) {
      if (request.modalities.includes(role)) continue;
      const source = files === dataset.files ? sourceOf(path) : files.name;
      byRole.set(role, (byRole.get(role) ?? new Set()).add(source));
    }
  if (scans.some(({ brainMask }) => brainMask === undefined))
    byRole.set('brain mask', (byRole.get('brain mask') ?? new Set()).add('what is not 0 in the images'));
  for (const [role, sources] of byRole) parts.push(`${role}: ${[...sources].join(', ')}`);
  const used = new Set([...byRole.values()].flatMap((sources) => [...sources]));
  const others = new Set(
    scans.flatMap((scan) => [...mapSources(scan).keys()]).filter((name) => !used.has(name)),
  );
  if (request.maps && others.size > 0) parts.push(`maps not used: ${[...others].join(', ')}`);
  return `${dataset.name}: ${parts.join('; ')}`;
}

/** The folder of derivatives that a path lies in; `raw` beside the images. */
function sourceOf(path: string): string {
  const [, name] = /^derivatives\/([^/]+)\//.exec(path) ?? [];
  return name === undefined || name.startsWith('sub-') ? 'raw' : name;
}
