import cliProgress from 'cli-progress';
import { errorStream, isInteractive, printable, writeError } from '../platform/terminal.ts';

export interface ProgressOptions {
  /** What is going on: `training`. */
  readonly label: string;
  /** How much there is to do, in `unit`. */
  readonly total: number;
  /** `step`, `scan`, `window`, or `s` for a run that is bounded by time. */
  readonly unit: string;
}

/** A job's progress on stderr. */
export interface Progress {
  /**
   * @param done may be a fraction.
   * @param detail shown at the end of the line: `loss 0.531`.
   */
  update(done: number, detail?: string): void;
  /** A line above the display. */
  note(text: string): void;
  /** Ends the display; more calls change nothing. */
  stop(): void;
}

/** Seconds between lines where no bar can be drawn. */
const LINE_INTERVAL = 5;

/** Shows a bar on a terminal, else a line now and then. */
export function startProgress(options: ProgressOptions): Progress {
  return isInteractive() ? startBar(options) : startLines(options);
}

/** Share of a single unit, or of a time, that must be done before it tells how long the rest takes, and seconds that must have passed. */
const LEAST_SHARE = 0.05;
const LEAST_SECONDS = 1;

/**
 * `12/30 scans, 3.1 scans/s, 0:06 left`: what there is to say after some seconds. How long the rest takes is only said
 * once one unit is done, or a twentieth of a single one.
 * @param before what was done when the clock began: of a resumed run
 */
export function describeProgress(
  options: ProgressOptions,
  done: number,
  seconds: number,
  before = 0,
): string {
  const { total, unit } = options;
  const since = done - before;
  const least = unit === 's' ? LEAST_SHARE * total : total > 1 ? 1 : LEAST_SHARE * total;
  const isKnown = since > 0 && seconds >= LEAST_SECONDS && since >= least;
  const left = isKnown ? `${formatDuration((seconds / since) * (total - done))} left` : undefined;
  if (unit === 's')
    return [`${formatDuration(done)} of ${formatDuration(total)}`, left ?? 'starting'].join(', ');
  const rate = isKnown ? formatRate(since / seconds, unit) : undefined;
  const count = `${Math.floor(done)}/${total} ${unit}s`;
  return [count, ...(rate === undefined ? [] : [rate]), left ?? (done >= total ? 'done' : 'starting')].join(
    ', ',
  );
}

/** A clock that begins anew at the first news of a resumed run: what was done before took none of its time. */
class Clock {
  #started: number = performance.now();
  #before: number | undefined;

  describe(options: ProgressOptions, done: number): string {
    if (this.#before === undefined) {
      const goesOn = done > 1 && done < options.total && options.unit !== 's';
      this.#before = goesOn ? done : 0;
      if (goesOn) this.#started = performance.now();
    }
    return describeProgress(options, done, (performance.now() - this.#started) / 1000, this.#before);
  }
}

/** `0:09`, `12:30`, `3:05:00`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (n: number): string => String(n).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  const rest = two(whole % 60);
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${rest}`;
}

/** `3.1 steps/s`, or `2.4 s/step` where it is slower than one a second. */
export function formatRate(perSecond: number, unit: string): string {
  const two = (value: number): string => (value < 100 ? value.toPrecision(2) : value.toFixed(0));
  return perSecond >= 1 ? `${two(perSecond)} ${unit}s/s` : `${two(1 / perSecond)} s/${unit}`;
}

function startBar(options: ProgressOptions): Progress {
  const clock = new Clock();
  const bar = new cliProgress.SingleBar({
    stream: errorStream(),
    format: (settings, params, payload: { text: string }) =>
      `${options.label} ${cliProgress.Format.BarFormat(params.progress, settings)} ${Math.floor(params.progress * 100)} % | ${payload.text}`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 24,
    fps: 8,
    stopOnComplete: false,
    emptyOnZero: true,
    // The bar's own handler would take SIGINT and SIGTERM away from the training run.
    gracefulExit: false,
  });
  bar.start(options.total, 0, { text: 'starting' });
  let stopped = false;
  let reached = 0;
  let shown = 'starting';
  return {
    update(done, detail) {
      if (stopped) return;
      const text = clock.describe(options, done);
      reached = Math.min(done, options.total);
      shown = printable(detail ? `${text} | ${detail}` : text);
      bar.update(reached, { text: shown });
    },
    note(text) {
      if (!stopped) bar.stop();
      stopped ||= reached >= options.total;
      writeError(`${text}\n`);
      if (!stopped) bar.start(options.total, reached, { text: shown });
    },
    stop() {
      if (!stopped) bar.stop();
      stopped = true;
    },
  };
}

function startLines(options: ProgressOptions): Progress {
  const clock = new Clock();
  const started = performance.now();
  let last = Number.NEGATIVE_INFINITY;
  let stopped = false;
  return {
    update(done, detail) {
      const seconds = (performance.now() - started) / 1000;
      if (stopped || (done < options.total && seconds - last < LINE_INTERVAL)) return;
      last = seconds;
      const text = clock.describe(options, done);
      writeError(`${options.label}: ${text}${detail ? `, ${detail}` : ''}\n`);
    },
    note(text) {
      writeError(`${text}\n`);
    },
    stop() {
      stopped = true;
    },
  };
}
