import { DatasetError } from '../../core/errors.ts';
import type { FileSource } from '../../core/files.ts';
import { setting, worded } from '../../core/wording.ts';
import { type Dataset, type Scan, scanName } from '../dataset/dataset.ts';
import { combineRaters } from '../dataset/raters.ts';
import type { Connectivity } from '../volume/components.ts';
import {
  type RaterScore,
  type ScanScore,
  scoreRater,
  scoreScan,
  type WeightedScanScore,
} from './challenge.ts';
import { type ChosenPredictions, readPair } from './evaluate-predictions.ts';
import { METRIC_COLUMNS, type Table } from './tables.ts';

/** A rater's result with whose scans it is made of. */
export interface NamedRaterScore extends RaterScore {
  readonly rater: string;
  /** The scans of `scans`, in order. */
  readonly of: readonly Pick<Scan, 'subject' | 'session'>[];
}

/** What `voxelgrad score` finds. */
export interface ChallengeResult {
  readonly raters: readonly NamedRaterScore[];
  /** Mean over the raters of their mean raw score; NaN where no rater has one. */
  readonly score: number;
}

/** Settings of {@link scorePredictions}. */
export interface ScoreOptions {
  /** Raters by name, or union or intersection. Default: every rater, each over the scans that it marked. */
  readonly raters?: readonly string[] | undefined;
  readonly connectivity?: Connectivity;
  onScan?(done: number, name: string): void;
}

/**
 * The ISBI 2015 challenge's metrics of predicted masks, per scan and rater. One scan is in memory at a time.
 *
 * @throws DatasetError for a rater that a scan does not have; GridMismatchError where a prediction lies on another
 *   grid than the truth; FileFormatError, StorageError.
 */
export async function scorePredictions(
  predictions: FileSource,
  dataset: Dataset,
  pairs: ChosenPredictions['pairs'],
  options: ScoreOptions = {},
): Promise<ChallengeResult> {
  const found = new Map<string, { of: Scan[]; scans: ScanScore[] }>();
  for (const [i, pair] of pairs.entries()) {
    const { predicted, raters } = await readPair(predictions, dataset, pair);
    const name = scanName(pair.scan);
    for (const rater of options.raters ?? raters.keys()) {
      if (rater === 'mean')
        throw new DatasetError('rater mean is not a mask; the score is taken per rater and then averaged', {
          hint: worded`Leave ${setting('raters')} out to score against every rater.`,
        });
      const truth = combineRaters(raters, rater, name) as Uint8Array;
      const entry = found.get(rater) ?? { of: [], scans: [] };
      entry.of.push(pair.scan);
      entry.scans.push(scoreScan(predicted.data, truth, predicted.grid, options.connectivity));
      found.set(rater, entry);
    }
    options.onScan?.(i + 1, name);
  }
  const raters = [...found].map(([rater, { of, scans }]) => ({ rater, of, ...scoreRater(scans) }));
  const scores = raters.map(({ mean }) => mean.score).filter(Number.isFinite);
  const score = scores.length === 0 ? Number.NaN : scores.reduce((sum, v) => sum + v, 0) / scores.length;
  return { raters, score };
}

const TOUCH: Readonly<Record<Connectivity, string>> = {
  6: 'faces',
  18: 'faces or edges',
  26: 'faces, edges or corners',
};

/**
 * The table of `voxelgrad score`: one row per scan and rater, and a mean for each rater.
 * @param connectivity what the scores were taken with
 */
export function scoreTable({ raters }: ChallengeResult, connectivity: Connectivity): Table {
  const row = (rater: string, subject: string, session: string, scan: WeightedScanScore) => ({
    ...{ rater, subject, session },
    ...scan,
  });
  const sessions = raters.some(({ of }) => of.some(({ session }) => session !== null));
  const rows: ReturnType<typeof row>[] = [];
  const summaryRows: number[] = [];
  for (const { rater, of, scans, mean } of raters) {
    scans.forEach((scan, i) => {
      rows.push(row(rater, of[i]!.subject, of[i]!.session ?? '', scan));
    });
    summaryRows.push(rows.length);
    rows.push(row(rater, 'mean', '', mean));
  }
  return {
    caption: `Metrics of the ISBI 2015 challenge; voxels of one lesion touch by ${TOUCH[connectivity]} (${connectivity}-connected)`,
    columns: [
      { key: 'rater', label: 'Rater', kind: 'text' },
      { key: 'subject', label: 'Subject', kind: 'text' },
      ...(sessions ? [{ key: 'session', label: 'Session', kind: 'text' } as const] : []),
      ...METRIC_COLUMNS.filter(({ key }) => key !== 'truthMl' && key !== 'predictionMl').map(
        ({ better: _, ...column }) => column,
      ),
      { key: 'hd95', label: 'HD95', unit: 'mm', kind: 'number', digits: 2 },
      { key: 'assd', label: 'ASSD', unit: 'mm', kind: 'number', digits: 2 },
      { key: 'normalizedDice', label: 'nDice', kind: 'number', digits: 3 },
      { key: 'score', label: 'Raw score', kind: 'number', digits: 4 },
    ],
    rows,
    summaryRows,
  };
}
