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

/** `12/30 scans, 3.1 scans/s, 0:06 left`: what there is to say after some seconds. */
export function describeProgress(options: ProgressOptions, done: number, seconds: number): string {
  const { total, unit } = options;
  const left = done > 0 ? `${formatDuration((seconds / done) * (total - done))} left` : 'starting';
  if (unit === 's') return `${formatDuration(done)} of ${formatDuration(total)}, ${left}`;
  const rate = done > 0 && seconds > 0 ? `, ${formatRate(done / seconds, unit)}` : '';
  return `${Math.floor(done)}/${total} ${unit}s${rate}, ${left}`;
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
  const started = performance.now();
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
      const text = describeProgress(options, done, (performance.now() - started) / 1000);
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
  const started = performance.now();
  let last = Number.NEGATIVE_INFINITY;
  let stopped = false;
  return {
    update(done, detail) {
      const seconds = (performance.now() - started) / 1000;
      if (stopped || (done < options.total && seconds - last < LINE_INTERVAL)) return;
      last = seconds;
      const text = describeProgress(options, done, seconds);
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
