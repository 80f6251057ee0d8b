import { formatDuration } from '../../imaging/evaluate/labels.ts';
import { learningCurve } from '../../imaging/report/chart.ts';
import { factList, figure, type HtmlValue, html, page, type Section } from '../../imaging/report/html.ts';
import { learningRate, lengthIn } from './learning-rate.ts';
import { taskName } from './network.ts';
import type { StepReport } from './request.ts';
import type { RunConfig, RunManifest } from './run-record.ts';

/** What the page of a run shows. */
export interface RunPageContent {
  readonly config: RunConfig;
  /** The log's lines. */
  readonly steps: readonly StepReport[];
  /** Of a finished run. */
  readonly manifest?: RunManifest | undefined;
  /** Seconds after which a browser loads the page again (default: never). */
  readonly refresh?: number | undefined;
}

/** The most points of the curve of the learning rate. */
const RATE_POINTS = 200;

/** A training run, finished or not, as one HTML file that needs nothing beside it: loss, validation, learning rate. */
export function runPage(content: RunPageContent): string {
  const { config, steps, manifest, refresh } = content;
  const { settings } = config;
  const name = taskName(settings);
  const last = steps.at(-1);
  const length = lengthIn(settings);
  const whole = Number.isFinite(length.steps) ? ` of ${length.steps}` : '';
  const state = manifest ? 'finished' : 'not finished';
  return page({
    title: `${name}: training`,
    headline: headlineOf(content),
    lead: html`<p>${name}, ${steps.length}${whole} steps in ${formatDuration(last?.seconds ?? 0)}; the run is ${state}.</p>`,
    sections: [
      { id: 'loss', title: 'Loss', body: chart(lossChart(steps), lossCaption(steps)) },
      ...weightSections(steps),
      ...validationSections(steps),
      { id: 'rate', title: 'Learning rate', body: chart(rateChart(content), 'Learning rate by step.') },
      { id: 'settings', title: 'Settings', body: settingFacts(config) },
    ],
    footer: html`<p>voxelgrad ${config.version}, on ${config.adapter}</p>`,
    refresh,
  });
}

function headlineOf({ steps, manifest }: RunPageContent): string {
  const best = manifest?.best;
  if (best)
    return best.dice === null
      ? `Mean absolute error ${best.error?.toPrecision(4)} on the validation scans, after step ${best.step}`
      : `Dice ${best.dice.toFixed(3)} on the validation scans, after step ${best.step}`;
  const last = steps.at(-1);
  return last ? `Loss ${last.loss.toFixed(4)} after ${last.step} steps` : 'No step is finished yet';
}

function chart(source: ReturnType<typeof learningCurve>, caption: HtmlValue): HtmlValue {
  return figure([{ source, alt: '', width: 360, height: 220 }], caption, 'charts');
}

function lossChart(steps: readonly StepReport[]): ReturnType<typeof learningCurve> {
  const losses = steps.map(({ loss }) => loss);
  return learningCurve(losses, { title: 'Loss by step', steps: steps.map(({ step }) => step) });
}

function lossCaption(steps: readonly StepReport[]): string {
  const skipped = steps.filter((step) => step.skipped).length;
  const more = skipped > 0 ? ` ${skipped} steps were passed over: their gradients did not fit 16 bits.` : '';
  return `The loss of each step (faint) and its moving average.${more}`;
}

/** One chart per head, if the weights of their losses are learned. */
function weightSections(steps: readonly StepReport[]): Section[] {
  const learned = steps.filter(({ taskWeights }) => taskWeights !== undefined);
  if (learned.length === 0) return [];
  const stride = Math.max(1, Math.ceil(learned.length / RATE_POINTS));
  const shown = learned.filter((_, i) => i % stride === 0 || i === learned.length - 1);
  const body = Object.keys(learned[0]!.taskWeights!).map((head) => {
    const weights = shown.map(({ taskWeights }) => taskWeights![head] ?? 0);
    const title = `Weight of ${head}`;
    return chart(
      learningCurve(weights, { title, steps: shown.map(({ step }) => step), yLabel: 'weight' }),
      `Learned weight of the loss of ${head}; last ${weights.at(-1)!.toFixed(3)}.`,
    );
  });
  return [{ id: 'weights', title: 'Learned weights', body }];
}

/** One chart per label, or of the error of values. */
function validationSections(steps: readonly StepReport[]): Section[] {
  const checked = steps.filter(({ validation }) => validation !== undefined);
  if (checked.length === 0) return [];
  const labels = Object.keys(checked[0]!.validation!.dice);
  const curve = (title: string, values: readonly number[]): HtmlValue =>
    chart(
      learningCurve(values, { title, steps: checked.map(({ step }) => step), yLabel: title }),
      `${title}, ${values.length} times; last ${values.at(-1)!.toFixed(3)}, best ${(labels.length > 0 ? Math.max(...values) : Math.min(...values)).toFixed(3)}.`,
    );
  const body =
    labels.length > 0
      ? labels.map((label) =>
          curve(
            `Dice of ${label}`,
            checked.map(({ validation }) => validation!.dice[label] ?? 0),
          ),
        )
      : curve(
          'Mean absolute error',
          checked.map(({ validation }) => validation!.error ?? 0),
        );
  return [{ id: 'validation', title: 'Validation', body }];
}

function rateChart({ config, steps }: RunPageContent): ReturnType<typeof learningCurve> {
  const rate = learningRate(config.settings);
  const stride = Math.max(1, Math.ceil(steps.length / RATE_POINTS));
  const shown = steps.filter((_, i) => i % stride === 0 || i === steps.length - 1);
  const rates = shown.map(({ step }) => rate(step - 1, steps[step - 2]?.seconds ?? 0));
  return learningCurve(rates, {
    title: 'Learning rate',
    steps: shown.map(({ step }) => step),
    yLabel: 'learning rate',
  });
}

function settingFacts({ settings, data, validation }: RunConfig): HtmlValue {
  const own = Object.entries(settings).filter(([, value]) => value !== null && typeof value !== 'object');
  const lists = Object.entries(settings).filter((entry): entry is [string, readonly string[]] =>
    Array.isArray(entry[1]),
  );
  return factList([
    ['trained on', Object.keys(data).join(', ')],
    ...(validation ? [['validated by', Object.keys(validation).join(', ')] as const] : []),
    ...lists.map(([name, words]) => [name, words.join(', ')] as const),
    ...own.map(([name, value]) => [name, String(value)] as const),
  ]);
}
