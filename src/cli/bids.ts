import type { ArgsDef } from 'citty';
import { DatasetError, UsageError } from '../core/errors.ts';
import { parseJson } from '../core/json.ts';
import { DESCRIPTION_FILE } from '../imaging/dataset/derivative.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { packageVersion } from '../platform/terminal.ts';
import { boutiquesDescriptor } from './boutiques.ts';
import { COHORT_ARGS } from './cohort.ts';
import { type Command, command } from './command.ts';
import { GPU_ARGS, type Options, parseInteger, SHARED_ARGS, type SharedName } from './common.ts';
import type { Output } from './output.ts';
import { predictDataset } from './predict.ts';
import { writeGroup } from './qc.ts';
import { RAW_ARGS } from './raw-inputs.ts';
import { segmentScans } from './segment.ts';

const LISTS = ['participant-label', 'session-label'] as const;

const ARGS = {
  bids_dir: {
    type: 'positional',
    required: false,
    description: 'BIDS data set: raw scans, or prepared derivatives',
  },
  output_dir: {
    type: 'positional',
    required: false,
    description: 'Folder for the results (BIDS derivatives); for group, the one that participant wrote',
  },
  analysis_level: {
    type: 'positional',
    required: false,
    description: 'participant: masks and tables per scan; group: tables over all scans and qc.html',
  },
  'participant-label': {
    type: 'string',
    valueHint: 'LABEL ...',
    description: 'Which participants, with or without sub- (default: all)',
  },
  'session-label': {
    type: 'string',
    valueHint: 'LABEL ...',
    description: 'Which visits, with or without ses- (default: all)',
  },
  'skip-bids-validation': {
    type: 'boolean',
    description: `Take a data set whose ${DESCRIPTION_FILE} is missing or breaks BIDS's rules`,
  },
  'n-procs': {
    type: 'string',
    valueHint: 'N',
    description: 'Processors that may be used; scans are done one after the other, whatever the number',
  },
  mem: {
    type: 'string',
    valueHint: 'SIZE',
    description: 'Most memory of the GPU for network and window: 8G, 800M; in megabytes without a unit',
  },
  run: {
    type: 'string',
    valueHint: 'DIR',
    description: 'Folder of the network, as voxelgrad train writes it',
  },
  'brain-model': RAW_ARGS['brain-model'],
  'bids-filter': RAW_ARGS['bids-filter'],
  brainmask: RAW_ARGS.brainmask,
  'trust-brain': RAW_ARGS['trust-brain'],
  overwrite: { type: 'boolean', description: 'Replace what the folder holds of these scans' },
  ...GPU_ARGS,
  executor: COHORT_ARGS.executor,
  'slurm-options': COHORT_ARGS['slurm-options'],
  'slurm-max': COHORT_ARGS['slurm-max'],
  'submit-only': COHORT_ARGS['submit-only'],
  unit: COHORT_ARGS.unit,
  boutiques: { type: 'boolean', description: 'Print the Boutiques descriptor of this command and end' },
} as const satisfies ArgsDef;

type BidsOption = keyof typeof ARGS | SharedName;

export const bids: Command = command({
  name: 'bids',
  description: 'BIDS-App: segments a BIDS data set (participant), makes its tables and page (group)',
  args: ARGS,
  lists: LISTS,
  examples: [
    { line: 'bids ./dataset ./out participant --run ./run', does: 'all scans of a data set' },
    {
      line: 'bids ./dataset ./out participant --participant-label 01 02 --session-label 1 --run ./run',
      does: 'one visit of two participants',
    },
    { line: 'bids ./dataset ./out group', does: 'volumes.tsv and qc.html over all scans that are in ./out' },
    { line: 'bids --boutiques', does: 'the descriptor for Boutiques' },
  ],
  async run(options, output) {
    options.seed();
    if (options.flag('boutiques')) {
      const descriptor = boutiquesDescriptor(ARGS, { ...SHARED_ARGS }, LISTS, packageVersion());
      output.result(descriptor, JSON.stringify(descriptor, null, 2));
      return;
    }
    const level = options.required('analysis_level');
    if (level !== 'participant' && level !== 'group')
      throw new UsageError(`ANALYSIS_LEVEL must be participant or group, not ${JSON.stringify(level)}`, {
        hint: 'For example: voxelgrad bids ./dataset ./out participant',
      });
    const dataset = new NodeFolder(options.required('bids_dir'));
    const out = new NodeFolder(options.required('output_dir'));
    const type = await datasetType(dataset, options.flag('skip-bids-validation'));
    if (level === 'group') await writeGroup(out, output);
    else await participant(options, type, output);
  },
});

/** Segments raw scans, or predicts those that are prepared, by the journeys of these commands. */
async function participant(
  options: Options<BidsOption>,
  type: 'raw' | 'derivative',
  output: Output,
): Promise<void> {
  const procs = options.text('n-procs');
  if (procs !== undefined && parseInteger(procs, '--n-procs', { min: 1 }) > 1)
    output.note(
      'note: --n-procs: scans are done one after the other on the GPU; --executor slurm does several at once',
    );
  const mem = options.text('mem');
  const chosen = {
    subjects: joined(options.list('participant-label')),
    sessions: joined(options.list('session-label')),
    memory: mem !== undefined && /^\d+$/.test(mem) ? `${mem}M` : mem,
    out: options.required('output_dir'),
  };
  const place = options.required('bids_dir');
  // Tables over all scans are the group's: several of these may work in one folder.
  if (type === 'raw') {
    output.note(`${place} holds raw scans: they are prepared and segmented, as by voxelgrad segment`);
    await segmentScans(options.with({ ...chosen, input: place }), output, false);
    return;
  }
  const run = options.text('run');
  if (run === undefined)
    throw new UsageError('--run is missing: there is no network to predict with', {
      hint: 'Name the folder of one that was trained on such prepared scans.',
    });
  output.note(
    `${place} holds derivatives: they are taken as prepared and predicted, as by voxelgrad predict`,
  );
  const words = [run, place, chosen.out];
  await predictDataset(options.with({ ...chosen, dataset: place, _: words }), output, false);
}

function joined(list: readonly string[] | undefined): string | undefined {
  return list?.join(',');
}

/**
 * What a data set says that it holds.
 * @param lenient whether a description may be missing or wrong
 * @throws DatasetError naming the rule of BIDS that it breaks; StorageError.
 */
async function datasetType(files: NodeFolder, lenient: boolean): Promise<'raw' | 'derivative'> {
  const refuse = (what: string): 'raw' => {
    if (lenient) return 'raw';
    throw new DatasetError(`${files.name}: ${what}`, {
      hint: 'Mend it, check the data set with the BIDS validator, or add --skip-bids-validation.',
    });
  };
  if (!(await files.list('')).some(({ name }) => name === DESCRIPTION_FILE))
    return refuse(`there is no ${DESCRIPTION_FILE}, which BIDS requires`);
  let description: unknown;
  try {
    description = parseJson(new TextDecoder().decode(await files.read(DESCRIPTION_FILE)));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return refuse(`${DESCRIPTION_FILE} is not JSON`);
  }
  const { Name, BIDSVersion, DatasetType } = Object(description) as Record<string, unknown>;
  if (DatasetType === 'derivative') return 'derivative';
  for (const [key, value] of Object.entries({ Name, BIDSVersion }))
    if (typeof value !== 'string' || value === '')
      return refuse(`${DESCRIPTION_FILE} has no ${key}, which BIDS requires`);
  return 'raw';
}
