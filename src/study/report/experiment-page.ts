import { bootstrapMean, meanByPatient } from '../../imaging/evaluate/bootstrap.ts';
import { formatDuration, formatSetting, variantLabel } from '../../imaging/evaluate/labels.ts';
import { learningCurves } from '../../imaging/report/chart.ts';
import { OVERLAY_COLORS, TISSUE_COLORS } from '../../imaging/report/figures.ts';
import {
  factList,
  figure,
  type HtmlValue,
  html,
  legend,
  type Markup,
  type Picture,
  page,
  type Section,
  tableHtml,
} from '../../imaging/report/html.ts';
import { diceOf } from './experiment-effects.ts';
import { methodSentences } from './experiment-methods.ts';
import type { ExperimentNumbers, TableGroup } from './experiment-report.ts';
import { contrast, type ExperimentResults, hasCell, judgedScans, netUnits } from './experiment-results.ts';
import { sourceFacts } from './experiment-sources.ts';
import { type ChartGroup, patientChart } from './patient-chart.ts';

/** Pictures of one figure, painted. */
export interface PaintedFigure {
  readonly pictures: readonly Picture[];
  readonly caption: string;
}

/** The paper's figures with the user's own data; those that cannot be made are left out, and `missing` says why. */
export interface ExperimentFigures {
  /** Fig. 1: the modalities and the lesions. */
  readonly modalities?: PaintedFigure | undefined;
  /** Fig. 7: the tissue maps. */
  readonly tissues?: PaintedFigure | undefined;
  /** Fig. 8: what the stage-1 net finds. */
  readonly stageOne?: PaintedFigure | undefined;
  /** Fig. 9: the maps before and after their correction. */
  readonly correction?: PaintedFigure | undefined;
  /** Fig. 10: overlays, one figure a patient. */
  readonly overlays: readonly PaintedFigure[];
  /** A sentence each. */
  readonly missing: readonly string[];
}

/**
 * The report of an experiment: one HTML file that needs nothing beside it.
 * @param date of the page, ISO 8601
 */
export function experimentPage(
  experiment: ExperimentResults,
  numbers: ExperimentNumbers,
  figures: ExperimentFigures,
  date: string,
): string {
  const { plan, problems } = experiment;
  const { answer, tables } = numbers;
  const group = (wanted: TableGroup): HtmlValue =>
    tables.filter((one) => one.group === wanted).map(({ table }) => tableHtml(table));
  const has = (wanted: TableGroup): boolean => tables.some((one) => one.group === wanted);
  const sections: (Section | false)[] = [
    has('paper') && {
      id: 'paper',
      title: 'Beside the paper',
      body: [
        html`<p>Abolvardi, Hamey and Ho-Shon report the mean Dice of five patients without an interval. Ours: the mean over
patients, seeds averaged within each scan first, with a 95 % bootstrap interval that draws patients, never scans. Another data
set, network or number of steps than the paper’s gives other numbers: compare the differences between variants.</p>`,
        group('paper'),
      ],
    },
    has('factorial') && {
      id: 'factorial',
      title: 'Loss and architecture apart',
      body: [
        html`<p>The paper changes both at once. Here every variant is trained with every loss, so that the differences between
variants with one loss, and between losses with one variant, can be read apart. An interaction is how much the difference between
two variants changes with the loss. A difference is called one only with six patients or more, an interval that excludes 0 and a p
of at most 0.05.</p>`,
        patientFigure(experiment),
        group('factorial'),
      ],
    },
    has('metrics') && {
      id: 'metrics',
      title: 'All metrics, and lesions by size',
      body: [
        html`<p>Dice is twice the overlap over the sum of both volumes. TPR is the share of true lesion voxels found, PPV the share
of predicted voxels that are lesion; lesion TPR and FPR count lesions (3D connected components).</p>`,
        group('metrics'),
      ],
    },
    ...figureSections(figures),
    curveSection(experiment),
    { id: 'nets', title: 'Folds, seeds and nets', body: group('nets') },
    {
      id: 'settings',
      title: 'Methods and settings',
      body: [
        html`<ul>${methodSentences(plan).map((sentence) => html`<li>${sentence}</li>`)}</ul>`,
        factList([
          ['Variants', plan.variants.map(variantLabel).join(', ')],
          ['Losses', plan.losses.join(', ')],
          ['Folds', plan.folds.map(({ name, heldOut }) => `${name}: ${heldOut.join(', ')}`).join('; ')],
          ...Object.entries(plan.settings).map(([name, value]): [string, string] => [
            name,
            formatSetting(value),
          ]),
        ]),
      ],
    },
    {
      id: 'sources',
      title: 'Where this comes from',
      body: [sourceFacts(experiment, date), group('sources')],
    },
  ];
  return page({
    title: 'voxelgrad experiment',
    headline: answer.headline,
    lead: [
      html`<ul>${answer.sentences.map((sentence) => html`<li>${sentence}</li>`)}</ul>`,
      [...plan.notes, ...problems, ...figures.missing].map(
        (note) => html`<p><strong>Note.</strong> ${note}</p>`,
      ),
      factList(facts(experiment)),
    ],
    sections: sections.filter((section) => section !== false),
    footer: html`<p>For research use. Not a medical device: not for diagnosis, treatment or any other clinical decision.</p>
<p>Made by voxelgrad ${plan.version}. All tables as CSV are in the folder tables; report.json holds them all.</p>`,
  });
}

