import { StoppedError } from '../core/errors.ts';
import type { AbortSignal } from '../core/globals.ts';

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
type StopSignal = keyof typeof EXIT_CODES;

/** A process that was told to stop ends within this time, whatever its device is doing. */
const GRACE_MS = 4500;

/** Signals turned into an AbortSignal. */
export interface StopWatch {
  /** Aborted by the first SIGINT or SIGTERM; its reason is a StoppedError with the exit code. */
  readonly signal: AbortSignal;
  /** Gives the signals back to the system. */
  release(): void;
}

/**
 * Lets a job end in order: the first SIGINT or SIGTERM aborts the signal, so that the job can save and stop; a second
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
  const names = Object.keys(EXIT_CODES) as StopSignal[];
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
