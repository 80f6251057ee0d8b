import { UsageError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { parseBidsName } from '../imaging/dataset/bids-name.ts';
import { CONTESTED } from '../imaging/dataset/choices.ts';
import { type Dataset, findScans, type Scan, scanName } from '../imaging/dataset/dataset.ts';
import { type FileRole, guessRole, MODALITY_ROLES } from '../imaging/dataset/file-role.ts';
import type { InputFile } from '../imaging/dataset/inputs.ts';
import { type LooseScan, scanOfFiles } from '../imaging/dataset/loose-files.ts';
import { type PredictionKind, predictionName } from '../imaging/dataset/prediction-path.ts';
import { TISSUES } from '../imaging/dataset/tissue-maps.ts';
import { describeGrid, type Grid, sameGrid } from '../imaging/volume/volume.ts';
import type { Model } from '../pipeline/models/model.ts';
import { presentChannels } from '../pipeline/models/optional-channels.ts';
import { describeChange, spacingChange } from '../pipeline/predict/voxel-size.ts';
import { DroppedFiles } from './dropped-files.ts';
import { problem, problemOf, sentence } from './problem.ts';
import type { DroppedFile, FileReport, FilesReport, Problem } from './protocol.ts';

interface ScanFile {
  readonly path: string;
  readonly file: Blob;
  role: FileRole | null;
  /** Missing where the file could not be read. */
  readonly grid?: Grid;
  readonly problem: Problem | null;
}

/** Roles whose files must lie on one grid; tissue maps may be turned, which loading sees to. */
const ON_ONE_GRID: readonly (FileRole | null)[] = [...MODALITY_ROLES, 'lesions', 'brain'];

/** The files of one scan: what each is, what is wrong with it, and whether a model can run on them. */
export class ScanFiles {
  readonly #files: Map<string, ScanFile> = new Map();
  #dataset: { readonly files: ReadonlyMap<string, Blob>; readonly scans: readonly Scan[] } | undefined;
  #scan: Scan | undefined;
  #notes: readonly string[] = [];
  /** Take the brain as it is found even if it looks like a whole head. */
  trustBrain = false;

  /**
   * Takes files up. Where they are a whole data set (BIDS or ISBI 2015), its scans can be chosen among, and the first
   * one is; else every file joins the others.
   */
  async add(dropped: readonly DroppedFile[]): Promise<void> {
    const inFolder = dropped.filter(({ path }) => path.includes('/'));
    const { dataset, refusal } = inFolder.length > 0 ? await datasetOf(inFolder) : {};
    this.trustBrain = false;
    if (dataset) {
      this.#notes = dataset.warnings.slice(0, MOST_NOTES);
      this.#dataset = {
        files: (dataset.files as DroppedFiles).files,
        scans: findScans(dataset),
      };
      await this.choose(scanName(this.#dataset.scans[0]!));
      return;
    }
    this.#leaveDataset();
    let taken = 0;
    for (const { path, file } of dropped) {
      const isImage = /\.nii(\.gz)?$/i.test(path);
      // A folder holds all sorts of things; what was dropped by itself was meant.
      if (!isImage && path.includes('/')) continue;
      taken++;
      this.#files.set(path, await inspect(path, file, isImage ? guessRole(path) : undefined));
    }
    if (taken === 0 && refusal) throw refusal;
  }

  /** Chooses a scan of the data set that was dropped, by its name. */
  async choose(name: string): Promise<void> {
    const scan = this.#dataset?.scans.find((each) => scanName(each) === name);
    if (!this.#dataset || !scan) return;
    this.#scan = scan;
    this.#files.clear();
    for (const [path, role] of rolesOf(scan))
      this.#files.set(path, await inspect(path, this.#dataset.files.get(path)!, role));
  }

  setRole(path: string, role: FileRole | null): void {
    const file = this.#files.get(path);
    if (file) file.role = role;
  }

  remove(path: string): void {
    this.#files.delete(path);
  }

  clear(): void {
    this.#files.clear();
    this.trustBrain = false;
    this.#leaveDataset();
  }

  #leaveDataset(): void {
    if (this.#dataset) this.#files.clear();
    this.#dataset = undefined;
    this.#scan = undefined;
    this.#notes = [];
  }

  /** What the scan is called: by its data set, else by what its files' names have in common. */
  get name(): string {
    return this.#scan ? scanName(this.#scan) : commonName(this.#images());
  }

  /** What files that are saved begin with: the source's name, with the entities that tell it apart. */
  get stem(): string {
    if (this.#scan) return [scanName(this.#scan), this.#scan.entities].filter((part) => part).join('_');
    const [first] = this.#images();
    const bids = first === undefined ? undefined : parseBidsName(first);
    if (!bids) return this.name;
    const kept = [...bids.entities].filter(([key]) => key !== 'ce');
    return kept.map((pair) => pair.join('-')).join('_');
  }

  /** The name that a prediction for the scan is saved under. */
  predictionName(kind: PredictionKind, extension?: string): string {
    return predictionName(this.stem, undefined, kind, extension);
  }

  /** Name of the file with the true mask, if there is one. */
  get truthName(): string | null {
    const truth = this.whole().find(({ role }) => role === 'lesions');
    return truth?.path.split('/').at(-1) ?? null;
  }

  /** The files that a run reads, with their hashes. */
  async inputs(modalities: readonly string[]): Promise<InputFile[]> {
    const inputs: InputFile[] = [];
    for (const { path, role, file } of this.whole())
      if (modalities.includes(role) || !MODALITY_ROLES.includes(role))
        inputs.push({ role, path, sha256: await sha256(new Uint8Array(await file.arrayBuffer())) });
    return inputs;
  }

  /** Names of the image files, the first modality's first. */
  #images(): string[] {
    const rank = (role: FileRole | null): number =>
      role && MODALITY_ROLES.includes(role) ? MODALITY_ROLES.indexOf(role) : MODALITY_ROLES.length;
    return [...this.#files.values()]
      .sort((a, b) => rank(a.role) - rank(b.role))
      .map(({ path }) => path.split('/').at(-1)!);
  }

  /** The files without a fault, one a role. */
  whole(): { readonly path: string; readonly role: FileRole; readonly file: Blob }[] {
    return this.#reports().flatMap(({ path, role, problem }) =>
      role && !problem ? [{ path, role, file: this.#files.get(path)!.file }] : [],
    );
  }

  /** An image as NIfTI that the viewer can show. @throws UsageError where it could not be read; FileFormatError */
  async image(path: string): Promise<Uint8Array> {
    const file = this.#files.get(path);
    if (!file?.grid) throw new UsageError(`${path}: there is no image to show`);
    const { readNifti } = await import('../imaging/nifti/read.ts');
    const { encodeNifti } = await import('../imaging/nifti/encode.ts');
    const { volume, header } = await readNifti(file.file, path);
    return encodeNifti(volume, { datatype: 'float32', like: header });
  }

  /** The scan to load. @throws DatasetError as `scanOfFiles` does. */
  scan(): LooseScan {
    const good = this.#reports().filter(({ problem, role }) => !problem && role);
    const roles = new Map(good.map(({ path, role }) => [path, role!]));
    const files = new DroppedFiles(new Map([...this.#files].map(([path, { file }]) => [path, file])));
    const { dataset, scan } = scanOfFiles(files, roles, this.#scan?.subject, this.name);
    return { dataset: { ...dataset, choices: { trustBrain: this.trustBrain } }, scan };
  }

  /** @param model the network that is to run, where one is loaded */
  report(model: Model | undefined): FilesReport {
    const files = this.#reports(model);
    const missing = this.#missing(files, model);
    const bad = files.some(({ problem }) => problem);
    return {
      scans: this.#dataset?.scans.map(scanName) ?? [],
      scan: this.#scan ? scanName(this.#scan) : null,
      notes: [...contestedNotes(this.#scan), ...this.#notes].map(sentence),
      files,
      ready: files.length > 0 && model !== undefined && !missing && !bad,
      problem: files.length === 0 ? null : missing,
    };
  }

  #reports(model?: Model): FileReport[] {
    const byRole = new Map<FileRole, string>();
    const images = [...this.#files.values()].filter(
      (file) => file.role && MODALITY_ROLES.includes(file.role),
    );
    const reference = images.find((file) => file.grid);
    return [...this.#files.values()].map((file) => {
      const { path, role, grid } = file;
      const name = path.split('/').at(-1)!;
      // A file that cannot be read takes no place from another.
      const taken = role && grid ? byRole.get(role) : undefined;
      if (role && grid && !taken) byRole.set(role, name);
      return {
        path,
        name,
        role,
        detail: grid ? describeGrid(grid).replace(/, origin.*/, '') : '',
        note: file === reference && grid ? spacingNote(model, grid) : null,
        problem: file.problem ?? roleProblem(file, taken) ?? gridProblem(file, reference),
      };
    });
  }

  /** What the model needs and no file gives. */
  #missing(files: readonly FileReport[], model: Model | undefined): Problem | null {
    const roles = files.map(({ role }) => role as string | null);
    if (!model)
      return roles.some((role) => MODALITY_ROLES.includes(role as FileRole))
        ? null
        : problem('There is no image among the files', 'Give at least one of FLAIR, T1w, T2w, PDw.');
    const { maps: read } = model.info.task;
    const channels = presentChannels(
      model.info,
      roles.filter((role) => role !== null),
    );
    // Where no map is given, they are made, from the T1.
    const maps = TISSUES.some((name) => roles.includes(name)) ? TISSUES : ['T1w'];
    const wanted = [...new Set([...channels, ...(read ? maps : [])])];
    const missing = wanted.filter((name) => !roles.includes(name));
    if (missing.length === 0) return null;
    return problem(
      `The model reads ${wanted.join(', ')}; no file is ${missing.join(' or ')}`,
      'Add the file, say which file it is, or choose another model.',
    );
  }
}

/** Warnings of a data set that are shown. */
const MOST_NOTES = 5;

/**
 * `p2` for `p2_FLAIR.nii.gz` and `p2_T1w.nii.gz`, `sub-19_ses-1` for BIDS names: what the names have in common, up to a
 * whole word. Of one file its name without the extension; `scan` where the names have nothing in common.
 */
function commonName(names: readonly string[]): string {
  const [first, ...others] = names.map((name) => name.replace(/\.nii(\.gz)?$/i, ''));
  if (first === undefined) return 'scan';
  const bids = parseBidsName(names[0]!);
  if (bids) {
    const kept = ['sub', 'ses'].filter((key) => bids.entities.has(key));
    return kept.map((key) => `${key}-${bids.entities.get(key)}`).join('_');
  }
  if (others.length === 0) return first;
  const words = first.split(/(?=[_. -])/);
  let common = '';
  for (const word of words) {
    const longer = common + word;
    if (
      !others.every(
        (other) =>
          other === longer || (/^[_. -]/.test(other.slice(longer.length)) && other.startsWith(longer)),
      )
    )
      break;
    common = longer;
  }
  return common || 'scan';
}

/** That masks of several sources compete, and that none is taken. */
function contestedNotes(scan: Scan | undefined): string[] {
  return (['brainmask', 'lesions'] as const).flatMap((purpose) => {
    const sources = scan?.contested?.[purpose];
    return sources
      ? [
          `There are ${CONTESTED[purpose]} from ${sources.join(' and ')}: none is used. To use one, choose the files one by one.`,
        ]
      : [];
  });
}

async function datasetOf(
  dropped: readonly DroppedFile[],
): Promise<{ readonly dataset?: Dataset; readonly refusal?: unknown }> {
  const folders = new Set(dropped.map(({ path }) => path.split('/', 1)[0]!));
  const inside = dropped.map(({ path, file }) => ({ path: path.slice(path.indexOf('/') + 1), file }));
  // Loaded when a folder comes: single files need none of it.
  const { openDataset } = await import('../imaging/dataset/open-dataset.ts');
  // The folder that was dropped is the data set's root, or one of the patients' folders that lie in it.
  const trees = folders.size === 1 ? [inside, dropped] : [dropped];
  let refusal: unknown;
  for (const tree of trees)
    try {
      return { dataset: await openDataset(new DroppedFiles(tree)) };
    } catch (error) {
      // Not in one of the layouts: its images are taken one by one, if there are any.
      refusal ??= error;
    }
  return { refusal };
}

function rolesOf(scan: Scan): Map<string, FileRole> {
  const roles = new Map<string, FileRole>();
  for (const [name, path] of scan.modalities) {
    const role = MODALITY_ROLES.find((each) => each === name);
    if (role) roles.set(path, role);
  }
  const [truth] = scan.lesionMasks.values();
  if (truth !== undefined && !scan.contested?.lesions) roles.set(truth, 'lesions');
  if (scan.brainMask !== undefined && !scan.contested?.brainmask) roles.set(scan.brainMask, 'brain');
  const [tissues] = scan.tissues.values();
  if (tissues) for (const name of ['GM', 'WM', 'CSF'] as const) roles.set(tissues[name], name);
  return roles;
}

/** Reads a file to the end, so that what is wrong with it is known now and not in the middle of a run. */
async function inspect(path: string, file: Blob, role: FileRole | undefined): Promise<ScanFile> {
  const found = { path, file, role: role ?? null };
  if (!/\.nii(\.gz)?$/i.test(path)) {
    const dicom = /\.(dcm|ima)$/i.test(path) || !/\.\w+$/.test(path);
    return {
      ...found,
      problem: problem(
        'This is not a NIfTI file',
        dicom ? 'Convert DICOM with dcm2niix first.' : 'Give .nii or .nii.gz files, or a model.safetensors.',
      ),
    };
  }
  try {
    const { readNifti } = await import('../imaging/nifti/read.ts');
    const { header } = await readNifti(await new DroppedFiles(new Map([[path, file]])).open(path), path);
    return { ...found, grid: header.grid, problem: null };
  } catch (error) {
    return { ...found, problem: problemOf(error, path) };
  }
}

/** That a scan will be resampled for the model. */
function spacingNote(model: Model | undefined, grid: Grid): string | null {
  const change = model && spacingChange(model.info, grid);
  return change ? sentence(describeChange(change, true)) : null;
}

function roleProblem({ role }: ScanFile, taken: string | undefined): Problem | null {
  if (role === null) return problem('Its name does not tell what it is', 'Choose what it is, or remove it.');
  return taken === undefined
    ? null
    : problem(`${taken} is the ${role} already`, 'Choose another kind, or remove it.');
}

function gridProblem({ role, grid, path }: ScanFile, reference: ScanFile | undefined): Problem | null {
  if (!grid || !reference?.grid || reference.path === path || !ON_ONE_GRID.includes(role)) return null;
  if (sameGrid(grid, reference.grid)) return null;
  return problem(
    `Its grid is ${describeGrid(grid)}, that of the ${reference.role} is ${describeGrid(reference.grid)}`,
    'Register and resample all images of a scan to one grid first.',
  );
}
