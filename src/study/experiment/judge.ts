import type { FileSource } from '../../core/files.ts';
import { type Dataset, scanName } from '../../imaging/dataset/dataset.ts';
import { findPredicted } from '../../imaging/dataset/prediction-path.ts';
import { combineRaters } from '../../imaging/dataset/raters.ts';
import { evaluatePredictions, readPair } from '../../imaging/evaluate/evaluate-predictions.ts';
import type { LesionSizeCount } from '../../imaging/evaluate/lesion-sizes.ts';
import { addSizes, countBySize } from '../../imaging/evaluate/lesion-sizes.ts';
import { METRIC_KEYS, type ScanMetrics } from '../../imaging/evaluate/metrics.ts';
import type { RecordedMetrics, UnitResult } from '../report/experiment-record.ts';
import { scansOf } from './run-net.ts';

/**
 * Compares the predicted masks of patients with the true ones; visits without a true mask are left out.
 * @param rater whose mask is the truth; `mean` averages the metrics over the raters, and adds up their lesions
 * @throws what `evaluatePredictions` throws.
 */
export async function judgePatients(
  predictions: FileSource,
  dataset: Dataset,
  patients: readonly string[],
  rater: string,
): Promise<UnitResult['scans']> {
  const judgedScans = scansOf(dataset, patients).filter((scan) => scan.lesionMasks.size > 0);
  const pairs = await Promise.all(
    judgedScans.map(async (scan) => ({
      scan,
      prediction: await findPredicted(predictions, scan, { label: 'lesion', suffix: 'mask' }),
    })),
  );
  const { scans } = await evaluatePredictions(predictions, dataset, pairs, rater);
  const judged: UnitResult['scans'][number][] = [];
  for (const [i, pair] of pairs.entries()) {
    const { predicted, raters } = await readPair(predictions, dataset, pair);
    const truths =
      rater === 'mean'
        ? [...raters.values()]
        : [combineRaters(raters, rater, scanName(pair.scan)) as Uint8Array];
    const sizes: LesionSizeCount[] = addSizes(
      truths.map((truth) => countBySize(predicted.data, truth, predicted.grid)),
    );
    const { subject, session } = pair.scan;
    judged.push({ subject, session, metrics: recorded(scans[i]!), sizes });
  }
  return judged;
}

function recorded(metrics: ScanMetrics): RecordedMetrics {
  const entries = METRIC_KEYS.map((key) => [key, Number.isFinite(metrics[key]) ? metrics[key] : null]);
  return Object.fromEntries(entries) as RecordedMetrics;
}
