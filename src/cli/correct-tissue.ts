import { UsageError } from '../core/errors.ts';
import { scanName } from '../imaging/dataset/dataset.ts';
import { MAPS_TREE } from '../imaging/dataset/inputs.ts';
import { TISSUES } from '../imaging/dataset/tissue-maps.ts';
import {
  type CorrectedScan,
  correctScan,
  findCorrections,
  LESIONS_TREE,
} from '../imaging/tissue/correct-files.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { packageVersion } from '../platform/terminal.ts';
import { type Command, command } from './command.ts';
import { claimFolder, OVERWRITE_ARG, requireNewFiles, requireOwnFolder } from './own-folder.ts';

/** How BIDS's description names what is written. */
const CONTENT = 'voxelgrad corrected tissue maps';

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
    overwrite: OVERWRITE_ARG,
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
    const written = corrections.flatMap(({ paths }) => TISSUES.map((label) => paths[label]));
    await out.checkWritable();
    await requireOwnFolder(out, CONTENT);
    await requireNewFiles(out, written, options.flag('overwrite'));
    await claimFolder(out, CONTENT, {
      trees: { [MAPS_TREE]: out.pathTo(tissue), [LESIONS_TREE]: out.pathTo(lesions) },
    });
    const bar = output.progress({ label: 'correcting', total: corrections.length, unit: 'scan' });
    const done: CorrectedScan[] = [];
    for (const correction of corrections) {
      done.push(await correctScan(tissue, lesions, correction, out, packageVersion()));
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
