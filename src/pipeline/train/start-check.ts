import type { StepResult } from './session.ts';
import type { ResolvedTrainSettings } from './settings.ts';

/** Share of a run after which it is looked at. */
const SHARE = 0.05;
/** Fewer steps say too little: losses of patches are noisy. */
const LEAST_STEPS = 60;
/** How far the loss must have fallen: so many standard errors, and this share of it. */
const ERRORS = 2;
const FALL = 0.005;

/** What a finished step shows. */
type Seen = Pick<StepResult, 'loss' | 'gradNorm' | 'skipped'>;

/** Looks once, after the first twentieth of a run, whether the network has left its start. */
export class StartCheck {
  readonly #settings: ResolvedTrainSettings;
  readonly #seen: Seen[] = [];
  #done: boolean;

  /** @param before steps that another process did; a run that is resumed is not looked at */
  constructor(settings: ResolvedTrainSettings, before: number) {
    this.#settings = settings;
    this.#done = before > 0;
  }

  /** Adds a finished step. */
  add({ loss, gradNorm, skipped }: Omit<StepResult, 'losses'>): void {
    if (!this.#done) this.#seen.push({ loss, gradNorm, skipped });
  }

  /**
   * What is wrong, in a sentence; undefined if nothing is, or if it is too early to tell.
   * @param share of the run that is done
   */
  finding(share: number): string | undefined {
    if (this.#done || share < SHARE || this.#seen.length < LEAST_STEPS) return undefined;
    this.#done = true;
    return describeStart(this.#seen, this.#settings);
  }
}

/** What is wrong with the first steps of a run; undefined if the loss has fallen. */
export function describeStart(
  seen: readonly Seen[],
  { lr, clip }: Pick<ResolvedTrainSettings, 'lr' | 'clip'>,
): string | undefined {
  const third = Math.floor(seen.length / 3);
  const first = moments(seen.slice(0, third));
  const last = moments(seen.slice(-third));
  const fall = first.mean - last.mean;
  const noise = Math.sqrt((first.variance + last.variance) / third);
  if (fall > ERRORS * noise && fall > FALL * Math.abs(first.mean)) return undefined;
  const share = (holds: (step: Seen) => boolean): number => seen.filter(holds).length / seen.length;
  const norms = seen.map(({ gradNorm }) => gradNorm).sort((a, b) => a - b);
  const typical = norms[Math.floor(norms.length / 2)]!;
  const course = `the loss was ${first.mean.toFixed(4)} in the first steps and is ${last.mean.toFixed(4)} after ${seen.length}`;
  return `the network has hardly left its start: ${course}; ${reason()}`;

  function reason(): string {
    if (share(({ skipped }) => skipped === true) > 0.5)
      return 'most steps were passed over, since gradients do not fit 16 bits: use 32-bit floats';
    if (typical < 1e-6)
      return `gradients are almost nothing (norm ${typical.toPrecision(2)}): the outputs are saturated, so use another loss, or another seed`;
    if (-fall > ERRORS * noise) return `it rises: the learning rate ${lr} is too large`;
    if (clip > 0 && share(({ gradNorm }) => gradNorm > clip) > 0.5)
      return `most gradients are clipped at ${clip}: the loss is steep here, so use a smaller learning rate than ${lr}`;
    if (first.variance + last.variance > (2 * FALL * first.mean) ** 2)
      return 'it differs more from patch to patch than it falls: use more patches per step or larger ones, or a share of them on labels';
    return `it is flat: the learning rate ${lr} is small for so few steps, or the loss is one that is flat at the start`;
  }
}

function moments(steps: readonly Seen[]): { readonly mean: number; readonly variance: number } {
  const mean = steps.reduce((sum, { loss }) => sum + loss, 0) / steps.length;
  const squares = steps.reduce((sum, { loss }) => sum + (loss - mean) ** 2, 0);
  return { mean, variance: squares / Math.max(1, steps.length - 1) };
}
