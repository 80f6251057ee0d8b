import { type Dataset, findScans, type Scan, scanName } from '../imaging/dataset/dataset.ts';
import { type FileRole, guessRole, MODALITY_ROLES } from '../imaging/dataset/file-role.ts';
import { type LooseScan, scanOfFiles } from '../imaging/dataset/loose-files.ts';
import { TISSUES } from '../imaging/dataset/tissue-maps.ts';
import { readNifti } from '../imaging/nifti/read.ts';
import { describeGrid, type Grid, sameGrid } from '../imaging/volume/volume.ts';
import type { Model } from '../pipeline/models/model.ts';
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

  /**
   * Takes files up. Where they are a whole data set (BIDS or ISBI 2015), its scans can be chosen among, and the first
   * one is; else every file joins the others.
   */
  async add(dropped: readonly DroppedFile[]): Promise<void> {
    const inFolder = dropped.filter(({ path }) => path.includes('/'));
    const dataset = inFolder.length > 0 ? await datasetOf(inFolder) : undefined;
    if (dataset) {
      this.#dataset = {
        files: (dataset.files as DroppedFiles).files,
        scans: findScans(dataset),
      };
      await this.choose(scanName(this.#dataset.scans[0]!));
      return;
    }
    this.#leaveDataset();
    for (const { path, file } of dropped) {
      const isImage = /\.nii(\.gz)?$/i.test(path);
      // A folder holds all sorts of things; what was dropped by itself was meant.
      if (isImage || !path.includes('/'))
        this.#files.set(path, await inspect(path, file, isImage ? guessRole(path) : undefined));
    }
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
    this.#leaveDataset();
  }

  #leaveDataset(): void {
    if (this.#dataset) this.#files.clear();
    this.#dataset = undefined;
    this.#scan = undefined;
  }

  /** What the scan is called: by its data set, else by what its files' names have in common. */
  get name(): string {
    return this.#scan ? scanName(this.#scan) : commonName([...this.#files.keys()]);
  }

  /** The files without a fault, one a role. */
  whole(): { readonly path: string; readonly role: FileRole; readonly file: Blob }[] {
    return this.#reports().flatMap(({ path, role, problem }) =>
      role && !problem ? [{ path, role, file: this.#files.get(path)!.file }] : [],
    );
  }

  /** A file that was read without a fault. */
  blob(path: string): Blob | undefined {
    const file = this.#files.get(path);
    return file?.grid ? file.file : undefined;
  }

  /** The scan to load. @throws DatasetError as `scanOfFiles` does. */
  scan(): LooseScan {
    const good = this.#reports().filter(({ problem, role }) => !problem && role);
    const roles = new Map(good.map(({ path, role }) => [path, role!]));
    const files = new DroppedFiles(new Map([...this.#files].map(([path, { file }]) => [path, file])));
    return scanOfFiles(files, roles, this.#scan?.subject ?? 'scan');
  }

  /** @param model the network that is to run, where one is loaded */
  report(model: Model | undefined): FilesReport {
    const files = this.#reports(model);
    const missing = this.#missing(files, model);
    const bad = files.some(({ problem }) => problem);
    return {
      scans: this.#dataset?.scans.map(scanName) ?? [],
      scan: this.#scan ? scanName(this.#scan) : null,
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
    const { channels, maps: read } = model.info.task;
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

/** `p2` for `p2_FLAIR.nii.gz` and `p2_T1w.nii.gz`: whole words; `scan` where the names have none in common. */
function commonName(paths: readonly string[]): string {
  const [first, ...others] = paths.map((path) =>
    path
      .split('/')
      .at(-1)!
      .split(/[_. -]+/),
  );
  if (!first || others.length === 0) return 'scan';
  const end = first.findIndex((word, i) => others.some((words) => words[i] !== word));
  return first.slice(0, Math.max(0, end)).join('_') || 'scan';
}

async function datasetOf(dropped: readonly DroppedFile[]): Promise<Dataset | undefined> {
  const folders = new Set(dropped.map(({ path }) => path.split('/', 1)[0]!));
  const inside = dropped.map(({ path, file }) => ({ path: path.slice(path.indexOf('/') + 1), file }));
  // Loaded when a folder comes: single files need none of it.
  const { openDataset } = await import('../imaging/dataset/open-dataset.ts');
  // The folder that was dropped is the data set's root, or one of the patients' folders that lie in it.
  const trees = folders.size === 1 ? [inside, dropped] : [dropped];
  for (const tree of trees)
    try {
      return await openDataset(new DroppedFiles(tree));
    } catch {
      // Not in one of the layouts: its images are taken one by one.
    }
  return undefined;
}

function rolesOf(scan: Scan): Map<string, FileRole> {
  const roles = new Map<string, FileRole>();
  for (const [name, path] of scan.modalities) {
    const role = MODALITY_ROLES.find((each) => each === name);
    if (role) roles.set(path, role);
  }
  const [truth] = scan.lesionMasks.values();
  if (truth !== undefined) roles.set(truth, 'lesions');
  if (scan.brainMask !== undefined) roles.set(scan.brainMask, 'brain');
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
        'This is no NIfTI file',
        dicom ? 'Convert DICOM with dcm2niix first.' : 'Give .nii or .nii.gz files, or a model.safetensors.',
      ),
    };
  }
  try {
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
