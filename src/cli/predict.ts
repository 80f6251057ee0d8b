import { decodeModel } from '../checkpoint/checkpoint.ts';
import { findScans, scanName } from '../dataset/dataset.ts';
import { openDataset } from '../dataset/open-dataset.ts';
import { predict as predictScans } from '../infer/run.ts';
import { openNodeGpu } from '../platform/node.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { attachTissues } from './attach-tissues.ts';
import { type Command, command } from './command.ts';
import { claimFolder, requireOwnFolder } from './own-folder.ts';
import { parseThreshold, requireModelInputs } from './prediction-inputs.ts';
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
    const scans = findScans(dataset, options.list('subjects'));
    requireModelInputs(scans, model, tissue);
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
