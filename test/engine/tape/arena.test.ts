import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Layout, type Lifetime, placeLifetimes } from '../../../src/engine/tape/arena.ts';

/** Why a layout is wrong, or an empty list. */
function faults(
  lifetimes: readonly Lifetime[],
  layout: Layout,
  alignment: number,
  pageBytes: number,
): string[] {
  const out: string[] = [];
  lifetimes.forEach((a, i) => {
    const place = layout.places[i]!;
    if (place.offset % alignment !== 0) out.push(`${i} is not aligned`);
    if (place.offset + a.bytes > (layout.pages[place.page] ?? 0)) out.push(`${i} passes its page`);
    for (let j = 0; j < i; j++) {
      const b = lifetimes[j]!;
      const other = layout.places[j]!;
      const inTime = a.first <= b.last && b.first <= a.last;
      const inMemory =
        place.page === other.page &&
        place.offset < other.offset + b.bytes &&
        other.offset < place.offset + a.bytes;
      if (inTime && inMemory) out.push(`${i} and ${j} overlap`);
    }
  });
  layout.pages.forEach((bytes, page) => {
    // Only a single tensor that passes the limit by itself may open a larger page.
    const largest = Math.max(...lifetimes.map((a, i) => (layout.places[i]!.page === page ? a.bytes : 0)));
    if (bytes > Math.max(pageBytes, largest)) out.push(`page ${page} has ${bytes} bytes`);
  });
  return out;
}

describe('placeLifetimes', () => {
  it('gives the place of a dead tensor to the next one', () => {
    const chain = Array.from({ length: 10 }, (_, i) => ({ bytes: 1024, first: i, last: i + 1 }));
    const layout = placeLifetimes(chain, 256);
    expect(layout.pages).toEqual([2048]);
    expect(layout.lowerBound).toBe(2048);
  });

  it('keeps apart what is alive at one command: the last reader and the next writer meet there', () => {
    const layout = placeLifetimes(
      [
        { bytes: 256, first: 0, last: 3 },
        { bytes: 256, first: 3, last: 5 },
        { bytes: 256, first: 4, last: 5 },
      ],
      256,
    );
    expect(layout.places[0]!.offset).not.toBe(layout.places[1]!.offset);
    expect(layout.places[2]!.offset).toBe(layout.places[0]!.offset);
  });

  it('fills the smallest gap that fits', () => {
    const layout = placeLifetimes(
      [
        { bytes: 4096, first: 0, last: 1 },
        { bytes: 2048, first: 0, last: 9 },
        { bytes: 1024, first: 0, last: 1 },
        { bytes: 512, first: 0, last: 9 },
        { bytes: 300, first: 5, last: 9 },
      ],
      256,
    );
    expect(layout.places.map((place) => place.offset)).toEqual([0, 4096, 6144, 7168, 6144]);
  });

  it('opens another page where one is full, and gives a tensor larger than a page one of its own', () => {
    const layout = placeLifetimes(
      [
        { bytes: 600, first: 0, last: 0 },
        { bytes: 600, first: 0, last: 0 },
        { bytes: 2000, first: 0, last: 0 },
      ],
      4,
      1000,
    );
    expect(new Set(layout.places.map((place) => place.page)).size).toBe(3);
    expect([...layout.pages].sort((a, b) => a - b)).toEqual([600, 600, 2000]);
  });

  it('handles nothing', () => {
    expect(placeLifetimes([], 256)).toEqual({ places: [], pages: [], lowerBound: 0 });
  });

  it('never overlaps, is aligned, keeps to its pages, and is deterministic, for any lifetimes', () => {
    const lifetime = fc
      .tuple(fc.integer({ min: 1, max: 5000 }), fc.nat(20), fc.nat(8))
      .map(([bytes, first, length]) => ({ bytes, first, last: first + length }));
    fc.assert(
      fc.property(
        fc.array(lifetime, { maxLength: 40 }),
        fc.constantFrom(4, 32, 256),
        fc.constantFrom(4096, Number.POSITIVE_INFINITY),
        (lifetimes, alignment, pageBytes) => {
          const layout = placeLifetimes(lifetimes, alignment, pageBytes);
          expect(faults(lifetimes, layout, alignment, pageBytes)).toEqual([]);
          expect(placeLifetimes(lifetimes, alignment, pageBytes)).toEqual(layout);
          expect(layout.pages.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThanOrEqual(
            layout.lowerBound,
          );
        },
      ),
      { seed: 1, numRuns: 300 },
    );
  });

  it('stays near the lower bound on a U-Net: activations kept for backward, gradients short-lived', () => {
    const sizes = [64, 64, 16, 16, 4, 4, 16, 64, 64].map((n) => n * 4096);
    const n = sizes.length;
    const lifetimes = sizes.flatMap((bytes, i) => [
      { bytes, first: i, last: 2 * n - 1 - i },
      { bytes, first: 2 * n - 1 - i, last: 2 * n - i },
    ]);
    const layout = placeLifetimes(lifetimes, 256);
    expect(layout.pages[0]! / layout.lowerBound).toBeLessThan(1.15);
  });
});
