import { type Cohort, QC_FILES, writeCohort } from '../imaging/results/cohort.ts';
import { OUTLIER_SCORE } from '../imaging/results/outliers.ts';
import { VOLUMES_FILE } from '../imaging/results/volumes.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { packageVersion } from '../platform/terminal.ts';
import { type Command, command } from './command.ts';
import type { Output } from './output.ts';

export const qc: Command = command({
  name: 'qc',
  description: 'One table and one page for quality control over all scans of a folder of predictions',
  args: {
    predictions: {
      type: 'positional',
      description: 'Folder that `voxelgrad predict` wrote (BIDS derivatives)',
    },
  },
  examples: [
    {
      line: 'qc ./predictions',
      does: `${QC_FILES.page} and ${VOLUMES_FILE} in that folder, with the ratings of its ${QC_FILES.ratings}`,
    },
  ],
  async run(options, output) {
    options.seed();
    await writeGroup(new NodeFolder(options.required('predictions')), output);
  },
});

/** Writes the tables and the page over all scans of a folder, and tells of them. @throws DatasetError, StorageError */
export async function writeGroup(files: NodeFolder, output: Output): Promise<void> {
  await files.checkWritable();
  const cohort = await writeCohort(files, packageVersion(), files.name);
  output.result(
    {
      page: `${files.name}/${QC_FILES.page}`,
      volumes: `${files.name}/${VOLUMES_FILE}`,
      scans: cohort.scans.length,
      unusual: unusual(cohort),
    },
    tellCohort(cohort, files.name),
  );
}

/** How many scans lie far from the others. */
function unusual({ outlying }: Cohort): number {
  return outlying.filter(({ score }) => score >= OUTLIER_SCORE).length;
}

/** `500 scans, 3 unusual: predictions/qc.html`. */
export function tellCohort(cohort: Cohort, folder: string): string {
  const { length } = cohort.scans;
  return `${length} ${length === 1 ? 'scan' : 'scans'}, ${unusual(cohort)} unusual: ${folder}/${QC_FILES.page}, ${VOLUMES_FILE}`;
}
