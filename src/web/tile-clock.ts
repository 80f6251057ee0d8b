import type { TileProgress } from './protocol.ts';

/** Estimates the time left of a run. The first tile compiles the kernels, so it does not count. */
export class TileClock {
  #start: number | undefined;

  /** Seconds left; null before the second tile. @param now milliseconds */
  left({ done, total }: TileProgress, now: number = performance.now()): number | null {
    this.#start ??= now;
    return done < 2 ? null : ((now - this.#start) / 1000 / (done - 1)) * (total - done);
  }
}
