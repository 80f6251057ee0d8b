import { StoppedError } from '../core/errors.ts';
import type { AbortSignal } from '../core/globals.ts';

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGBREAK: 149, SIGHUP: 129 } as const;
type StopSignal = keyof typeof EXIT_CODES;

/**
 * The signals that ask a job to end. Windows has SIGBREAK for Ctrl+Break and SIGHUP for a console that is closed. SIGHUP is
 * left alone elsewhere: `nohup` has it ignored, and a handler would undo that.
 */
export function stopSignals(platform: string = process.platform): readonly StopSignal[] {
  return platform === 'win32' ? ['SIGINT', 'SIGTERM', 'SIGBREAK', 'SIGHUP'] : ['SIGINT', 'SIGTERM'];
}

/** A process that was told to stop ends within this time, whatever its device is doing. */
const GRACE_MS = 4500;

/** Signals turned into an AbortSignal. */
export interface StopWatch {
  /** Aborted by the first of {@link stopSignals}; its reason is a StoppedError with the exit code. */
  readonly signal: AbortSignal;
  /** Gives the signals back to the system. */
  release(): void;
}

/**
 * Lets a job end in order: the first of {@link stopSignals} aborts the signal, so that the job can save and stop; a second
 * one ends the process at once, and so does the clock where the job does not stop in time.
 *
 * @param onSignal told of the first signal
 * @param onLate told right before the clock ends the process
 */
export function watchStopSignals(
  onSignal: (name: string) => void,
  onLate: (name: string) => void,
): StopWatch {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const handle = (name: StopSignal): void => {
    if (controller.signal.aborted) {
      endAt(name);
      return;
    }
    timer = setTimeout(() => {
      onLate(name);
      endAt(name);
    }, GRACE_MS);
    controller.abort(new StoppedError(`stopped by ${name}`, EXIT_CODES[name]));
    onSignal(name);
  };
  const names = stopSignals();
  for (const name of names) process.on(name, handle);
  const release = (): void => {
    clearTimeout(timer);
    for (const name of names) process.off(name, handle);
  };
  // By the signal itself, which a shell shows as 130 or 143: an orderly exit while the device is at work may crash.
  const endAt = (name: StopSignal): void => {
    release();
    process.kill(process.pid, name);
  };
  return { signal: controller.signal, release };
}
