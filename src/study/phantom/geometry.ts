/**
 * Signed distances (mm) to the few shapes that the phantom's anatomy is built from, negative inside.
 * Ellipsoids are first-order exact near their surface, which is where partial volume needs them.
 * Formulas: I. Quilez, "distance functions" and "smooth minimum".
 */

/** Distance to an ellipsoid given by the point relative to its centre and its semi-axes. */
export function ellipsoid(x: number, y: number, z: number, a: number, b: number, c: number): number {
  const ux = x / a;
  const uy = y / b;
  const uz = z / c;
  const k0 = Math.sqrt(ux * ux + uy * uy + uz * uz);
  const vx = ux / a;
  const vy = uy / b;
  const vz = uz / c;
  const k1 = Math.sqrt(vx * vx + vy * vy + vz * vz);
  return k1 > 1e-9 ? (k0 * (k0 - 1)) / k1 : -Math.min(a, b, c);
}

/** Distance to an ellipse in the plane, from the point relative to its centre. */
export function ellipse(x: number, y: number, a: number, b: number): number {
  const ux = x / a;
  const uy = y / b;
  const k0 = Math.sqrt(ux * ux + uy * uy);
  const k1 = Math.sqrt((ux * ux) / (a * a) + (uy * uy) / (b * b));
  return k1 > 1e-9 ? (k0 * (k0 - 1)) / k1 : -Math.min(a, b);
}

/** A segment whose thickness runs from `ra` at its first end to `rb` at its second (mm). */
export interface Limb {
  readonly a: readonly [number, number, number];
  readonly b: readonly [number, number, number];
  readonly ra: number;
  readonly rb: number;
}

/** Distance to a limb. */
export function limb(x: number, y: number, z: number, s: Limb, thickness = 1): number {
  const px = x - s.a[0];
  const py = y - s.a[1];
  const pz = z - s.a[2];
  const bx = s.b[0] - s.a[0];
  const by = s.b[1] - s.a[1];
  const bz = s.b[2] - s.a[2];
  const t = clamp((px * bx + py * by + pz * bz) / (bx * bx + by * by + bz * bz));
  const dx = px - t * bx;
  const dy = py - t * by;
  const dz = pz - t * bz;
  return Math.sqrt(dx * dx + dy * dy + dz * dz) - thickness * (s.ra + t * (s.rb - s.ra));
}

/** Minimum with its crease rounded over `k` mm: a union that flows together. */
export function smoothMin(a: number, b: number, k: number): number {
  const h = k - Math.abs(a - b);
  const m = Math.min(a, b);
  return h > 0 ? m - (h * h) / (4 * k) : m;
}

/** Maximum with its crease rounded over `k` mm: an intersection with a rounded edge. */
export function smoothMax(a: number, b: number, k: number): number {
  return -smoothMin(-a, -b, k);
}

export function clamp(v: number, low = 0, high = 1): number {
  return v < low ? low : Math.min(v, high);
}

/** 0 below `low`, 1 above `high`, smooth between. */
export function smoothStep(low: number, high: number, v: number): number {
  const t = clamp((v - low) / (high - low));
  return t * t * (3 - 2 * t);
}
