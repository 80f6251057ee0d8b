import { StorageError, UsageError } from '../core/errors.ts';
import { type BrainchopChoices, importBrainchop } from '../pipeline/exchange/brainchop/import.ts';
import { IMPORT_FILES, writeImport } from '../pipeline/exchange/import-folder.ts';
import { type Imported, importNnUNet } from '../pipeline/exchange/nnunet/import.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { packageVersion } from '../platform/terminal.ts';
import { type Command, command } from './command.ts';
import { type Options, parseNumber } from './common.ts';

/** Options that choose what of a folder is imported. */
type ImportOption = 'folds' | 'checkpoint' | 'configuration' | 'channels' | 'no-mirror' | 'range';

/** A program whose networks can be imported. */
interface ImportSource {
  readonly name: string;
  readonly title: string;
  /** @param path file or folder */
  read(path: string, options: Options<ImportOption>): Promise<Imported>;
}

const SOURCES: readonly ImportSource[] = [
  {
    name: 'nnunet',
    title: 'a results folder of nnU-Net v2, or a trainer or a fold in it',
    async read(path, options) {
      const folder = new NodeFolder(path);
      const entries = await folder.list('');
      const has = (test: (name: string) => boolean): boolean => entries.some(({ name }) => test(name));
      // A fold alone: the plans lie above it.
      const fold = /(?:^|[/\\])fold_(\w+)[/\\]*$/.exec(folder.root)?.[1];
      const isFold = fold !== undefined && !has((name) => name === 'plans.json');
      const checkpoint = options.text('checkpoint');
      return await importNnUNet(isFold ? new NodeFolder(folder.root.replace(/[/\\][^/\\]+$/, '')) : folder, {
        folds: isFold ? [fold] : options.list('folds'),
        checkpoint: checkpoint === 'best' ? 'best' : 'final',
        configuration: options.text('configuration'),
        channels: options.list('channels'),
        mirror: !options.flag('no-mirror'),
      });
    },
  },
  {
    name: 'brainchop',
    title: 'the model.json of a MeshNet of Brainchop (TensorFlow.js layers format)',
    async read(path, options) {
      const parts = path.split(/[/\\]/);
      const file = parts.pop()!;
      const folder = new NodeFolder(parts.length === 0 ? '.' : parts.join('/') || '/');
      const [channel, ...others] = options.list('channels') ?? [];
      if (others.length > 0)
        throw new UsageError("Brainchop's models read one image", { hint: 'Name one with --channels.' });
      const name = folder.root.split(/[/\\]/).at(-1);
      return await importBrainchop(folder, file, { name, channel, range: rangeOf(options.text('range')) });
    },
  },
];

export const importCommand: Command = command({
  name: 'import',
  description: 'Make a network of another program one of your own: predict, verify, export and serve take it',
  args: {
    from: {
      type: 'positional',
      description: SOURCES.map(({ name, title }) => `${name}: ${title}`).join('. '),
    },
    files: { type: 'positional', description: 'The other program’s file or folder' },
    out: { type: 'positional', description: `Folder for ${Object.values(IMPORT_FILES).join(', ')}` },
    folds: {
      type: 'string',
      valueHint: '0,1',
      description:
        'Folds of an nnU-Net; several become one network that averages them (default: all that there are)',
    },
    checkpoint: {
      type: 'enum',
      options: ['final', 'best'],
      description: "Which of a fold's checkpoints (default final)",
    },
    configuration: {
      type: 'string',
      valueHint: 'NAME',
      description: 'Configuration of an nnU-Net, such as 3d_fullres, if the folder holds several',
    },
    channels: {
      type: 'string',
      valueHint: 'FLAIR,T1w',
      description: "Images that are the network's channels, in its order (default: as it calls them)",
    },
    'no-mirror': {
      type: 'boolean',
      description: 'Predict each place once, not mirrored too: up to 8 times as fast, a little less accurate',
    },
    range: {
      type: 'string',
      valueHint: 'min-max|LOW,HIGH',
      description:
        "What becomes 0 and 1 for a network of Brainchop: the image's least and largest value, or quantiles such as 0.05,0.95 (default: as the file's comment says, else min-max)",
    },
    overwrite: { type: 'boolean', description: 'Replace the network that is in the folder' },
  },
  examples: [
    {
      line: 'import nnunet ./nnUNet_results/Dataset001_Brain ./brain',
      does: 'all folds as one network; then: predict ./brain ./dataset ./predictions',
    },
    {
      line: 'import nnunet ./nnUNetTrainer__nnUNetPlans__3d_fullres ./brain --folds 0 --channels FLAIR,T1w',
      does: 'one fold, its channels found by these names',
    },
    {
      line: 'import brainchop ./mindgrab/model.json ./mindgrab-net',
      does: 'a network that finds brains in heads',
    },
  ],
  async run(options, output) {
    const name = options.required('from');
    const source = SOURCES.find((each) => each.name === name);
    if (!source)
      throw new UsageError(`networks of ${JSON.stringify(name)} cannot be imported`, {
        hint: `Those of ${SOURCES.map((each) => each.name).join(', ')} can.`,
      });
    const out = new NodeFolder(options.required('out'));
    await out.checkWritable();
    await requireFree(out, options.flag('overwrite'));
    const { model, notes } = await source.read(options.required('files'), options);
    await writeImport(out, out.root.split(/[/\\]/).at(-1)!, model, packageVersion());
    for (const note of notes) output.note(`note: ${note}`);
    const { card, task, network } = model.info;
    output.result(
      {
        model: `${out.name}/${IMPORT_FILES.model}`,
        source: card?.source ?? null,
        licence: card?.licence ?? null,
        channels: task.channels,
        labels: task.heads.flatMap(({ labels }) => labels),
        network: network.kind,
        notes,
      },
      `${out.name}/${IMPORT_FILES.model}: ${card?.source ?? name}; reads ${task.channels.join(', ')}; licence ${card?.licence ?? 'not known'}`,
    );
  },
});

/** Quantiles, or `min-max`. @throws UsageError for anything else. */
function rangeOf(text: string | undefined): BrainchopChoices['range'] {
  if (text === undefined || text === 'min-max') return text;
  const [low, high, ...others] = text
    .split(',')
    .map((word) => parseNumber(word, '--range', { min: 0, max: 1 }));
  if (low !== undefined && high !== undefined && others.length === 0 && low < high) return [low, high];
  throw new UsageError(
    `--range must be min-max or two quantiles, the lower one first, not ${JSON.stringify(text)}`,
  );
}

/** @throws StorageError for a folder that holds another network, or other files. */
async function requireFree(out: NodeFolder, overwrite: boolean): Promise<void> {
  const names = (await out.list('')).map(({ name }) => name).filter((name) => !name.startsWith('.'));
  const foreign = names.filter((name) => !Object.values(IMPORT_FILES).includes(name));
  if (foreign.length > 0)
    throw new StorageError(`${out.name}: holds other files (${foreign.slice(0, 3).join(', ')})`, {
      hint: 'Choose a new folder.',
    });
  if (names.length > 0 && !overwrite)
    throw new StorageError(`${out.name}: there is a network already`, {
      hint: 'Choose another folder, or add --overwrite.',
    });
}
