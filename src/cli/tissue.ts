import { DatasetError, UsageError } from '../core/errors.ts';
import { hashFile } from '../core/hash-file.ts';
import { findScans, scanName } from '../imaging/dataset/dataset.ts';
import { describeInputs, type InputFile } from '../imaging/dataset/inputs.ts';
import { canonicalModality } from '../imaging/dataset/modality.ts';
import {
  makeTissues,
  readPrior,
  requireTissueInputs,
  type TissueMethod,
  type TissuePriors,
} from '../imaging/tissue/make-tissues.ts';
import { openNodeGpu } from '../platform/node.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { packageVersion } from '../platform/terminal.ts';
import { type Command, command } from './command.ts';
import { GPU_ARGS } from './common.ts';
import { DATASET_ARGS, datasetChoices, openDatasetOf } from './dataset-options.ts';
import { claimFolder, OVERWRITE_ARG, requireNew, requireOwnFolder } from './own-folder.ts';

/** How BIDS's description names what is written. */
const CONTENT = 'voxelgrad tissue maps';

export const tissue: Command = command({
  name: 'tissue',
  description: 'Write maps of grey matter, white matter and cerebrospinal fluid',
  args: {
    ...GPU_ARGS,
    dataset: { type: 'positional', description: 'Data set (BIDS or ISBI 2015)' },
    out: { type: 'positional', description: 'Folder for the maps (BIDS derivatives, and c1, c2, c3 as SPM)' },
    method: {
      type: 'enum',
      options: ['spm', 'em'],
      description: "spm takes SPM12's maps where they are; em makes them, on the GPU (default em)",
    },
    subjects: { type: 'string', valueHint: 'ID,ID', description: 'Whose maps (default: all)' },
    modalities: {
      type: 'string',
      valueHint: 'NAME,NAME',
      description: 'Images that em looks at; T1w must be one (default T1w)',
    },
    priors: {
      type: 'string',
      valueHint: 'DIR',
      description: 'Folder with label-GM_, label-WM_ and label-CSF_probseg of a template in the same space',
    },
    beta: {
      type: 'string',
      valueHint: 'X',
      description: 'Strength of the Markov random field (default 0.4)',
    },
    iterations: { type: 'string', valueHint: 'N', description: 'Rounds of em (default 60)' },
    brainmask: DATASET_ARGS.brainmask,
    'bids-filter': DATASET_ARGS['bids-filter'],
    'trust-brain': DATASET_ARGS['trust-brain'],
    overwrite: OVERWRITE_ARG,
  },
  examples: [
    { line: 'tissue ./dataset ./tissue', does: 'everybody, from the T1' },
    { line: 'tissue ./dataset ./tissue --subjects 07 --modalities T1w,T2w', does: 'one patient, two images' },
    { line: 'tissue ./dataset ./tissue --method spm', does: "SPM's maps, repaired and in both namings" },
  ],
  async run(options, output) {
    options.seed();
    const method = (options.text('method') ?? 'em') as TissueMethod;
    const modalities = options.list('modalities') ?? ['T1w'];
    if (!modalities.some((name) => canonicalModality(name) === 'T1w'))
      throw new UsageError(`--modalities must name T1w, not only ${modalities.join(', ')}`, {
        hint: 'Tissues are told apart by their T1 contrast.',
      });
    const beta = options.number('beta', { min: 0, max: 10 });
    const iterations = options.integer('iterations', { min: 1, max: 1000 });
    if (method === 'spm')
      for (const name of ['modalities', 'priors', 'beta', 'iterations'] as const)
        if (options.text(name) !== undefined)
          throw new UsageError(`--${name} means nothing with --method spm`, { hint: `Leave --${name} out.` });
    const priors = await openPriors(options.text('priors'));
    const dataset = await openDatasetOf(options.required('dataset'), datasetChoices(options), output);
    const scans = findScans(dataset, options.list('subjects'));
    requireTissueInputs(scans, { method, modalities });
    const out = new NodeFolder(options.required('out'));
    await out.checkWritable();
    await requireOwnFolder(out, CONTENT);
    await requireNew(out, scans, options.flag('overwrite'));
    const gpu = method === 'em' ? await openNodeGpu({ quiet: true }) : undefined;
    try {
      await claimFolder(out, CONTENT, {
        raw: out.pathTo(new NodeFolder(options.required('dataset'))),
        trees: priors && { [PRIORS_TREE]: out.pathTo(new NodeFolder(options.required('priors'))) },
      });
      output.note(
        describeInputs(dataset, scans, {
          modalities: method === 'spm' ? ['T1w'] : modalities.map(canonicalModality),
        }),
      );
      const bar = output.progress({ label: 'tissues', total: scans.length, unit: 'scan' });
      const done = await makeTissues(gpu, {
        dataset,
        scans,
        method,
        modalities,
        ...priors,
        em: {
          beta,
          iterations,
        },
        out,
        version: packageVersion(),
        onProgress: (count, name) => bar.update(count, name),
      });
      for (const scan of done)
        for (const warning of scan.warnings ?? []) output.note(`warning: ${scanName(scan)}: ${warning}`);
      output.result(
        { out: out.name, method, scans: done },
        done.map((scan) => `${scanName(scan)}: ${scan.bids.join(', ')}`).join('\n'),
      );
    } finally {
      await gpu?.close();
    }
  },
});

/** What sidecars call the folder of priors. */
const PRIORS_TREE = 'priors';

async function openPriors(
  path: string | undefined,
): Promise<{ readonly priors: TissuePriors; readonly priorFiles: readonly InputFile[] } | undefined> {
  if (path === undefined) return undefined;
  const folder = new NodeFolder(path);
  const priorFiles: InputFile[] = [];
  const names = (await folder.list('')).filter(({ kind }) => kind === 'file').map(({ name }) => name);
  const read = async (label: string): Promise<TissuePriors['GM']> => {
    const name = names.find((file) => new RegExp(`label-${label}_probseg\\.nii(\\.gz)?$`).test(file));
    if (name === undefined)
      throw new DatasetError(`${path}: there is no *_label-${label}_probseg.nii[.gz]`, {
        hint: 'A folder of priors holds one map each of GM, WM and CSF.',
      });
    priorFiles.push({
      role: `${label} prior`,
      path: name,
      sha256: await hashFile(folder, name),
      tree: PRIORS_TREE,
    });
    return await readPrior(await folder.read(name), `${path}/${name}`);
  };
  const priors = { GM: await read('GM'), WM: await read('WM'), CSF: await read('CSF') };
  return { priors, priorFiles };
}
