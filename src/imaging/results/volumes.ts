import { FileFormatError } from '../../core/errors.ts';
import type { FileSource } from '../../core/files.ts';
import type { Json } from '../../core/json.ts';
import { folderLabel } from '../dataset/bids-name.ts';
import { scanFolder } from '../dataset/dataset.ts';
import type { Cell, Column, Table } from '../evaluate/tables.ts';
import type { LabelSummary } from './part-files.ts';
import { partWords, regionWords, SMALL_MM } from './part-words.ts';

/** The table of all scans of a folder of predictions. */
export const VOLUMES_FILE = 'volumes.tsv';

/** What a folder of predictions holds of one scan. */
export interface ScanSummary {
  readonly subject: string;
  readonly session: string | null;
  /** By label. */
  readonly labels: readonly LabelSummary[];
  /** What a user of the results must know, a clause each. */
  readonly warnings: readonly string[];
  /** Fields of the first sidecar: sources, network, method. */
  readonly sidecar: Readonly<Record<string, Json>>;
}

/**
 * What the sidecars of a folder's tables say, by scan, in the order of their names. One scan is read at a time.
 * @throws FileFormatError for a sidecar that is not JSON; StorageError.
 */
export async function* scanSummaries(files: FileSource): AsyncGenerator<ScanSummary> {
  for (const { subject, session } of await scanIds(files)) {
    const folder = scanFolder({ subject, session });
    const sidecars: Record<string, Json>[] = [];
    for (const { name } of await files.list(folder))
      if (/_(lesions|parts)\.json$/.test(name)) sidecars.push(await readObject(files, `${folder}/${name}`));
    const told = sidecars.filter(({ Summary }) => isObject(Summary));
    if (told.length === 0) continue;
    yield {
      subject,
      session,
      labels: told.map(({ Summary }) => Summary as unknown as LabelSummary),
      warnings: [...new Set(told.flatMap(({ Warnings }) => (Array.isArray(Warnings) ? Warnings : [])))].map(
        String,
      ),
      sidecar: told[0]!,
    };
  }
}

/** Subjects and visits that have a folder. */
async function scanIds(
  files: FileSource,
): Promise<{ readonly subject: string; readonly session: string | null }[]> {
  const ids: { subject: string; session: string | null }[] = [];
  for (const { name } of await files.list('')) {
    const subject = folderLabel(name, 'sub');
    if (subject === undefined) continue;
    const inside = await files.list(name);
    if (inside.some((entry) => entry.name === 'anat')) ids.push({ subject, session: null });
    for (const entry of inside) {
      const session = folderLabel(entry.name, 'ses');
      if (session !== undefined) ids.push({ subject, session });
    }
  }
  return ids;
}

/** A row per scan: number and volume of each label's parts, by region where that is known. */
export function volumesTable(scans: readonly ScanSummary[]): Table {
  const labels = [...new Set(scans.flatMap((scan) => scan.labels.map(({ Label }) => Label)))];
  const sessions = scans.some(({ session }) => session !== null);
  const columns: Column[] = [
    { key: 'participant_id', label: 'Participant', kind: 'text' },
    ...(sessions ? [{ key: 'session_id', label: 'Visit', kind: 'text' } as const] : []),
  ];
  const cells = scans.map(
    ({ subject, session }): Record<string, Cell> => ({
      participant_id: `sub-${subject}`,
      session_id: session === null ? null : `ses-${session}`,
    }),
  );
  const add = (column: Column, cell: (scan: ScanSummary) => Cell): void => {
    columns.push(column);
    for (const [i, scan] of scans.entries()) cells[i]![column.key] = cell(scan);
  };
  for (const label of labels) {
    const { many } = partWords(label);
    const of = ({ labels: own }: ScanSummary): LabelSummary | undefined =>
      own.find(({ Label }) => Label === label);
    const regions = [...new Set(scans.flatMap((scan) => Object.keys(of(scan)?.Regions ?? {})))].sort();
    const number = (key: string, text: string, description: string, unit?: string): Column => ({
      key: `${label}_${key}`,
      label: `${label}: ${text}`,
      kind: 'number',
      description,
      ...(unit === undefined ? {} : { unit }),
    });
    add(number('count', 'number', `Number of ${many}`), (scan) => of(scan)?.Count);
    add(number('ml', 'volume', `Volume of all ${many}`, 'ml'), (scan) => of(scan)?.VolumeMl);
    add(
      number(
        'small_count',
        `below ${SMALL_MM} mm`,
        `Number of ${many} with a longest diameter below ${SMALL_MM} mm, which the others include`,
      ),
      (scan) => of(scan)?.SmallCount,
    );
    for (const region of regions) {
      const inside = (scan: ScanSummary): { Count: number; VolumeMl: number } | undefined => {
        const all = of(scan);
        return all?.Regions ? (all.Regions[region] ?? { Count: 0, VolumeMl: 0 }) : undefined;
      };
      add(
        number(`${region}_count`, `${region}, number`, `Number of ${many}, ${regionWords(region)}`),
        (scan) => inside(scan)?.Count,
      );
      add(
        number(`${region}_ml`, `${region}, volume`, `Volume of ${many}, ${regionWords(region)}`, 'ml'),
        (scan) => inside(scan)?.VolumeMl,
      );
    }
  }
  add(
    {
      key: 'brain_ml',
      label: 'Brain',
      unit: 'ml',
      kind: 'number',
      description: 'Volume of the brain mask',
    },
    ({ labels: [first] }) => first?.BrainMl,
  );
  add(
    {
      key: 'warnings',
      label: 'Warnings',
      kind: 'number',
      description: 'Number of warnings in the sidecars of the scan',
    },
    ({ warnings }) => warnings.length,
  );
  return { caption: 'What was found by scan, parts being 26-connected', columns, rows: cells };
}

function isObject(value: Json | undefined): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function readObject(files: FileSource, path: string): Promise<Record<string, Json>> {
  const text = new TextDecoder().decode(await files.read(path));
  try {
    const value = JSON.parse(text) as Json;
    if (isObject(value)) return value as Record<string, Json>;
  } catch {
    // Told below.
  }
  throw new FileFormatError(`${files.name}/${path}`, 'this is not a sidecar of voxelgrad', {
    hint: 'Predict the scan again, or take the file away.',
  });
}
