import { UsageError } from '../../core/errors.ts';

/** Learning rate of a step; steps count from 0. Pure, so a resumed run needs the step's number only. */
export type Schedule = (step: number) => number;

/** The same rate always: what the paper trains with (5e-4). */
export function constantSchedule(rate: number): Schedule {
  checkRate(rate);
  return () => rate;
}

/**
 * Half a cosine from `rate` at step 0 to `final` at step `steps` and after (Loshchilov and Hutter 2017, no restarts).
 * @throws UsageError where steps is no positive integer or a rate is negative.
 */
export function cosineSchedule(rate: number, steps: number, final = 0): Schedule {
  checkRate(rate);
  checkRate(final);
  checkSteps('steps', steps, 1);
  return (step) => final + (rate - final) * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, step / steps)));
}

/**
 * rate (1 - step / steps)^power, 0 from `steps` on: nnU-Net's, whose power is 0.9.
 * @throws UsageError where steps is no positive integer or the rate is negative.
 */
export function polynomialSchedule(rate: number, steps: number, power = 0.9): Schedule {
  checkRate(rate);
  checkSteps('steps', steps, 1);
  return (step) => rate * (1 - Math.min(1, step / steps)) ** power;
}

/**
 * A straight rise over the first `steps` steps (step 0 has 1 / (steps + 1) of the rate) in front of another schedule,
 * which then starts at its own step 0.
 * @throws UsageError where steps is no integer of at least 0.
 */
export function warmUp(steps: number, then: Schedule): Schedule {
  checkSteps('warm-up steps', steps, 0);
  return (step) => (step < steps ? (then(0) * (step + 1)) / (steps + 1) : then(step - steps));
}

function checkRate(rate: number): void {
  if (!(rate >= 0 && Number.isFinite(rate)))
    throw new UsageError(`schedule: a learning rate is at least 0 and finite; got ${rate}`, {
      hint: 'The default is 5e-4.',
    });
}

function checkSteps(what: string, steps: number, least: number): void {
  if (!(Number.isInteger(steps) && steps >= least))
    throw new UsageError(`schedule: ${what} is an integer of at least ${least}; got ${steps}`, {
      hint: 'Give the number of optimizer steps of the whole run.',
    });
}
