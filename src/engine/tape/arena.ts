import { roundUp } from '../../core/shape.ts';

/** A tensor's bytes and the commands (by index, both inclusive) between which it must keep its place. */
export interface Lifetime {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/** Where a lifetime was placed. */
export interface Place {
  readonly page: number;
  readonly offset: number;
}

export interface Layout {
  readonly places: readonly Place[];
  /** Bytes of each page (one GPU buffer a page). */
  readonly pages: readonly number[];
  /** The largest sum of bytes alive at one command: no layout can be smaller. */
  readonly lowerBound: number;
}

/**
 * Places lifetimes so that those which overlap in time never overlap in memory: greedy by size, best fit
 * (Pisarchyk and Lee 2020, "Efficient memory management for deep neural net inference"). A page holds at most
 * `pageBytes`; what does not fit opens the next one.
 *
 * @param alignment bytes that every offset is a multiple of
 */
export function placeLifetimes(
  lifetimes: readonly Lifetime[],
  alignment: number,
  pageBytes: number = Number.POSITIVE_INFINITY,
): Layout {
  const order = lifetimes.map((_, i) => i).sort((a, b) => lifetimes[b]!.bytes - lifetimes[a]!.bytes || a - b);
  const places: Place[] = new Array(lifetimes.length);
  const pages: number[] = [];
  const placed: number[][] = [];
  for (const index of order) {
    const lifetime = lifetimes[index]!;
    for (let page = 0; ; page++) {
      const neighbours = (placed[page] ?? [])
        .filter((other) => overlaps(lifetime, lifetimes[other]!))
        .map((other) => ({
          start: places[other]!.offset,
          end: places[other]!.offset + lifetimes[other]!.bytes,
        }))
        .sort((a, b) => a.start - b.start);
      const offset = bestGap(neighbours, lifetime.bytes, alignment);
      if (offset + lifetime.bytes > pageBytes && (placed[page]?.length ?? 0) > 0) continue;
      places[index] = { page, offset };
      placed[page] = [...(placed[page] ?? []), index];
      pages[page] = Math.max(pages[page] ?? 0, offset + lifetime.bytes);
      break;
    }
  }
  return { places, pages, lowerBound: lowerBoundOf(lifetimes) };
}

function overlaps(a: Lifetime, b: Lifetime): boolean {
  return a.first <= b.last && b.first <= a.last;
}

/** Offset of the smallest gap that holds `bytes`, or the end of the last neighbour. */
function bestGap(
  neighbours: readonly { readonly start: number; readonly end: number }[],
  bytes: number,
  alignment: number,
): number {
  let end = 0;
  let best = -1;
  let bestSize = Number.POSITIVE_INFINITY;
  for (const neighbour of neighbours) {
    const gap = neighbour.start - end;
    if (gap >= bytes && gap < bestSize) {
      best = end;
      bestSize = gap;
    }
    end = Math.max(end, roundUp(neighbour.end, alignment));
  }
  return best >= 0 ? best : end;
}

function lowerBoundOf(lifetimes: readonly Lifetime[]): number {
  const change = new Map<number, number>();
  for (const { bytes, first, last } of lifetimes) {
    change.set(first, (change.get(first) ?? 0) + bytes);
    change.set(last + 1, (change.get(last + 1) ?? 0) - bytes);
  }
  let live = 0;
  let peak = 0;
  for (const time of [...change.keys()].sort((a, b) => a - b)) {
    live += change.get(time)!;
    peak = Math.max(peak, live);
  }
  return peak;
}