function facts({ plan, results }: ExperimentResults): [string, string][] {
  const all = [...results.values()];
  const adapters = [...new Set(all.map(({ adapter }) => adapter))];
  const versions = [...new Set([plan.version, ...all.map(({ version }) => version)])];
  const finished = plan.units.filter(({ id }) => results.has(id)).length;
  return [
    ['Data set', `${plan.dataset.path} (${plan.dataset.layout}), ${plan.dataset.subjects.length} patients`],
    [
      'Protocol',
      plan.protocol === 'paper' ? 'the paper’s, as printed' : 'corrected: tissue maps out of fold',
    ],
    ['Truth', `rater ${plan.rater}`],
    ['Seeds', plan.seeds.join(', ')],
    ['Units finished', `${finished} of ${plan.units.length}`],
    ['Time of the units', formatDuration(all.reduce((sum, { seconds }) => sum + seconds, 0))],
    [adapters.length > 1 ? 'Adapters' : 'Adapter', adapters.join('; ') || 'none yet'],
    ['voxelgrad', versions.join(', ')],
  ];
}

function figureSections(figures: ExperimentFigures): Section[] {
  const { modalities, tissues, stageOne, correction, overlays } = figures;
  const painted = (one: PaintedFigure | undefined): HtmlValue =>
    one && figure(one.pictures, one.caption, 'scans');
  const lesionLegend = legend([
    ['found (truth and prediction)', OVERLAY_COLORS.found],
    ['missed (truth only)', OVERLAY_COLORS.missed],
    ['extra (prediction only)', OVERLAY_COLORS.extra],
  ]);
  const tissueLegend = legend([
    ['grey matter', TISSUE_COLORS.gm],
    ['white matter', TISSUE_COLORS.wm],
    ['cerebrospinal fluid', TISSUE_COLORS.csf],
  ]);
  const sections: Section[] = [];
  if (modalities || tissues || stageOne || correction)
    sections.push({
      id: 'data',
      title: 'The data, and how tissue maps are corrected',
      body: [
        painted(modalities),
        tissues && [tissueLegend, painted(tissues)],
        stageOne && [lesionLegend, painted(stageOne)],
        correction && [tissueLegend, painted(correction)],
      ],
    });
  if (overlays.length > 0)
    sections.push({
      id: 'overlays',
      title: 'Predictions against the truth',
      body: [lesionLegend, overlays.map((one) => painted(one))],
    });
  return sections;
}

/** Every patient with every variant, a picture a loss. */
function patientFigure(experiment: ExperimentResults): Markup | false {
  const { plan } = experiment;
  const scans = judgedScans(experiment);
  const pictures = plan.losses.flatMap((loss): Picture[] => {
    const groups = plan.variants.flatMap((variant): ChartGroup[] => {
      if (!hasCell(scans, variant, loss)) return [];
      const observations = contrast(scans, [{ variant, loss, weight: 1 }], diceOf);
      const estimate = bootstrapMean(observations);
      return [{ label: variantLabel(variant), estimate, byPatient: meanByPatient(observations) }];
    });
    if (groups.length === 0) return [];
    const source = patientChart(groups, `Dice of every patient with the loss ${loss}`);
    return [{ source, alt: '', width: 360, height: 230, label: loss }];
  });
  if (pictures.length === 0) return false;
  return figure(
    pictures,
    'Dice of every patient (points; lines join those of one patient), and the mean with its 95 % bootstrap interval (bold).',
    'charts',
  );
}

function curveSection({ plan, curves }: ExperimentResults): Section | false {
  const figures = plan.losses.flatMap((loss): Markup[] => {
    const pictures = plan.variants.flatMap((variant): Picture[] => {
      const runs = netUnits(plan)
        .filter((unit) => unit.variant === variant && unit.loss === loss)
        .flatMap(({ id }) => [curves.get(id) ?? []].filter((run) => run.length > 0));
      if (runs.length === 0) return [];
      const label = variantLabel(variant);
      const source = learningCurves(runs, { title: `Training loss of ${label}, ${loss}` });
      return [{ source, alt: '', width: 360, height: 220, label }];
    });
    return pictures.length === 0 ? [] : [figure(pictures, loss, 'charts')];
  });
  if (figures.length === 0) return false;
  return {
    id: 'curves',
    title: 'Learning curves',
    body: [
      html`<p>Training loss of every fold and seed (faint, smoothed) and their mean (bold). Losses differ in what they measure:
compare courses, not heights.</p>`,
      figures,
    ],
  };
}
