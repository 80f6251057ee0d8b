import { DatasetError } from '../../core/errors.ts';
import type { FileSource, FileStore } from '../../core/files.ts';
import { scanName } from '../dataset/dataset.ts';
import { predictionName } from '../dataset/prediction-path.ts';
import { tableTsv } from '../report/table-files.ts';
import { type Outlyingness, outlyingness } from './outliers.ts';
import { encodeDictionary } from './part-files.ts';
import { partWords } from './part-words.ts';
import { type QcScan, qcPage, type Rating } from './qc-page.ts';
import { type ScanSummary, scanSummaries, VOLUMES_FILE, volumesTable } from './volumes.ts';

/** The page of a cohort, and the ratings that its reader saves. */
export const QC_FILES = { page: 'qc.html', ratings: 'qc.tsv' } as const;

/** Where the mosaic of a scan goes: `sub-26/ses-02/figures/sub-26_ses-02_space-orig_desc-qc_mosaic.png`. */
export function mosaicPath(
  scan: { readonly subject: string; readonly session: string | null },
  entities?: string,
): string {
  const visit = scan.session === null ? '' : `ses-${scan.session}/`;
  const name = predictionName(scanName(scan), entities, { desc: 'qc', suffix: 'mosaic' }, 'png');
  return `sub-${scan.subject}/${visit}figures/${name}`;
}

/** What {@link writeCohort} wrote. */
export interface Cohort {
  readonly scans: readonly ScanSummary[];
  readonly outlying: readonly Outlyingness[];
}

/**
 * Writes what a folder of predictions holds of all its scans: the table of volumes with its dictionary, and the page for
 * quality control, the most unusual scans first. Ratings of a `qc.tsv` in the folder are on the page.
 * @param version of voxelgrad
 * @param name how the page calls the cohort
 * @throws DatasetError if no scan has tables; FileFormatError, StorageError.
 */
export async function writeCohort(files: FileStore, version: string, name: string): Promise<Cohort> {
  const scans: ScanSummary[] = [];
  for await (const scan of scanSummaries(files)) scans.push(scan);
  if (scans.length === 0)
    throw new DatasetError(`${files.name}: there are no tables of what was found in a scan`, {
      hint: 'Give the folder that `voxelgrad predict` wrote; predictions of earlier versions have no tables.',
    });
  const table = volumesTable(scans);
  await files.write(VOLUMES_FILE, tableTsv(table));
  const by = { GeneratedBy: [{ Name: 'voxelgrad', Version: version }] };
  await files.write(VOLUMES_FILE.replace('.tsv', '.json'), encodeDictionary(table, by));
  const outlying = outlyingness(measuresOf(scans), scans.length);
  const rows: QcScan[] = [];
  for (const [i, summary] of scans.entries())
    rows.push({ summary, outlying: outlying[i]!, picture: await pictureOf(files, summary) });
  rows.sort(
    (a, b) => b.outlying.score - a.outlying.score || b.summary.warnings.length - a.summary.warnings.length,
  );
  const ratings = await readRatings(files);
  await files.write(QC_FILES.page, await qcPage({ name, scans: rows, ratings, version }));
  return { scans, outlying };
}

/** What tells unusual scans: the brain's volume, and of each label the number of parts and, by orders, their volume. */
function measuresOf(scans: readonly ScanSummary[]): { name: string; values: number[] }[] {
  const labels = [...new Set(scans.flatMap((scan) => scan.labels.map(({ Label }) => Label)))];
  return [
    { name: 'the volume of the brain', values: scans.map(({ labels: [first] }) => first?.BrainMl ?? NaN) },
    ...labels.flatMap((label) => {
      const own = scans.map((scan) => scan.labels.find(({ Label }) => Label === label));
      const { many } = partWords(label);
      return [
        { name: `the number of ${many}`, values: own.map((of) => (of ? Math.log1p(of.Count) : NaN)) },
        {
          name: `the volume of ${many}`,
          values: own.map((of) => (of ? Math.log(of.VolumeMl + 0.1) : NaN)),
        },
      ];
    }),
  ];
}

async function pictureOf(
  files: FileSource,
  { subject, session }: ScanSummary,
): Promise<Uint8Array | undefined> {
  const folder = mosaicPath({ subject, session }).split('/').slice(0, -1).join('/');
  const found = (await files.list(folder)).find(({ name }) => name.endsWith('_mosaic.png'));
  return found && (await files.read(`${folder}/${found.name}`));
}

/** Ratings that a reader saved into the folder, by the name of the scan. */
export async function readRatings(files: FileSource): Promise<Map<string, Rating>> {
  const ratings = new Map<string, Rating>();
  if (!(await files.list('')).some(({ name }) => name === QC_FILES.ratings)) return ratings;
  const text = new TextDecoder().decode(await files.read(QC_FILES.ratings));
  const [head = '', ...lines] = text.replace(/\r/g, '').trimEnd().split('\n');
  const columns = head.split('\t');
  for (const line of lines) {
    const cells = line.split('\t');
    const cell = (key: string): string => {
      const value = cells[columns.indexOf(key)] ?? '';
      return value === 'n/a' ? '' : value.replace(/^'(?=[=+\-@])/, '');
    };
    const session = cell('session_id');
    const id = `${cell('participant_id')}${session === '' ? '' : `_${session}`}`;
    const rating = cell('rating');
    ratings.set(id, {
      rating: rating === 'pass' || rating === 'fail' ? rating : '',
      comment: cell('comment'),
    });
  }
  return ratings;
}
