import type { ArgDef } from 'citty';
import { UsageError } from '../core/errors.ts';
import { MemoryFiles } from '../core/files.ts';
import { sha256 } from '../core/hash.ts';
import { type Dataset, findScans, type Scan } from '../imaging/dataset/dataset.ts';
import type { FileRole } from '../imaging/dataset/file-role.ts';
import { findDicom } from '../imaging/dataset/find-dicom.ts';
import { scanOfFiles } from '../imaging/dataset/loose-files.ts';
import { decodeModel, type Model, mainThreshold } from '../pipeline/models/model.ts';
import { scanOfDicom } from '../pipeline/prepare/dicom-scan.ts';
import type { BrainModelFacts } from '../pipeline/prepare/prepare-scan.ts';
import { RUN_FILES } from '../pipeline/train/run-record.ts';
import { dcm2niix } from '../platform/dcm2niix.node.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { readShippedModel } from '../platform/shipped-models.ts';
import type { ChosenScans } from './cohort.ts';
import type { Options } from './common.ts';
import { DATASET_ARGS, datasetChoices, openDatasetOf, SESSIONS_ARG } from './dataset-options.ts';
import type { Output } from './output.ts';

export type RawName =
  | 'input'
  | 'out'
  | 'flair'
  | 't1w'
  | 'brain-mask'
  | 'brain-model'
  | 'flair-series'
  | 't1w-series'
  | 'subjects'
  | 'sessions'
  | 'brainmask'
  | 'bids-filter'
  | 'trust-brain';

/** What commands take that read scans as they come from the scanner. */
export const RAW_ARGS: Readonly<Record<RawName, ArgDef>> = {
  input: {
    type: 'positional',
    required: false,
    description: 'Folder of DICOM files of one patient, or a BIDS data set; left out with --flair',
  },
  out: { type: 'positional', required: false, description: 'Folder for what is made (BIDS derivatives)' },
  flair: { type: 'string', valueHint: 'FILE', description: 'FLAIR as NIfTI, instead of a folder' },
  t1w: { type: 'string', valueHint: 'FILE', description: 'T1w as NIfTI, with --flair' },
  'brain-mask': {
    type: 'string',
    valueHint: 'FILE',
    description: 'Brain mask as NIfTI, on the grid of the FLAIR or of the T1w',
  },
  'brain-model': {
    type: 'string',
    valueHint: 'DIR',
    description:
      'Network that finds the brain in a FLAIR that has no mask, such as an imported MindGrab (default: the one that comes with the program)',
  },
  'flair-series': {
    type: 'string',
    valueHint: 'N',
    description: 'Number of the DICOM series that is the FLAIR',
  },
  't1w-series': { type: 'string', valueHint: 'N', description: 'Number of the DICOM series that is the T1w' },
  subjects: { type: 'string', valueHint: 'ID,ID', description: 'Whom of a data set (default: all)' },
  sessions: SESSIONS_ARG,
  brainmask: DATASET_ARGS.brainmask,
  'bids-filter': DATASET_ARGS['bids-filter'],
  'trust-brain': DATASET_ARGS['trust-brain'],
};

/** Scans as they come from the scanner. */
export interface RawInputs {
  readonly dataset: Dataset;
  readonly scans: readonly Scan[];
  readonly out: NodeFolder;
  /** Where the data set lies, if it is a folder. */
  readonly raw: NodeFolder | undefined;
  /** What DICOM headers said, by modality. */
  readonly headers: ReadonlyMap<string, Uint8Array>;
  /** The network that finds the brains of scans without a mask. */
  readonly brainModel: BrainModel;
}

/** A network that finds brains. */
export interface BrainModel extends BrainModelFacts {
  readonly model: Model;
}

/** The network that comes with the program and finds brains. */
const OWN_BRAIN = 'brain';

async function openBrainModel(place: string | undefined): Promise<BrainModel> {
  const run = place === undefined ? undefined : new NodeFolder(place);
  const bytes = run ? await run.read(RUN_FILES.model) : await readShippedModel(OWN_BRAIN);
  const model = decodeModel(bytes, run ? `${run.name}/${RUN_FILES.model}` : OWN_BRAIN);
  return {
    model,
    name: model.info.card?.source ?? model.info.task.name,
    sha256: await sha256(bytes),
    threshold: mainThreshold(model.info),
  };
}

