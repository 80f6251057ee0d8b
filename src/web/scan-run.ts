import type { LoadedScan } from '../imaging/dataset/load-scan.ts';
import { listLesions } from '../imaging/evaluate/lesion-list.ts';
import { evaluateScan } from '../imaging/evaluate/metrics.ts';
import { encodeNifti, LABEL_INTENT } from '../imaging/nifti/encode.ts';
import { type DecidedLabel, maskOf } from '../pipeline/predict/head-result.ts';
import type { PredictionInput } from '../pipeline/predict/input-maps.ts';
import type { Segmentation } from '../pipeline/predict/segment.ts';
import { describeChange } from '../pipeline/predict/voxel-size.ts';
import type { NamedModel } from './learning.ts';
import { sentence } from './problem.ts';
import type { ResultReport } from './protocol.ts';

/** A finished run, kept for other thresholds and labels, and for saving. */
export interface ScanRun {
  readonly scan: LoadedScan;
  readonly segmentation: Segmentation;
  readonly model: NamedModel;
  /** All that can be shown, and what is. */
  readonly labels: readonly DecidedLabel[];
  readonly shown: DecidedLabel;
  readonly seconds: number;
  readonly tiles: number;
  /** Where the scan's lesions come from. */
  readonly truth: ResultReport['truth'];
  /** Where its maps come from, for a network that reads some. */
  readonly maps: PredictionInput<Float32Array>['maps'];
}

/** The mask that is shown. */
export function shownMask({ segmentation, shown: { head, label } }: ScanRun): Uint8Array {
  return maskOf(segmentation.heads.get(head.name)!, label);
}

/** The threshold of the label that is shown; null if none decides. */
function shownThreshold({ segmentation, shown: { head, label } }: ScanRun): number | null {
  const { decision } = segmentation.heads.get(head.name)!;
  return decision.kind === 'threshold' ? decision.thresholds[head.labels.indexOf(label)]! : null;
}

function truthOf({ lesions }: LoadedScan): Uint8Array | undefined {
  return lesions instanceof Uint8Array ? lesions : undefined;
}

/** What was done to a scan before the network saw it. */
function notesOf({ segmentation: { resampled }, maps }: ScanRun): string[] {
  const notes = resampled ? [sentence(describeChange(resampled, true))] : [];
  if (maps === 'corrected')
    notes.push('The tissue maps were made from the T1, and lesions made white matter by the stage-1 model.');
  if (maps === 'uncorrected')
    notes.push(
      'The tissue maps were made from the T1; they are uncorrected, since no stage-1 model was given.',
    );
  return notes;
}

/** What the page shows of a run. */
export function resultOf(run: ScanRun): ResultReport {
  const { scan, segmentation, labels, shown, seconds, tiles, truth: source } = run;
  const mask = shownMask(run);
  const probabilities = segmentation.heads.get(shown.head.name)!.maps.get(shown.label)!;
  // A true mask among the files is one of the first label.
  const truth = shown === labels[0] ? truthOf(scan) : undefined;
  const classes = mask.map((predicted, i) => (truth && truth[i] !== 0 ? 1 : 0) + (predicted !== 0 ? 2 : 0));
  return {
    label: shown.label,
    labels: labels.map(({ label }) => label),
    threshold: shownThreshold(run),
    lesions: listLesions(mask, probabilities, scan.grid, truth),
    metrics: truth ? evaluateScan(mask, truth, scan.grid) : null,
    truth: truth ? source : null,
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
  const { scan, model, seconds, shown } = run;
  const { lesions, metrics, threshold } = resultOf(run);
  const [image] = scan.channels;
  const truth = truthOf(scan);
  return scanReport({
    name,
    grid: scan.grid,
    image: image!,
    brain: scan.brain,
    mask: shownMask(run),
    label: shown.label,
    ...(truth ? { truth } : {}),
    ...(metrics ? { metrics } : {}),
    lesions,
    facts: [
      ['Model', `${model.name}, reads ${model.model.info.task.channels.join(', ')}`],
      [
        'Decided by',
        threshold === null ? 'the most probable label' : `threshold ${threshold.toPrecision(3)}`,
      ],
      ['Adapter', adapter],
      ['Time', `${seconds.toFixed(1)} s`],
      ...notesOf(run).map((note): [string, string] => ['Note', note]),
    ],
  });
}
