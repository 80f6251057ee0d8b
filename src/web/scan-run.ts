import type { InputFile } from '../imaging/dataset/inputs.ts';
import type { LoadedScan } from '../imaging/dataset/load-scan.ts';
import { evaluateScan } from '../imaging/evaluate/metrics.ts';
import { changedVoxels, implausibleVolume } from '../imaging/evaluate/plausibility.ts';
import { encodeNifti, LABEL_INTENT } from '../imaging/nifti/encode.ts';
import { dropSmallParts, listParts } from '../imaging/results/parts.ts';
import { voxelVolume } from '../imaging/volume/volume.ts';
import { type DecidedLabel, maskOf } from '../pipeline/predict/head-result.ts';
import type { PredictionInput } from '../pipeline/predict/input-maps.ts';
import type { Segmentation } from '../pipeline/predict/segment.ts';
import { describeChange } from '../pipeline/predict/voxel-size.ts';
import { describeCorrection } from './correction-text.ts';
import type { NamedModel } from './loaded-models.ts';
import { sentence } from './problem.ts';
import type { CorrectionReport, ResultReport } from './protocol.ts';

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
  /** Parts of a smaller longest diameter in mm are left out of the model's mask; 0 keeps all. */
  readonly minDiameter: number;
  /** The mask that a user made of the model's; the result from then on. */
  readonly corrected?: Uint8Array | undefined;
  /** Name of the file that holds the true mask, if one was given. */
  readonly truthFile: string | null;
  /** What was read. */
  readonly inputs: readonly InputFile[];
  /** Where its maps come from, for a network that reads some. */
  readonly maps: PredictionInput<Float32Array>['maps'];
}

const BRAIN = {
  mask: 'from the brain mask',
  'skull-stripped': 'what is not 0 in the images',
  whole: 'not looked for: the network reads whole images',
} as const;

/** The mask that is the result: the corrected one if there is one. */
export function shownMask(run: ScanRun): Uint8Array {
  return run.corrected ?? modelMask(run);
}

/** The model's own mask of the label that is shown, without the parts that are too small. */
export function modelMask(run: ScanRun): Uint8Array {
  return sieved(run).mask;
}

interface Sieved {
  readonly mask: Uint8Array;
  /** What was left out. */
  readonly parts: number;
  readonly ml: number;
}

/** A run never changes, and its parts take a while to find. */
const SIEVED = new WeakMap<ScanRun, Sieved>();

function sieved(run: ScanRun): Sieved {
  const known = SIEVED.get(run);
  if (known) return known;
  const { segmentation, shown, minDiameter, scan } = run;
  const whole = maskOf(segmentation.heads.get(shown.head.name)!, shown.label);
  const mask = minDiameter > 0 ? whole.slice() : whole;
  const dropped = minDiameter > 0 ? dropSmallParts(mask, scan.grid, minDiameter) : { parts: 0, ml: 0 };
  const result = { mask, ...dropped };
  SIEVED.set(run, result);
  return result;
}

/** The threshold of the label that is shown; null if none decides. */
function shownThreshold({ segmentation, shown: { head, label } }: ScanRun): number | null {
  const { decision } = segmentation.heads.get(head.name)!;
  return decision.kind === 'threshold' ? decision.thresholds[head.labels.indexOf(label)]! : null;
}

/** The threshold that training chose on its own scans for the label that is shown. */
function ownThreshold({ model, shown: { head, label } }: ScanRun): number | null {
  const decision = model.model.info.decisions[head.name];
  return decision?.kind === 'threshold' ? decision.thresholds[head.labels.indexOf(label)]! : null;
}

function truthOf({ lesions }: LoadedScan): Uint8Array | undefined {
  return lesions instanceof Uint8Array ? lesions : undefined;
}

function mlOf(mask: Uint8Array, { grid }: LoadedScan): number {
  return (mask.reduce((sum, v) => sum + Number(v !== 0), 0) * voxelVolume(grid)) / 1000;
}

/** What a correction changed, of the model's own mask; null if there is none. */
function correctionOf(run: ScanRun): CorrectionReport | null {
  const { scan, corrected } = run;
  if (!corrected) return null;
  const { added, removed } = changedVoxels(modelMask(run), corrected);
  const ml = voxelVolume(scan.grid) / 1000;
  return { addedMl: added * ml, removedMl: removed * ml };
}

