import type { TileProgress } from './protocol.ts';

/** Estimates the time left of a run's phase. Its first tile compiles the kernels, so it does not count. */
export class TileClock {
  #phase: TileProgress['phase'] | undefined;
  #start = 0;

  /** Seconds left; null before the second tile. @param now milliseconds */
  left({ phase, done, total }: TileProgress, now: number = performance.now()): number | null {
    // Rounds and tiles take their own time each.
    if (phase !== this.#phase) [this.#phase, this.#start] = [phase, now];
    return done < 2 ? null : ((now - this.#start) / 1000 / (done - 1)) * (total - done);
  }
}
