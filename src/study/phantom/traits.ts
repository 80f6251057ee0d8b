import type { Random } from '../../core/random.ts';

/** What makes one subject's brain differ from another's, apart from its folds and warp. */
export interface Traits {
  /** Scale along x, y, z. */
  readonly size: readonly [number, number, number];
  /** Scale of the ventricles' thickness: 0.85 slim to 1.8 wide. */
  readonly ventricles: number;
  /** Half-width of sulci at their bottom (mm); grows with atrophy. */
  readonly sulcusHalfWidth: number;
  /** Mean thickness of the cortical ribbon (mm). */
  readonly cortexThickness: number;
  /** Mean distance between neighbouring sulci (mm). */
  readonly gyrusWidth: number;
}

/** Draws a subject. Patients with more lesions tend to have more atrophy: both ends follow `atrophy` (0..1). */
export function drawTraits(random: Random): Traits {
  const atrophy = random.uniform();
  const scale = random.normal(0.955, 0.018);
  const axis = (): number => scale * random.uniform(0.97, 1.03);
  return {
    size: [axis(), axis(), axis()],
    ventricles: (0.95 + 0.6 * atrophy) * random.uniform(0.9, 1.15),
    sulcusHalfWidth: 0.3 + 0.4 * atrophy + random.uniform(0, 0.15),
    cortexThickness: random.uniform(2.6, 3.1),
    gyrusWidth: random.uniform(13.5, 15.5),
  };
}
