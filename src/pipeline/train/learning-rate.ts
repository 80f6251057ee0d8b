import { constantSchedule, cosineSchedule, polynomialSchedule } from '../../engine/optim/schedule.ts';
import type { TrainSettings } from './settings.ts';

/** How long a run is to be: one of the two is finite. */
export function lengthIn({
  steps,
  epochs,
  stepsPerEpoch,
  minutes,
}: Pick<TrainSettings, 'steps' | 'epochs' | 'stepsPerEpoch' | 'minutes'>): {
  readonly steps: number;
  readonly seconds: number;
} {
  const asked = steps ?? (epochs === null ? Number.POSITIVE_INFINITY : epochs * stepsPerEpoch);
  return { steps: asked, seconds: minutes === null ? Number.POSITIVE_INFINITY : minutes * 60 };
}

/** The learning rate of a step by the steps and the seconds that are done before it. */
export function learningRate(settings: TrainSettings): (steps: number, seconds: number) => number {
  const { schedule, lr, minutes } = settings;
  if (schedule === 'constant') return constantSchedule(lr);
  const { steps, seconds } = lengthIn(settings);
  const whole = Math.max(1, Math.ceil(minutes === null ? steps : seconds));
  const rate = schedule === 'cosine' ? cosineSchedule(lr, whole) : polynomialSchedule(lr, whole);
  return (done, spent) => rate(minutes === null ? done : spent);
}
