import { UsageError } from '../core/errors.ts';
import { scanName } from '../imaging/dataset/dataset.ts';
import { type CorrectedScan, correctScan, findCorrections } from '../imaging/tissue/correct-files.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { type Command, command } from './command.ts';
import { claimFolder } from './own-folder.ts';

export const correctTissue: Command = command({
  name: 'correct-tissue',
  description: 'Make lesion voxels white matter in maps of grey matter, white matter and fluid',
  args: {
    tissue: {
      type: 'positional',
      description: 'Folder with tissue maps (c1, c2, c3 as SPM names them, or label-GM_probseg)',
    },
    lesions: {
      type: 'positional',
      description: 'Folder with lesion masks, such as `voxelgrad predict` wrote',
    },
    out: { type: 'positional', description: 'New folder; the maps keep their paths in it' },
  },
  examples: [
    { line: 'correct-tissue ./tissue ./predictions ./corrected', does: 'every scan that has tissue maps' },
    { line: 'correct-tissue ./spm ./predictions ./corrected --json', does: 'says in JSON what was written' },
  ],
  async run(options, output) {
    options.seed();
    const tissue = new NodeFolder(options.required('tissue'));
    const lesions = new NodeFolder(options.required('lesions'));
    const out = new NodeFolder(options.required('out'));
    if (out.root === tissue.root || out.root === lesions.root)
      throw new UsageError(`OUT is ${out.name}, which is read`, { hint: 'Choose a new folder.' });
    const corrections = await findCorrections(tissue, lesions);
    await claimFolder(out, 'voxelgrad corrected tissue maps');
    const bar = output.progress({ label: 'correcting', total: corrections.length, unit: 'scan' });
    const done: CorrectedScan[] = [];
    for (const correction of corrections) {
      done.push(await correctScan(tissue, lesions, correction, out));
      bar.update(done.length, scanName(correction.scan));
    }
    output.result(
      { out: out.name, scans: done },
      done
        .map(
          (scan) =>
            `${scanName(scan)}: ${scan.lesionMl.toFixed(2)} ml became white matter in ${scan.maps.join(', ')}`,
        )
        .join('\n'),
    );
  },
});
