/** Share of a wait that may be lost by looking too late whether it is over. */
const LATENESS = 0.02;
/** Milliseconds between two looks at most, so that files, signals and timers are served in time. */
const LONGEST_MS = 1;
/** What ends sooner than this needs no sleep. */
const SOON_MS = 0.1;
/** Below this the system's sleep takes longer than what is asked of it. */
const SHORTEST_MS = 0.05;

const cell: Int32Array<SharedArrayBuffer> = new Int32Array(new SharedArrayBuffer(4));
let waits = 0;
let since = 0;
let scheduled = false;

/**
 * Waits for a promise of Dawn's and lets the processor rest meanwhile. Dawn's binding for Node looks for its events
 * once in every turn of the event loop, as fast as turns can follow each other, while a promise of its own is
 * pending: that keeps a core busy, which on a software driver is one that the kernels need. So each turn sleeps for a
 * small share of the time waited so far.
 */
export async function restWhile<T>(promise: Promise<T>): Promise<T> {
  waits++;
  since = performance.now();
  schedule();
  try {
    return await promise;
  } finally {
    waits--;
  }
}

function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  setImmediate(turn);
}

function turn(): void {
  scheduled = false;
  if (waits === 0) return;
  const waited = performance.now() - since;
  if (waited > SOON_MS)
    Atomics.wait(cell, 0, 0, Math.min(LONGEST_MS, Math.max(SHORTEST_MS, LATENESS * waited)));
  schedule();
}
