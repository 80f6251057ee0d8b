/** Extents of a tensor, outermost first. Activations are [batch, channels, depth, height, width]. */
export type Shape = readonly number[];

/** Number of elements. */
export function sizeOf(shape: Shape): number {
  let n = 1;
  for (const extent of shape) n *= extent;
  return n;
}

/** `[2, 16, 64, 64, 64]` as `2x16x64x64x64`. */
export function formatShape(shape: Shape): string {
  return shape.length === 0 ? 'scalar' : shape.join('x');
}

/** Whether both have the same rank and extents. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, i) => extent === b[i]);
}

/** Smallest multiple of `step` that is at least `n`. */
export function roundUp(n: number, step: number): number {
  return Math.ceil(n / step) * step;
}

/** `n / d` rounded up. */
export function ceilDiv(n: number, d: number): number {
  return Math.ceil(n / d);
}

/** Three numbers of a volume, slowest axis first: [z, y, x] or [depth, height, width]. */
export type Triple = readonly [number, number, number];

/** Extents of a box, slowest axis first; one number for a cube. */
export type Extents = number | Triple;

/** `64` for a cube, `16x64x64` for another box. */
export function formatExtents(extents: Extents): string {
  return typeof extents === 'number' ? String(extents) : formatShape(extents);
}

/** `[64, 64, 64]` as 64: one way to write each box. */
export function toExtents([z, y, x]: Triple): Extents {
  return z === y && y === x ? z : [z, y, x];
}

/** Extents of which each is the nearest multiple, at least once. @param multiple [z, y, x] */
export function nearExtents(extents: Extents, multiple: Triple): Extents {
  const [z, y, x] = toTriple(extents).map(
    (extent, axis) => Math.max(1, Math.round(extent / multiple[axis]!)) * multiple[axis]!,
  );
  return toExtents([z!, y!, x!]);
}

/** `[2, 2, 1]` as it is, 2 as `[2, 2, 2]`. */
export function toTriple(value: Extents): Triple {
  return typeof value === 'number' ? [value, value, value] : value;
}
