import { StorageError } from '../core/errors.ts';
import { findLabelMaps, writeSyntheticDataset } from '../imaging/synthesize/write.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { packageVersion } from '../platform/terminal.ts';
import { type Command, command } from './command.ts';

export const synthesize: Command = command({
  name: 'synthesize',
  description:
    'Write synthetic FLAIR and T1w scans with lesions from label maps of brains, as a BIDS data set',
  args: {
    labels: {
      type: 'positional',
      description: 'Folder with label maps, sub-NAME_dseg.nii.gz: 0 outside, 1 CSF, 2 GM, 3 WM, 4 lesion',
    },
    out: { type: 'positional', description: 'Folder to write; made where there is none' },
    count: { type: 'string', valueHint: 'N', description: 'Scans, 1 to 9999 (default 20)' },
    subjects: { type: 'string', valueHint: 'ID,ID', description: 'Label maps to use (default: all)' },
    voxel: { type: 'string', valueHint: 'MM', description: 'Edge of a voxel in mm, 1 to 5 (default 2)' },
    healthy: {
      type: 'string',
      valueHint: 'X',
      description: 'Share of scans without lesions (default 0.08)',
    },
    overwrite: { type: 'boolean', description: 'Write into a folder that holds a data set already' },
  },
  examples: [
    { line: 'synthesize ./labels ./synthetic --count 100', does: 'a hundred scans at 2 mm to train on' },
    { line: 'synthesize ./labels ./healthy --count 4 --healthy 1', does: 'four brains without lesions' },
  ],
  async run(options, output) {
    const labels = new NodeFolder(options.required('labels'));
    const place = options.required('out');
    const out = new NodeFolder(place);
    const maps = await findLabelMaps(labels, options.list('subjects'));
    await out.checkWritable();
    if (!options.flag('overwrite') && (await out.list('')).length > 0)
      throw new StorageError(`${place}: the folder is not empty`, {
        hint: 'Choose another folder, or add --overwrite.',
      });
    const count = options.integer('count', { min: 1, max: 9999 }) ?? 20;
    const bar = output.progress({ label: 'synthesising', total: count, unit: 'scan' });
    const settings = {
      count,
      seed: options.seed(),
      voxel: options.number('voxel', { min: 1, max: 5 }) ?? 2,
      healthy: options.number('healthy', { min: 0, max: 1 }) ?? 0.08,
    };
    const scans = await writeSyntheticDataset(
      labels,
      maps,
      out,
      { ...settings, version: packageVersion() },
      (done, scan) => bar.update(done, `sub-${scan.subject}`),
    );
    const total = scans.reduce((sum, { lesionMl }) => sum + lesionMl, 0);
    output.result(
      { dataset: place, ...settings, labelMaps: maps.map(({ name }) => name), scans },
      `${place}: ${scans.length} ${scans.length === 1 ? 'scan' : 'scans'} with ${total.toFixed(1)} ml of lesions in all`,
    );
  },
});
