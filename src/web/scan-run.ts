import type { LoadedScan } from '../imaging/dataset/load-scan.ts';
import { listLesions } from '../imaging/evaluate/lesion-list.ts';
import { evaluateScan } from '../imaging/evaluate/metrics.ts';
import { encodeNifti, LABEL_INTENT } from '../imaging/nifti/encode.ts';
import type { PredictionInput } from '../pipeline/predict/scan-tissues.ts';
import type { Segmentation } from '../pipeline/predict/segment.ts';
import { describeChange } from '../pipeline/predict/voxel-size.ts';
import type { NamedModel } from './learning.ts';
import { sentence } from './problem.ts';
import type { ResultReport } from './protocol.ts';

/** A finished run, kept for other thresholds and for saving. */
export interface ScanRun {
  readonly scan: LoadedScan;
  readonly segmentation: Segmentation;
  readonly model: NamedModel;
  readonly threshold: number;
  readonly seconds: number;
  readonly tiles: number;
  /** Where the scan's lesions come from. */
  readonly truth: ResultReport['truth'];
  /** Where its tissue maps come from, for a network that reads some. */
  readonly tissue: PredictionInput<Float32Array>['tissue'];
}

function truthOf({ lesions }: LoadedScan): Uint8Array | undefined {
  return lesions instanceof Uint8Array ? lesions : undefined;
}

/** What was done to a scan before the network saw it. */
function notesOf({ segmentation: { resampled }, tissue }: ScanRun): string[] {
  const notes = resampled ? [sentence(describeChange(resampled, true))] : [];
  if (tissue === 'corrected')
    notes.push('The tissue maps were made from the T1, and lesions made white matter by the stage-1 model.');
  if (tissue === 'uncorrected')
    notes.push(
      'The tissue maps were made from the T1; they are uncorrected, since no stage-1 model was given.',
    );
  return notes;
}

/** What the page shows of a run. */
export function resultOf(run: ScanRun): ResultReport {
  const { scan, segmentation, threshold, seconds, tiles, truth: source } = run;
  const { mask, probabilities } = segmentation;
  const truth = truthOf(scan);
  const classes = mask.map((predicted, i) => (truth && truth[i] !== 0 ? 1 : 0) + (predicted !== 0 ? 2 : 0));
  return {
    threshold,
    lesions: listLesions(mask, probabilities, scan.grid, truth),
    metrics: truth ? evaluateScan(mask, truth, scan.grid) : null,
    truth: source,
    seconds,
    tiles,
    notes: notesOf(run),
    overlay: encodeNifti(
      { grid: scan.grid, data: classes },
      { datatype: 'uint8', like: scan.header, intent: LABEL_INTENT },
    ),
  };
}

/** The page about a run that a user keeps. */
export async function reportOf(run: ScanRun, name: string, adapter: string): Promise<string> {
  const { scanReport } = await import('../imaging/report/scan-report.ts');
  const { scan, segmentation, model, threshold, seconds } = run;
  const { lesions, metrics } = resultOf(run);
  const [image] = scan.channels;
  const truth = truthOf(scan);
  return scanReport({
    name,
    grid: scan.grid,
    image: image!,
    brain: scan.brain,
    mask: segmentation.mask,
    ...(truth ? { truth } : {}),
    ...(metrics ? { metrics } : {}),
    lesions,
    facts: [
      ['Model', `${model.name}, reads ${model.model.info.modalities.join(', ')}`],
      ['Threshold', threshold.toPrecision(3)],
      ['Adapter', adapter],
      ['Time', `${seconds.toFixed(1)} s`],
      ...notesOf(run).map((note): [string, string] => ['Note', note]),
    ],
  });
}