/** What was done to a scan before the network saw it, and what is odd about it or the result. */
function notesOf(run: ScanRun): string[] {
  const { scan, segmentation, shown, maps } = run;
  const { resampled } = segmentation;
  const notes = (scan.warnings ?? []).map((warning) => `Careful: ${warning}.`);
  const odd = implausibleVolume(shown.label, mlOf(shownMask(run), scan), mlOf(scan.brain, scan));
  if (odd !== null) notes.push(`Careful: ${odd}.`);
  const { parts, ml } = sieved(run);
  if (parts > 0)
    notes.push(
      `${parts} ${parts === 1 ? 'part' : 'parts'} of the model’s mask with a longest diameter below ${run.minDiameter} mm, ${ml.toFixed(2)} ml in all, ${parts === 1 ? 'is' : 'are'} left out.`,
    );
  if (resampled) notes.push(sentence(describeChange(resampled, true)));
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
  const { scan, segmentation, labels, shown, seconds, tiles, truthFile } = run;
  const mask = shownMask(run);
  const probabilities = segmentation.heads.get(shown.head.name)!.maps.get(shown.label)!;
  // A true mask among the files is one of the first label.
  const truth = shown === labels[0] ? truthOf(scan) : undefined;
  const classes = mask.map((predicted, i) => (truth && truth[i] !== 0 ? 1 : 0) + (predicted !== 0 ? 2 : 0));
  return {
    label: shown.label,
    labels: labels.map(({ label }) => label),
    threshold: shownThreshold(run),
    ownThreshold: ownThreshold(run),
    minDiameter: shownThreshold(run) === null ? null : run.minDiameter,
    lesions: listParts(mask, probabilities, scan.grid, { truth }),
    metrics: truth ? evaluateScan(mask, truth, scan.grid) : null,
    truth: truth ? truthFile : null,
    correction: correctionOf(run),
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
export async function reportOf(
  run: ScanRun,
  about: { readonly name: string; readonly adapter: string; readonly version: string },
): Promise<string> {
  const { scanReport } = await import('../imaging/results/scan-report.ts');
  const { scan, model, seconds, shown, inputs, truthFile } = run;
  const { lesions, metrics, threshold, correction, ownThreshold: own } = resultOf(run);
  const [image] = scan.channels;
  const truth = truthOf(scan);
  const { settings } = model.model.info;
  const { subjects } = settings as { readonly subjects?: readonly string[] };
  const seen = inputs.map(({ role, path, sha256 }): [string, string] => [
    `${role} file`,
    `${path.split('/').at(-1)}, SHA-256 ${sha256}`,
  ]);
  return scanReport({
    name: about.name,
    grid: scan.grid,
    image: image!,
    brain: scan.brain,
    mask: shownMask(run),
    label: shown.label,
    truth,
    corrected: correction !== null,
    metrics: metrics ?? undefined,
    reference: truthFile ?? undefined,
    lesions,
    caveats: [
      ...(model.note === undefined ? [] : [`The model: ${model.note}`]),
      correction
        ? `The mask is the model’s, corrected by hand. ${describeCorrection(correction, 'The correction')} It is not a reference to judge the model by.`
        : 'The mask is the model’s own; nobody has corrected it here.',
      ...notesOf(run),
    ],
    facts: [
      ['Model', `${model.name}, reads ${model.model.info.task.channels.join(', ')}`],
      [
        'Decided by',
        threshold === null
          ? 'the most probable label'
          : `threshold ${threshold.toPrecision(3)}; training chose ${own!.toPrecision(3)} on its own scans`,
      ],
      ['Adapter', about.adapter],
      ['Time', `${seconds.toFixed(1)} s`],
    ],
    provenance: [
      ['Date', new Date().toISOString()],
      ['Program', `voxelgrad ${about.version}`],
      ['Model file', `SHA-256 ${model.sha256 ?? 'not recorded'}`],
      ['Model trained on', subjects?.join(', ') ?? 'not recorded'],
      ['Brain', BRAIN[scan.brainSource]],
      ['Lesions', 'voxels that touch by a corner at least (26-connected)'],
      ...seen,
    ],
  });
}
