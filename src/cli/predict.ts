import { decodeModel, type Model } from '../checkpoint/checkpoint.ts';
import { DatasetError } from '../core/errors.ts';
import { type Dataset, findScans, type Scan, scanName } from '../dataset/dataset.ts';
import { chooseModalities } from '../dataset/load-scan.ts';
import { openDataset } from '../dataset/open-dataset.ts';
import { predict as predictScans } from '../infer/run.ts';
import { takesTissues } from '../nn/variants.ts';
import { openNodeGpu } from '../platform/node.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { attachTissues } from './attach-tissues.ts';
import { type Command, command } from './command.ts';
import { parseNumber } from './common.ts';
import { claimFolder, requireOwnFolder } from './own-folder.ts';
import { RUN_FILES } from './train.ts';

/** How BIDS's description names what is written. */
const CONTENT = 'voxelgrad predictions';

export const predict: Command = command({
  name: 'predict',
  description: 'Segment scans with a trained network',
  args: {
    run: { type: 'positional', description: 'Folder that `voxelgrad train` wrote' },
    dataset: { type: 'positional', description: 'Data set (BIDS or ISBI 2015)' },
    out: { type: 'positional', description: 'Folder for masks and probability maps (BIDS derivatives)' },
    subjects: { type: 'string', valueHint: 'ID,ID', description: 'Whom to segment (default: all)' },
    threshold: {
      type: 'string',
      valueHint: 'auto|X',
      description: 'Probability from which a voxel is lesion; auto is what training chose (default auto)',
    },
    overlap: {
      type: 'string',
      valueHint: 'X',
      description: 'Overlap of the sliding window, 0 to 0.9 (default 0.5)',
    },
    tissue: {
      type: 'string',
      valueHint: 'DIR',
      description: "Tissue maps' folder, or a derivative's name",
    },
  },
  examples: [
    { line: 'predict ./run ./dataset ./predictions --subjects 26', does: 'one patient' },
    { line: 'predict ./run ./dataset ./predictions --threshold 0.5 --overlap 0.25', does: 'all, faster' },
  ],
  async run(options, output) {
    options.seed();
    const threshold = parseThreshold(options.text('threshold') ?? 'auto');
    const overlap = options.number('overlap', { min: 0, max: 0.9 }) ?? 0.5;
    const run = new NodeFolder(options.required('run'));
    const modelPath = `${run.name}/${RUN_FILES.model}`;
    const model = decodeModel(await run.read(RUN_FILES.model), modelPath);
    const tissue = options.text('tissue') ?? null;
    const dataset = await attachTissues(
      await openDataset(new NodeFolder(options.required('dataset'))),
      tissue,
    );
    const scans = choosePredicted(dataset, model, options.list('subjects'), tissue);
    const out = new NodeFolder(options.required('out'));
    await out.checkWritable();
    await requireOwnFolder(out, CONTENT);
    const gpu = await openNodeGpu();
    try {
      await claimFolder(out, CONTENT);
      const bar = output.progress({ label: 'predicting', total: scans.length, unit: 'scan' });
      const predicted = await predictScans(gpu, {
        model,
        dataset,
        scans,
        tissue: tissue ?? true,
        threshold: threshold ?? model.info.threshold,
        overlap,
        out,
        onTile: (done, total, scan) => bar.update(scans.indexOf(scan) + done / total, scanName(scan)),
      });
      const rows = predicted.map(({ subject, session, mask, probabilities, seconds }) => ({
        subject,
        session,
        mask: `${out.name}/${mask}`,
        probabilities: `${out.name}/${probabilities}`,
        seconds,
      }));
      const lines = rows.map((row) => `${scanName(row)}: ${row.mask} (${row.seconds.toFixed(1)} s)`);
      output.result({ scans: rows }, lines.join('\n'));
    } finally {
      await gpu.close();
    }
  },
});

/** Undefined for `auto`. */
function parseThreshold(text: string): number | undefined {
  return text === 'auto' ? undefined : parseNumber(text, '--threshold', { min: 0, max: 1 });
}

/** The scans to predict, once each is known to have what the model reads. */
function choosePredicted(
  dataset: Dataset,
  { info }: Model,
  subjects: readonly string[] | undefined,
  tissue: string | null,
): Scan[] {
  const scans = findScans(dataset, subjects);
  for (const scan of scans) {
    chooseModalities(scan, info.modalities);
    const maps = tissue === null ? scan.tissues.size > 0 : scan.tissues.has(tissue);
    if (takesTissues(info.variant) && !maps)
      throw new DatasetError(
        `${scanName(scan)}: the ${info.variant} model reads tissue maps; there are none`,
        {
          hint: 'Make them with SPM (c1, c2, c3), or give their folder with --tissue.',
        },
      );
  }
  return scans;
}