/**
 * Finds the scans of a command line.
 * @param chosen of a data set, in place of the subjects and visits that the options name
 * @throws UsageError, DatasetError, FileFormatError, StorageError
 */
export async function openRaw(
  options: Options<RawName>,
  output: Output,
  chosen?: ChosenScans,
): Promise<RawInputs> {
  const flair = options.text('flair');
  const [first, second] = [options.text('input'), options.text('out')];
  const place = flair === undefined ? second : (second ?? first);
  if (place === undefined)
    throw new UsageError(`${first === undefined ? 'INPUT' : 'OUT'} is missing`, {
      hint: 'Give the folder of the scans and one for the results; or --flair FILE and the latter alone.',
    });
  if (flair !== undefined && second !== undefined)
    throw new UsageError('a folder of scans and --flair exclude each other', {
      hint: 'With --flair name the folder for the results alone.',
    });
  const out = new NodeFolder(place);
  const brainModel = await openBrainModel(options.text('brain-model'));
  const series = new Map<string, number>();
  for (const [name, modality] of [
    ['flair-series', 'FLAIR'],
    ['t1w-series', 'T1w'],
  ] as const) {
    const number = options.integer(name, { min: 0 });
    if (number !== undefined) series.set(modality, number);
  }
  if (flair !== undefined)
    return { ...(await looseScan(options, flair)), out, raw: undefined, headers: new Map(), brainModel };
  const t1w = options.text('t1w');
  if (t1w !== undefined) throw new UsageError('--t1w needs --flair', { hint: 'Name both files.' });
  const raw = new NodeFolder(first!);
  const isBids = (await raw.list('')).some(
    ({ name, kind }) => kind === 'folder' && /^(sub-|training|testdata)/.test(name),
  );
  if (!isBids && (await findDicom(raw)) !== undefined) {
    const { dataset, scan, series: list, headers } = await scanOfDicom(dcm2niix, raw, series);
    for (const line of list) output.note(`series ${line}`);
    const mask = options.text('brain-mask');
    if (mask === undefined) return { dataset, scans: [scan], out, raw: undefined, headers, brainModel };
    const path = await addFile(dataset.files as MemoryFiles, mask, 'brain');
    return { dataset, scans: [{ ...scan, brainMask: path }], out, raw: undefined, headers, brainModel };
  }
  if (options.text('brain-mask') !== undefined)
    throw new UsageError('--brain-mask is for one scan, not for a data set', {
      hint: 'Put masks into derivatives/NAME/sub-XX/anat/sub-XX_desc-brain_mask.nii.gz.',
    });
  const { ids, visits, only } = chosen ?? {
    ids: options.list('subjects'),
    visits: options.list('sessions'),
  };
  const dataset = await openDatasetOf(first!, datasetChoices(options), output, only);
  return {
    dataset,
    scans: findScans(dataset, ids, visits),
    out,
    raw,
    headers: new Map(),
    brainModel,
  };
}

async function looseScan(
  options: Options<RawName>,
  flair: string,
): Promise<{ dataset: Dataset; scans: Scan[] }> {
  const files = new MemoryFiles('the files');
  const roles = new Map<string, FileRole>();
  for (const [file, role] of [
    [flair, 'FLAIR'],
    [options.text('t1w'), 'T1w'],
    [options.text('brain-mask'), 'brain'],
  ] as const)
    if (file !== undefined) roles.set(await addFile(files, file, role), role);
  const { dataset, scan } = scanOfFiles(files, roles);
  return { dataset, scans: [scan] };
}

/** Takes a file of the disk into a tree, under its own name if that is free. */
async function addFile(files: MemoryFiles, path: string, role: string): Promise<string> {
  const { parent, name } = new NodeFolder(path).place();
  const own = files.files.has(name) ? `${role}-${name}` : name;
  await files.write(own, await parent.read(name));
  return own;
}
