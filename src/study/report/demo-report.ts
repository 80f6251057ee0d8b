import {
  formatDuration,
  formatSetting,
  formatThreshold,
  variantLabel,
} from '../../imaging/evaluate/labels.ts';
import type { ScanMetrics } from '../../imaging/evaluate/metrics.ts';
import type { Table } from '../../imaging/evaluate/tables.ts';
import { learningCurve } from '../../imaging/report/chart.ts';
import type { RgbaImage, TissueMaps } from '../../imaging/report/figures.ts';
import {
  montage,
  OVERLAY_COLORS,
  paintOverlay,
  paintTissues,
  pngDataUri,
  TISSUE_COLORS,
} from '../../imaging/report/figures.ts';
import type { Markup, Picture, Section } from '../../imaging/report/html.ts';
import { factList, figure, html, legend, page, tableHtml } from '../../imaging/report/html.ts';
import { type PaintedSlice, paintedSlices } from '../../imaging/report/painted-slices.ts';
import type { Grid } from '../../imaging/volume/volume.ts';

/** Everything the demo's report shows. Arrays of voxels lie on `heldOut.grid`; masks are not 0 = inside. */
export interface DemoReportData {
  readonly adapter: {
    readonly description: string;
    readonly backend: string;
    readonly software: boolean;
    /** Where the driver came from: `system` or `bundled`. */
    readonly driver: string;
  };
  /** Of the whole run. */
  readonly seconds: number;
  /** Of voxelgrad. */
  readonly version: string;
  /** What the scans are, to follow "trained on": `simulated brains (phantoms)`. */
  readonly data: string;
  readonly trainingSubjects: readonly string[];
  readonly heldOut: {
    readonly subject: string;
    readonly grid: Grid;
    readonly flair: Float32Array;
    readonly brain: Uint8Array;
    readonly truth: Uint8Array;
    /** The maps that the multi-input net reads. */
    readonly tissues?: TissueMaps | undefined;
  };
  /** The FLAIR threshold, mean + k sd, its k chosen on the training scans. */
  readonly baseline: {
    readonly k: number;
    readonly metrics: ScanMetrics;
    readonly prediction: Uint8Array;
  };
  readonly variants: readonly DemoVariant[];
  /** Shown by name, in this order. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** One trained variant, judged on the held-out scan. */
export interface DemoVariant {
  /** `single`, `multi-input`, `multi-output`; any other name is shown as it is. */
  readonly variant: string;
  readonly metrics: ScanMetrics;
  /** The decision threshold chosen on the training scans. */
  readonly threshold: number;
  readonly steps: number;
  readonly secondsPerStep: number;
  /** Loss of every step, or of the steps named in `lossSteps`. */
  readonly losses: readonly number[];
  readonly lossSteps?: readonly number[] | undefined;
  readonly prediction: Uint8Array;
  /** The multi-output net's own tissue maps. */
  readonly tissues?: TissueMaps | undefined;
}

/** The demo's results, a row a variant: for the page and for the terminal. */
export function demoTable(data: DemoReportData): Table {
  return {
    caption: `Agreement with the true lesion mask of patient ${data.heldOut.subject}, whom no network saw in training`,
    columns: [
      { key: 'variant', label: 'Variant', kind: 'text' },
      { key: 'dice', label: 'Dice', kind: 'number', digits: 3, better: 'high' },
      { key: 'baselineDice', label: 'FLAIR threshold Dice', kind: 'number', digits: 3 },
      { key: 'tpr', label: 'TPR', kind: 'number', digits: 3, better: 'high' },
      { key: 'ppv', label: 'PPV', kind: 'number', digits: 3, better: 'high' },
      { key: 'ltpr', label: 'Lesion TPR', kind: 'number', digits: 3, better: 'high' },
      { key: 'lfpr', label: 'Lesion FPR', kind: 'number', digits: 3, better: 'low' },
      { key: 'threshold', label: 'Threshold', kind: 'number' },
      { key: 'steps', label: 'Train steps', kind: 'number' },
      { key: 'secondsPerStep', label: 'Time', unit: 's/step', kind: 'number', digits: 3 },
    ],
    rows: data.variants.map(({ variant, metrics, threshold, steps, secondsPerStep }) => ({
      variant: variantLabel(variant),
      dice: metrics.dice,
      baselineDice: data.baseline.metrics.dice,
      tpr: metrics.tpr,
      ppv: metrics.ppv,
      ltpr: metrics.ltpr,
      lfpr: metrics.lfpr,
      threshold: formatThreshold(threshold),
      steps,
      secondsPerStep,
    })),
  };
}

/** The demo's report: one HTML file that needs nothing beside it. */
export function demoReport(data: DemoReportData): string {
  const { adapter, heldOut, trainingSubjects } = data;
  return page({
    title: `voxelgrad demo: lesion segmentation of patient ${heldOut.subject}`,
    headline: headline(data),
    lead: [
      html`<p>Trained on ${data.data}: patients ${trainingSubjects.join(', ')}. Tested on patient ${heldOut.subject}, whom no
network saw. The baseline calls lesion what is brighter on FLAIR than the brain’s mean + ${data.baseline.k.toFixed(2)} standard
deviations, the best such limit on the training patients.</p>`,
      factList([
        ['Adapter', adapter.description],
        [
          'Backend and driver',
          `${adapter.backend}, ${adapter.driver} driver, ${adapter.software ? 'software' : 'hardware'}`,
        ],
        ['Total time', formatDuration(data.seconds)],
        ['voxelgrad', data.version],
      ]),
    ],
    sections: [resultSection(data), ...imageSections(data), curveSection(data), settingsSection(data)],
    footer: html`<p>For research use. Not a medical device: not for diagnosis, treatment or any other clinical decision.</p>
<p>Made by voxelgrad ${data.version}, a WebGPU engine for 3D U-Nets.</p>`,
  });
}

/** The overlays as one picture: a row a plane; the FLAIR threshold, then a column a variant. */
export function demoMontage(data: DemoReportData): RgbaImage {
  return montage(
    slices(data).map(({ view, gray }) =>
      [data.baseline, ...data.variants].map(({ prediction }) =>
        paintOverlay(view, gray, data.heldOut.truth, prediction),
      ),
    ),
  );
}

function headline({ variants, baseline }: DemoReportData): string {
  const limit = `${baseline.metrics.dice.toFixed(3)} for a FLAIR threshold`;
  const [best] = [...variants].sort((a, b) => b.metrics.dice - a.metrics.dice);
  if (!best) return `No variant was trained; Dice is ${limit}`;
  const reached = `Dice ${best.metrics.dice.toFixed(3)}`;
  return best.metrics.dice > baseline.metrics.dice
    ? `${variantLabel(best.variant)} segments the unseen patient best: ${reached}, against ${limit}`
    : `No variant beats thresholding: the best, ${variantLabel(best.variant)}, reaches ${reached}, against ${limit}`;
}

function resultSection(data: DemoReportData): Section {
  return {
    id: 'results',
    title: 'Results on the held-out patient',
    body: [
      tableHtml(demoTable(data)),
      html`<p>Dice is twice the overlap over the sum of both volumes; 1 is perfect. TPR is the share of true lesion voxels found,
PPV the share of predicted voxels that are lesion. Lesion TPR is the share of true lesions (3D connected components) that the
prediction touches, lesion FPR the share of predicted lesions that touch no true one; lower is better. The threshold on the
network’s probability was chosen on the training patients. The best value of a column is bold.</p>`,
    ],
  };
}

function imageSections(data: DemoReportData): Section[] {
  const { heldOut, baseline, variants } = data;
  const planes = slices(data);
  const overlays = planes.map(({ view, gray, where }) => {
    const cell = (label: string, prediction: Uint8Array, { dice }: ScanMetrics): Picture => ({
      source: pngDataUri(paintOverlay(view, gray, heldOut.truth, prediction)),
      alt: `${where}: prediction of ${label} against the truth, Dice ${dice.toFixed(3)} on the whole scan`,
      width: view.width,
      height: view.height,
      label,
      detail: `Dice ${dice.toFixed(3)}`,
    });
    return figure(
      [
        cell('FLAIR threshold', baseline.prediction, baseline.metrics),
        ...variants.map((v) => cell(variantLabel(v.variant), v.prediction, v.metrics)),
      ],
      `${where}: the slice with most true lesion. Dice is of the whole scan.`,
      'scans',
    );
  });
  return [
    { id: 'patient', title: `Patient ${heldOut.subject}`, body: patientFigure(data, planes[0]!) },
    {
      id: 'overlays',
      title: 'Predictions against the truth',
      body: [
        legend([
          ['found (truth and prediction)', OVERLAY_COLORS.found],
          ['missed (truth only)', OVERLAY_COLORS.missed],
          ['extra (prediction only)', OVERLAY_COLORS.extra],
        ]),
        overlays,
      ],
    },
  ];
}

function patientFigure(data: DemoReportData, { view, gray, where }: PaintedSlice): Markup[] {
  const { heldOut } = data;
  const picture = (image: RgbaImage, label: string, alt: string): Picture => ({
    source: pngDataUri(image),
    alt: `${where}: ${alt}`,
    width: view.width,
    height: view.height,
    label,
  });
  const nothing = new Uint8Array(heldOut.truth.length);
  const pictures = [
    picture(gray, 'FLAIR', 'FLAIR without overlay'),
    picture(
      paintOverlay(view, gray, heldOut.truth, nothing),
      'True lesions',
      'FLAIR with the true lesions in red',
    ),
  ];
  const tissue = (tissues: TissueMaps, label: string): Picture =>
    picture(
      paintTissues(view, gray, tissues),
      label,
      `${label.toLowerCase()}: grey matter orange, white matter teal, cerebrospinal fluid blue`,
    );
  if (heldOut.tissues) pictures.push(tissue(heldOut.tissues, 'Tissue maps'));
  for (const { variant, tissues } of data.variants)
    if (tissues) pictures.push(tissue(tissues, `Tissues by ${variantLabel(variant)}`));
  const hasTissues = heldOut.tissues !== undefined || data.variants.some((v) => v.tissues);
  const colors = hasTissues
    ? [
        legend([
          ['grey matter', TISSUE_COLORS.gm],
          ['white matter', TISSUE_COLORS.wm],
          ['cerebrospinal fluid', TISSUE_COLORS.csf],
          ['true lesion', OVERLAY_COLORS.missed],
        ]),
      ]
    : [];
  const caption = `${where}. Radiological view: the patient’s right is on the left of axial and coronal pictures.`;
  return [...colors, figure(pictures, caption, 'scans')];
}

function curveSection({ variants }: DemoReportData): Section {
  const charts = variants.map(({ variant, losses, lossSteps }) => ({
    source: learningCurve(losses, {
      title: `Training loss of ${variantLabel(variant)}`,
      ...(lossSteps && { steps: lossSteps }),
    }),
    alt: '',
    width: 360,
    height: 220,
    label: variantLabel(variant),
  }));
  return {
    id: 'curves',
    title: 'Training loss',
    body: figure(
      charts,
      'Loss of each step (faint) and its moving average over a twentieth of the run (bold). Variants are trained with different loss terms: compare a curve’s course, not its height.',
      'charts',
    ),
  };
}

function settingsSection({ settings }: DemoReportData): Section {
  return {
    id: 'settings',
    title: 'Settings',
    body: factList(Object.entries(settings).map(([name, value]) => [name, formatSetting(value)])),
  };
}

/** FLAIR in the three planes, each where it holds most true lesion. */
function slices({ heldOut }: DemoReportData): PaintedSlice[] {
  const { grid, flair, brain, truth } = heldOut;
  return paintedSlices(flair, brain, truth, grid);
}
