import type { Random } from '../../core/random.ts';
import { type Anatomy, type BankedLesion, LABELS, smallLesion } from './anatomy.ts';

/** Lesions in a brain: the number of the lesion that a voxel belongs to, 0 where there is none. */
export interface PlacedLesions {
  readonly ids: Uint16Array;
  readonly count: number;
}

/** Share of a lesion that must lie in white matter. */
const MOST = 0.7;
/** The same of a large one, which seldom fits another brain as well. */
const MOST_OF_LARGE = 0.6;
/** Places that are tried per lesion. */
const TRIES = 12;
/** Up to here a lesion is small, and from here on large, in voxels of 1 mm. */
const SMALL = 120;
const LARGE = 400;

/**
 * Puts lesions into a brain. They are its own, those of other brains at the like place, and tiny ones in white matter.
 * A lesion of another brain stays where it was relative to the box around the brain, within a few voxels, at a like
 * distance from the ventricles, and with {@link MOST} of it in white matter; else another place or lesion is tried.
 * @param donors brains whose lesions may be used
 */
export function placeLesions(
  random: Random,
  brain: Anatomy,
  donors: readonly Anatomy[],
  healthy: boolean,
): PlacedLesions {
  const ids = new Uint16Array(brain.tissue.length);
  if (healthy) return { ids, count: 0 };
  let count = 0;
  const paste = (offsets: Int16Array, at: readonly number[], flip: number): boolean => {
    const placed = place(brain, ids, offsets, at, flip);
    if (placed === undefined) return false;
    count++;
    for (const i of placed) ids[i] = count;
    return true;
  };
  if (random.uniform() < 0.5) for (const own of brain.bank) paste(own.offsets, absolute(brain, own.place), 0);
  const bank = donors.flatMap((donor) => donor.bank);
  // Many patients have few and small lesions: those are what is hard to learn.
  const onlySmall = random.uniform() < 0.45;
  const small = bank.filter(({ offsets }) => offsets.length / 3 <= SMALL);
  const large = bank.filter(({ offsets }) => offsets.length / 3 >= LARGE);
  const wanted = Math.round(Math.exp(random.uniform(Math.log(4), Math.log(onlySmall ? 50 : 90))));
  for (let n = 0; n < wanted; n++) {
    const kind = onlySmall ? small : random.uniform() < 0.25 ? large : bank;
    const from = kind.length > 0 ? kind : bank;
    if (from.length === 0) break;
    const lesion = from[random.integer(from.length)]!;
    const flip = random.integer(2);
    for (let t = 0; t < TRIES; t++) {
      const at = absolute(brain, lesion.place, flip).map((v) => Math.round(v + random.normal(0, 6)));
      if (alike(brain, lesion, at) && paste(lesion.offsets, at, flip)) break;
    }
  }
  const tiny = random.integer(25);
  for (let n = 0; n < tiny; n++)
    for (let t = 0; t < TRIES; t++) {
      const [low, high] = brain.box;
      const at = [0, 1, 2].map((axis) =>
        Math.round(random.uniform(low[axis]!, high[axis]!)),
      ) as unknown as readonly [number, number, number];
      // The stem and the cerebellum, at the bottom, have few.
      if (at[2] < low[2] + 0.3 * (high[2] - low[2]) && random.uniform() < 0.8) continue;
      if (paste(smallLesion(random, random.uniform(1, 2.4)), at, 0)) break;
    }
  return { ids, count };
}

function absolute(brain: Anatomy, place: BankedLesion['place'], flip = 0): [number, number, number] {
  const [low, high] = brain.box;
  return [0, 1, 2].map((axis) => {
    const share = axis === 0 && flip === 1 ? 1 - place[axis]! : place[axis]!;
    return low[axis]! + share * (high[axis]! - low[axis]!);
  }) as [number, number, number];
}

function alike({ grid, depth }: Anatomy, lesion: BankedLesion, at: readonly number[]): boolean {
  const [nx, ny, nz] = grid.shape;
  if (at.some((v, axis) => v < 0 || v >= [nx, ny, nz][axis]!)) return false;
  const here = depth[(at[2]! * ny + at[1]!) * nx + at[0]!]!;
  return Math.abs(here - lesion.depth) < 3 + 0.25 * lesion.depth;
}

/** The voxels a lesion takes there; undefined if too little of it is in white matter. */
function place(
  { grid, tissue }: Anatomy,
  ids: Uint16Array,
  offsets: Int16Array,
  at: readonly number[],
  flip: number,
): Int32Array | undefined {
  const [nx, ny, nz] = grid.shape;
  const voxels = new Int32Array(offsets.length / 3);
  let inside = 0;
  let white = 0;
  for (let v = 0; v < voxels.length; v++) {
    const x = Math.round(at[0]!) + (flip === 1 ? -offsets[3 * v]! : offsets[3 * v]!);
    const y = Math.round(at[1]!) + offsets[3 * v + 1]!;
    const z = Math.round(at[2]!) + offsets[3 * v + 2]!;
    if (x < 0 || y < 0 || z < 0 || x >= nx || y >= ny || z >= nz) continue;
    const i = (z * ny + y) * nx + x;
    if (tissue[i] === LABELS.WM) white++;
    // Fluid stays fluid: no lesion lies in it.
    if (tissue[i] === LABELS.WM || tissue[i] === LABELS.GM) {
      // Lesions may flow together; the first keeps its voxels.
      if (ids[i] === 0) voxels[inside++] = i;
    }
  }
  return white >= (voxels.length >= LARGE ? MOST_OF_LARGE : MOST) * voxels.length
    ? voxels.subarray(0, inside)
    : undefined;
}
