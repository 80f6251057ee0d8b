import { variantLabel } from '../../imaging/evaluate/labels.ts';
import { type Effect, effect, LEAST_PATIENTS, showsDifference } from './experiment-effects.ts';
import {
  commonLosses,
  type ExperimentResults,
  type JudgedScan,
  judgedScans,
  netUnits,
  variantTerms,
} from './experiment-results.ts';

/** What an experiment says to the paper's question, in words. */
export interface Answer {
  /** One sentence. */
  readonly headline: string;
  /** What it rests on, a sentence each. */
  readonly sentences: readonly string[];
}

/** Below so many patients a bootstrap interval is too narrow to be relied on. */
const FEW_PATIENTS = 10;

/** Below so much Dice on its own training scans a net has hardly learned. */
const HARDLY_FITTED = 0.3;

/**
 * Answers whether tissue information serves better as an input or as an output. One rule throughout: a difference is
 * called one only where `showsDifference` says so; everything else is left open.
 */
export function answerQuestion(experiment: ExperimentResults): Answer {
  const { plan } = experiment;
  const nets = netUnits(plan);
  const finished = nets.filter(({ id }) => experiment.results.has(id)).length;
  const scans = judgedScans(experiment);
  const compare = (a: string, b: string): Comparison | undefined => {
    const losses = commonLosses(plan, scans, [a, b]);
    if (losses.length === 0) return undefined;
    return { a, b, losses, effect: effect(scans, variantTerms(a, b, losses)) };
  };
  const main = compare('multi-input', 'multi-output');
  const others = [compare('multi-input', 'single'), compare('multi-output', 'single')].filter(
    (one) => one !== undefined,
  );
  const patients = main?.effect.patients ?? new Set(scans.map(({ subject }) => subject)).size;
  const unfinished =
    finished < nets.length &&
    `${finished} of ${nets.length} nets are finished: all of this may change with the others, and means of different variants may be of different patients.`;
  const cautions = [
    hardlyFitted(experiment),
    patients > 1 &&
      patients < FEW_PATIENTS &&
      `There are ${patients} patients: intervals from so few are too narrow rather than too wide, and say little about other patients.`,
    plan.protocol === 'paper' &&
      'The protocol is the paper’s as printed: loss and architecture change together, and tissue maps were corrected by a net that had seen every patient.',
  ].filter((text) => typeof text === 'string');
  return {
    headline: main ? headlineOf(main) : withoutTheQuestion(finished, nets.length),
    sentences: [
      unfinished,
      main && sentenceOf(main),
      main && main.losses.length > 1 && byLoss(scans, main),
      ...others.map(sentenceOf),
      ...cautions,
    ].filter((text) => typeof text === 'string'),
  };
}

interface Comparison {
  readonly a: string;
  readonly b: string;
  readonly losses: readonly string[];
  readonly effect: Effect;
}

function headlineOf({ effect }: Comparison): string {
  const { patients } = effect;
  const [better, worse] = effect.mean > 0 ? ['an input', 'an output'] : ['an output', 'an input'];
  if (patients < LEAST_PATIENTS)
    return `Too few patients (${patients}) to tell whether tissue serves better as an input or as an output`;
  if (!showsDifference(effect))
    return 'These data do not tell whether tissue serves better as an input or as an output';
  return `In these data tissue serves better as ${better} than as ${worse}: Dice ${signed(Math.abs(effect.mean))}`;
}

function withoutTheQuestion(finished: number, planned: number): string {
  return finished === 0
    ? `No net is finished of the ${planned} that are planned`
    : 'Whether tissue serves better as an input or as an output was not tried: it takes multi-input and multi-output nets';
}

function sentenceOf({ a, b, losses, effect }: Comparison): string {
  const { mean, low, high, patients, above, excludesZero, p } = effect;
  const what = `${variantLabel(a)} less ${variantLabel(b)}: Dice ${signed(mean)}`;
  const over = losses.length > 1 ? `, mean of ${losses.length} losses` : `, with ${losses[0]}`;
  if (!Number.isFinite(low))
    return `${what}${over}, on ${patients === 1 ? 'one patient' : `${patients} patients`}: no interval, so nothing follows for others.`;
  const verdict = excludesZero
    ? 'the interval excludes 0'
    : 'the interval includes 0: the difference may be chance';
  return `${what} (95 % interval ${signed(low)} to ${signed(high)})${over}; above 0 in ${above} of ${patients} patients; p = ${p.toFixed(3)}; ${verdict}.`;
}

/** The main comparison with each loss: their mean may hide that the losses disagree. */
function byLoss(scans: readonly JudgedScan[], { a, b, losses }: Comparison): string {
  const effects = losses.map((loss) => effect(scans, variantTerms(a, b, [loss])));
  const list = effects.map(({ mean, low, high }, i) => {
    const bounds = Number.isFinite(low) ? ` (${signed(low)} to ${signed(high)})` : '';
    return `${signed(mean)}${bounds} with ${losses[i]}`;
  });
  const disagree = effects.some(({ mean }) => mean > 0) && effects.some(({ mean }) => mean < 0);
  return `The same with each loss: ${list.join(', ')}.${disagree ? ' The losses disagree, and their mean hides it.' : ''}`;
}

/** Says which nets did not even learn their training scans; undefined where all did. */
function hardlyFitted({ plan, results }: ExperimentResults): string | undefined {
  const counts = plan.variants.flatMap((variant) => {
    const dice = netUnits(plan)
      .filter((unit) => unit.variant === variant)
      .flatMap(({ id }) => results.get(id)?.trainDice ?? []);
    const few = dice.filter((value) => value < HARDLY_FITTED).length;
    return few === 0 ? [] : [`${few} of ${dice.length} ${variantLabel(variant)}`];
  });
  if (counts.length === 0) return undefined;
  return `Nets that hardly fit their own training scans (Dice there below ${HARDLY_FITTED}): ${counts.join(', ')}. Their differences from others tell who learns faster in so many steps, not who is better in the end.`;
}

/** `+0.052`, `−0.010`. */
function signed(value: number): string {
  const text = Math.abs(value).toFixed(3);
  if (Number(text) === 0) return text;
  return `${value < 0 ? '−' : '+'}${text}`;
}
