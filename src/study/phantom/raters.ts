import type { Random } from '../../core/random.ts';
import type { AnatomyMaps } from './anatomy.ts';
import type { Frame } from './frame.ts';
import type { LesionField } from './lesion-field.ts';
import { FAR } from './lesion-field.ts';
import type { Lesion } from './lesions.ts';
import { valueNoise } from './noise.ts';

/** Agreement (Dice) of two raters of one scan is drawn from this range. */
const AGREEMENT = [0.73, 0.84] as const;

/** One rater's habits: how they shift borders, and which lesions they miss. */
interface Habits {
  readonly missed: Uint8Array;
  /** Shift of the border at each candidate voxel, in units of the disagreement. */
  readonly shift: Float32Array;
}

/**
 * Two raters' masks of one scan. Each draws borders of their own (a shift of the whole lesion and a wander of
 * 4 mm along the border) and misses some small lesions. How far borders are shifted is solved for, so that the
 * two agree to a Dice drawn from .73 to .84, as trained raters of such lesions do.
 */
export function drawRaters(
  field: LesionField,
  lesions: readonly Lesion[],
  maps: AnatomyMaps,
  positions: (index: number, out: Float64Array) => void,
  frame: Frame,
  random: Random,
): [Uint8Array, Uint8Array] {
  const reach = 3 + 1.5 * frame.voxel;
  const candidates = maps.voxels.filter((index) => {
    const inside = field.inside[index]!;
    return inside > FAR && inside > -reach && (inside > 0 || maps.white[index]! > 0.25);
  });
  const sizes = new Float64Array(lesions.length + 1);
  for (const index of candidates) {
    if (field.inside[index]! > 0) sizes[field.owner[index]!]! += frame.voxel ** 3;
  }
  const habits = [0, 1].map((rater) =>
    drawHabits(field, lesions, sizes, candidates, positions, random.fork(`rater ${rater}`)),
  ) as [Habits, Habits];
  const wanted = random.uniform(AGREEMENT[0], AGREEMENT[1]);

  let low = 0;
  let high = 2.5 * Math.max(1, frame.voxel);
  for (let step = 0; step < 12; step++) {
    const middle = (low + high) / 2;
    if (agreement(field, candidates, habits, middle) > wanted) low = middle;
    else high = middle;
  }
  const masks = habits.map((habit) => {
    const mask = new Uint8Array(maps.brain.length);
    candidates.forEach((index, at) => {
      if (marks(field, index, habit, at, low)) mask[index] = 1;
    });
    return mask;
  });
  return masks as [Uint8Array, Uint8Array];
}

function drawHabits(
  field: LesionField,
  lesions: readonly Lesion[],
  sizes: Float64Array,
  candidates: Int32Array,
  positions: (index: number, out: Float64Array) => void,
  random: Random,
): Habits {
  const missed = new Uint8Array(lesions.length + 1);
  const bias = new Float32Array(lesions.length + 1);
  const largest = sizes.reduce((most, size) => Math.max(most, size), 0);
  lesions.forEach((lesion, i) => {
    const size = sizes[i + 1]!;
    const chance = lesion.periventricular || size === largest ? 0 : 0.35 * Math.exp(-size / 25);
    missed[i + 1] = random.uniform() < chance ? 1 : 0;
    bias[i + 1] = random.normal(0, 0.35);
  });
  const wander = valueNoise(random.fork('wander'), [-95, -125, -85], [95, 90, 100], 4);
  const shift = new Float32Array(candidates.length);
  const point = new Float64Array(3);
  const noise = new Float64Array(1);
  candidates.forEach((index, at) => {
    positions(index, point);
    wander.sample(point[0]!, point[1]!, point[2]!, noise);
    shift[at] = noise[0]! + bias[field.owner[index]!]!;
  });
  return { missed, shift };
}

function marks(field: LesionField, index: number, habits: Habits, at: number, disagreement: number): boolean {
  if (habits.missed[field.owner[index]!] === 1) return false;
  return field.inside[index]! + disagreement * habits.shift[at]! > 0;
}

function agreement(
  field: LesionField,
  candidates: Int32Array,
  habits: readonly [Habits, Habits],
  disagreement: number,
): number {
  let first = 0;
  let second = 0;
  let both = 0;
  for (let at = 0; at < candidates.length; at++) {
    const a = marks(field, candidates[at]!, habits[0], at, disagreement);
    const b = marks(field, candidates[at]!, habits[1], at, disagreement);
    if (a) first++;
    if (b) second++;
    if (a && b) both++;
  }
  return first + second === 0 ? 1 : (2 * both) / (first + second);
}
