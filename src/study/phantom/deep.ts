import { ellipsoid, type Limb, limb, smoothMin } from './geometry.ts';
import type { Traits } from './traits.ts';

/** Lateral ventricle of one side, foremost first: frontal horn, body, atrium, occipital and temporal horn. */
const LATERAL: readonly Limb[] = [
  { a: [14, 31, 1], b: [7, 20, 11], ra: 2.2, rb: 4.2 },
  { a: [7, 20, 11], b: [6, 4, 17], ra: 4.2, rb: 4.2 },
  { a: [6, 4, 17], b: [12, -22, 21], ra: 4.2, rb: 4.6 },
  { a: [12, -22, 21], b: [23, -42, 12], ra: 4.6, rb: 5.8 },
  { a: [23, -42, 12], b: [24, -70, 6], ra: 5, rb: 1.8 },
  { a: [23, -42, 12], b: [34, -30, -11], ra: 5, rb: 2.2 },
  { a: [34, -30, -11], b: [30, -9, -20], ra: 2.2, rb: 1.6 },
];

/** Caudate body and tail, running along the outer wall of the lateral ventricle. */
const CAUDATE_BODY: Limb = { a: [16, 4, 17], b: [21, -24, 20], ra: 3.4, rb: 2 };
const HIPPOCAMPUS: Limb = { a: [25, -8, -20], b: [26, -32, -9], ra: 5.5, rb: 3.5 };
const AQUEDUCT: Limb = { a: [0, -27, -6], b: [0, -38, -22], ra: 1.1, rb: 1.2 };

/** Distance (mm) to the lateral and the third ventricle; negative inside. */
export function upperVentricles(x: number, y: number, z: number, traits: Traits): number {
  const ax = Math.abs(x);
  let lateral = limb(ax, y, z, LATERAL[0]!, traits.ventricles);
  for (let i = 1; i < LATERAL.length; i++) {
    lateral = smoothMin(lateral, limb(ax, y, z, LATERAL[i]!, traits.ventricles), 2.5);
  }
  // The septum pellucidum keeps the two sides apart.
  lateral = Math.max(lateral, 0.9 - ax);
  const third = ellipsoid(x, y + 8, z - 1, 2 * traits.ventricles, 15, 9);
  return Math.min(lateral, third);
}

/** Distance (mm) to the fourth ventricle and the aqueduct; negative inside. */
export function lowerVentricles(x: number, y: number, z: number, traits: Traits): number {
  const fourth = ellipsoid(x, y + 45, z + 32, 8, 4.2 * traits.ventricles, 11);
  return Math.min(fourth, limb(x, y, z, AQUEDUCT));
}

/** Distance (mm) to caudate, putamen, hippocampus and amygdala. */
export function greyNuclei(x: number, y: number, z: number): number {
  const ax = Math.abs(x);
  const caudate = smoothMin(ellipsoid(ax - 13.5, y - 15, z - 6, 5, 10, 9.5), limb(ax, y, z, CAUDATE_BODY), 2);
  // The putamen's long axis runs outwards and back.
  const u = ax - 26.5 + 0.22 * (y - 2);
  const putamen = ellipsoid(u, y - 2, z - 2, 5, 15.5, 10.5);
  return Math.min(caudate, putamen, limb(ax, y, z, HIPPOCAMPUS));
}

/** Distance (mm) to the globus pallidus, the putamen's darker neighbour. */
export function pallidum(x: number, y: number, z: number): number {
  const ax = Math.abs(x);
  return ellipsoid(ax - 18.5 + 0.35 * (y + 3), y + 3, z, 4.2, 8.5, 6.5);
}

/** Distance (mm) to the thalamus. */
export function thalamus(x: number, y: number, z: number): number {
  const ax = Math.abs(x);
  return ellipsoid(ax - 11.5 + 0.25 * (y + 18), y + 18, z - 8, 8.5, 13.5, 9);
}
