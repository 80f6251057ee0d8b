import type { Gpu } from '../engine/gpu/gpu.ts';
import { scanFolder, scanName } from '../imaging/dataset/dataset.ts';
import { gpuComparison } from '../imaging/register/joint-histogram.ts';
import { QC_FILES } from '../imaging/results/cohort.ts';
import { brainByModel } from '../pipeline/predict/brain-by-model.ts';
import {
  type FailedScan,
  type Prepared,
  type PreparedScan,
  prepare as prepareScans,
} from '../pipeline/prepare/prepare.ts';
import { writePreparedPage } from '../pipeline/prepare/prepared-page.ts';
import { openNodeGpu } from '../platform/node.ts';
import { packageVersion, setExitCode } from '../platform/terminal.ts';
import { type Command, command } from './command.ts';
import { type Output, reportError } from './output.ts';
import { claimFolder, requireOwnFolder } from './own-folder.ts';
import { openRaw, RAW_ARGS, type RawInputs } from './raw-inputs.ts';
import { optionWords } from './settings.ts';

/** How BIDS's description names what is written, by `segment` too: it resumes what `prepare` began. */
const CONTENT = 'voxelgrad prepared scans';

export const prepare: Command = command({
  name: 'prepare',
  description: 'Bring raw FLAIR and T1w scans to one grid, with brain mask and without bias field',
  args: { ...RAW_ARGS },
  examples: [
    {
      line: 'prepare ./dataset ./prepared',
      does: 'a BIDS data set of raw scans; what is done already is kept',
    },
    {
      line: 'prepare ./out --flair flair.nii.gz --t1w t1.nii.gz',
      does: 'one scan, NIfTI files on two grids',
    },
    {
      line: 'prepare ./dicom ./out',
      does: 'one patient, as the scanner exported it',
    },
  ],
  async run(options, output) {
    options.seed();
    const raw = await openRaw(options, output);
    await openPrepared(raw);
    const gpu = await openNodeGpu({ quiet: true });
    try {
      const { scans: done, failed } = await preparedOf(gpu, raw, output, QC_FILES.page);
      const scans = done.map((scan) => scanRecord(scan, raw.out.name));
      const lines = scans.map((scan) => `${scanName(scan)}: ${scan.flair} (${scan.seconds.toFixed(1)} s)`);
      reportScans(output, scans, failed, lines);
    } finally {
      await gpu.close();
    }
  },
});

/**
 * Makes the folder for prepared scans.
 * @param claim whether it is described and tidied; of many who work in one folder, one does that
 * @throws StorageError if it holds other files.
 */
export async function openPrepared({ out, raw }: RawInputs, claim = true): Promise<void> {
  await out.checkWritable();
  await requireOwnFolder(out, CONTENT);
  if (claim) await claimFolder(out, CONTENT, { raw: raw && out.pathTo(raw) });
}

/**
 * Prepares the scans, with progress and warnings; a scan that fails is told of, and the others go on.
 * @param page the name of the page for quality control; undefined for none
 * @throws what is wrong with it if there is one scan only
 */
export async function preparedOf(
  gpu: Gpu,
  raw: RawInputs,
  output: Output,
  page: string | undefined,
): Promise<Prepared> {
  const { dataset, scans, out, headers, brainModel } = raw;
  const bar = output.progress({ label: 'preparing', total: scans.length, unit: 'scan' });
  let count = 0;
  const done = await prepareScans({
    ...{ dataset, scans, out },
    version: packageVersion(),
    compare: gpuComparison(gpu),
    findBrain: (image) => brainByModel(gpu, brainModel.model, image),
    brainModel,
    onStep: (step) => bar.update(count, step),
    onScan: (number, scan) => {
      count = number;
      bar.update(number, scanName(scan));
      if (scan.kept)
        output.note(`note: ${scanName(scan)} was prepared before from the same files and is kept`);
      for (const warning of scan.warnings) output.note(`warning: ${scanName(scan)}: ${warning}`);
    },
    onFailed: ({ error }) => {
      count++;
      if (scans.length > 1) output.note(reportError(error, false).text.trimEnd());
    },
  });
  if (page !== undefined) await writePreparedPage(out, done, packageVersion(), page);
  const [only] = done.failed;
  if (only && scans.length === 1) throw only.error;
  for (const [modality, header] of headers)
    for (const scan of done.scans)
      await out.write(`${scanFolder(scan)}/${scanName(scan)}_desc-dicom_${modality}.json`, header);
  return done;
}

/** Prints what was done, and what was not, with exit code 1 if anything failed. */
export function reportScans(
  output: Output,
  scans: readonly ScanRecord[],
  failed: readonly FailedScan[],
  lines: readonly string[],
): void {
  const records = failed.map(({ subject, session, error }) => ({
    ...{ subject, session },
    ...reportError(error, false).json,
  }));
  const told = failed.map((scan) => `${scanName(scan)}: failed: ${scan.error.tell(optionWords).message}`);
  output.result({ scans, failed: records }, [...lines, ...told].join('\n'));
  if (failed.length === 0) return;
  output.note(
    `${failed.length} of ${scans.length + failed.length} scans failed: ${failed.map(scanName).join(', ')}`,
  );
  setExitCode(1);
}

/** What `--json` tells of a prepared scan. */
export interface ScanRecord {
  readonly subject: string;
  readonly session: string | null;
  readonly flair: string;
  readonly mask: string | null;
  readonly brainMask: string;
  readonly transform: string | null;
  readonly volumeMl: number | null;
  readonly lesions: number | null;
  readonly seconds: number;
  readonly warnings: readonly string[];
}

/** The record of a scan that was prepared and not segmented. */
export function scanRecord(scan: PreparedScan, folder: string): ScanRecord {
  const { subject, session, images, brainMask, transform, seconds, warnings } = scan;
  return {
    ...{ subject, session, seconds, warnings },
    flair: `${folder}/${images.get('FLAIR')}`,
    brainMask: `${folder}/${brainMask}`,
    transform: transform === null ? null : `${folder}/${transform}`,
    ...{ mask: null, volumeMl: null, lesions: null },
  };
}
