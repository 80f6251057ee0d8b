import type { Random } from '../../core/random.ts';
import { fillHoles, largestComponent } from '../../imaging/volume/components.ts';
import type { Grid } from '../../imaging/volume/volume.ts';
import { voxelCount } from '../../imaging/volume/volume.ts';
import { Cortex, callosalArch, cerebrumHull } from './cortex.ts';
import { greyNuclei, lowerVentricles, pallidum, thalamus, upperVentricles } from './deep.ts';
import type { Frame } from './frame.ts';
import { clamp, smoothMin } from './geometry.ts';
import { brainStem, cerebellumHull, Folia, folialThickness } from './hindbrain.ts';
import { Lattice, WaveNoise } from './noise.ts';
import { drawTraits, type Traits } from './traits.ts';

/** Thickness of the fluid that a skull-stripped brain keeps around itself (mm). */
const OUTER_FLUID = 1.3;

/** What one voxel holds: fractions that sum to one inside the brain, and where it lies. */
export interface Sample {
  inBrain: boolean;
  corticalGrey: number;
  deepGrey: number;
  pallidum: number;
  white: number;
  /** Distance (mm) to the nearest ventricle, negative inside. */
  ventricleDistance: number;
  /** Depth (mm) below the smooth surface of the brain. */
  surfaceDepth: number;
}

/** One subject's brain as functions of a point in model millimetres. */
export class Anatomy {
  readonly traits: Traits;
  readonly #cortex: Cortex;
  readonly #folia: Folia;
  /** Channels: displacement along x, y, z (mm). */
  readonly #warp: Lattice;
  readonly #shift: Float64Array = new Float64Array(3);
  /** The answer of the last call of {@link at}. */
  readonly sample: Sample = {
    inBrain: false,
    corticalGrey: 0,
    deepGrey: 0,
    pallidum: 0,
    white: 0,
    ventricleDistance: 0,
    surfaceDepth: 0,
  };

  constructor(random: Random) {
    this.traits = drawTraits(random.fork('traits'));
    this.#cortex = new Cortex(this.traits, random.fork('cortex'));
    this.#folia = new Folia(random.fork('cerebellum'));
    this.#warp = new Lattice([-90, -125, -90], [90, 95, 105], 9, 3);
    for (const channel of [0, 1, 2]) {
      const noise = new WaveNoise(random.fork(`warp ${channel}`), 85, 12, 0.35);
      const fine = new WaveNoise(random.fork(`fine warp ${channel}`), 30, 10, 0.3);
      this.#warp.fill(channel, (x, y, z) => 1.8 * noise.at(x, y, z) + 0.8 * fine.at(x, y, z));
    }
  }

  /** Fills {@link sample} for a voxel centred at (px, py, pz) model mm with edges of `voxel` model mm. */
  at(px: number, py: number, pz: number, voxel: number): Sample {
    const out = this.sample;
    const shift = this.#shift;
    const { size } = this.traits;
    this.#warp.sample(px, py, pz, shift);
    const x = px / size[0] + shift[0]!;
    const y = py / size[1] + shift[1]!;
    const z = pz / size[2] + shift[2]!;

    const cerebrum = cerebrumHull(x, y, z);
    const cerebellum = z < 12 && y < -25 ? cerebellumHull(x, y, z) : 30;
    const stem = z < 14 && y < 15 && y > -80 ? brainStem(x, y, z) : 30;
    const hull = smoothMin(smoothMin(cerebrum, cerebellum, 16), stem, 10);
    out.surfaceDepth = -hull;
    out.inBrain = hull < OUTER_FLUID;
    if (!out.inBrain) {
      out.corticalGrey = out.deepGrey = out.pallidum = out.white = 0;
      out.ventricleDistance = 99;
      return out;
    }
    const cover = (distance: number): number => clamp(0.5 - distance / voxel);

    let cortical = 0;
    let white = 0;
    if (cerebrum < voxel) {
      const depth = this.#cortex.depth(x, y, z, cerebrum);
      const tissue = cover(-depth);
      white = cover(this.#cortex.thickness - depth);
      cortical = tissue - white;
    }
    if (cerebellum < voxel) {
      const depth = this.#folia.depth(x, y, z, cerebellum);
      const tissue = cover(-depth);
      const core = cover(folialThickness(cerebellum) - depth);
      const rest = 1 - tissue;
      cortical = cortical * rest + tissue - core;
      white = white * rest + core;
    }
    let deep = 0;
    let pale = 0;
    // Later structures cover earlier ones, as paint does.
    const paint = (coverage: number): number => {
      cortical *= 1 - coverage;
      deep *= 1 - coverage;
      pale *= 1 - coverage;
      white *= 1 - coverage;
      return coverage;
    };
    const paintWhite = (distance: number): void => {
      const coverage = paint(cover(distance));
      white += coverage;
    };
    const paintDeep = (distance: number): void => {
      const coverage = paint(cover(distance));
      deep += coverage;
    };
    if (stem < voxel) paintWhite(stem);
    const ax = Math.abs(x);
    const upper = upperVentricles(x, y, z, this.traits);
    const lower = lowerVentricles(x, y, z, this.traits);
    if (ax < 45 && y > -60 && y < 45 && z > -35 && z < 40) {
      // The ventricles' own wall and the corpus callosum above them are white matter.
      const arch = callosalArch(y, z);
      paintWhite(Math.max(arch, -arch - 6.5, ax - 14, -3 - z));
      paintWhite(Math.max(upper - 3, arch));
      paintWhite(interior(ax, y, z));
      paintDeep(greyNuclei(x, y, z));
      paintDeep(thalamus(x, y, z));
      const coverage = paint(cover(pallidum(x, y, z)));
      pale += coverage;
    }
    out.ventricleDistance = Math.min(upper, lower);
    paint(cover(out.ventricleDistance));
    out.corticalGrey = cortical;
    out.deepGrey = deep;
    out.pallidum = pale;
    out.white = white;
    return out;
  }
}

/** Distance to the block of capsules and diencephalic white matter between the insula and the midline. */
function interior(ax: number, y: number, z: number): number {
  const u = (ax - 14) / 19;
  const v = (y + 4) / 26;
  const w = (z - 3) / 15;
  return (Math.sqrt(u * u + v * v + w * w) - 1) * 15;
}

/** A subject's anatomy on a grid, before lesions. All arrays have one entry a voxel, x fastest. */
export interface AnatomyMaps {
  readonly brain: Uint8Array;
  readonly corticalGrey: Float32Array;
  readonly deepGrey: Float32Array;
  readonly pallidum: Float32Array;
  readonly white: Float32Array;
  /** Millimetres of model space to the nearest ventricle, negative inside, 99 outside the brain. */
  readonly ventricleDistance: Float32Array;
  /** Indices of the brain's voxels, ascending. */
  readonly voxels: Int32Array;
}

/** Samples an anatomy at every voxel of a grid. */
export function rasterizeAnatomy(anatomy: Anatomy, grid: Grid, frame: Frame): AnatomyMaps {
  const count = voxelCount(grid);
  const [nx, ny, nz] = grid.shape;
  const maps = {
    brain: new Uint8Array(count),
    corticalGrey: new Float32Array(count),
    deepGrey: new Float32Array(count),
    pallidum: new Float32Array(count),
    white: new Float32Array(count),
    ventricleDistance: new Float32Array(count).fill(99),
  };
  let index = 0;
  for (let k = 0; k < nz; k++) {
    const z = frame.origin[2] + k * frame.step[2];
    for (let j = 0; j < ny; j++) {
      const y = frame.origin[1] + j * frame.step[1];
      for (let i = 0; i < nx; i++, index++) {
        const sample = anatomy.at(frame.origin[0] + i * frame.step[0], y, z, frame.voxel);
        if (!sample.inBrain) continue;
        maps.brain[index] = 1;
        maps.corticalGrey[index] = sample.corticalGrey;
        maps.deepGrey[index] = sample.deepGrey;
        maps.pallidum[index] = sample.pallidum;
        maps.white[index] = sample.white;
        maps.ventricleDistance[index] = sample.ventricleDistance;
      }
    }
  }
  // One piece without holes, as skull stripping leaves it: what a hole is filled with is fluid.
  const brain = fillHoles(largestComponent(maps.brain, grid.shape), grid.shape);
  const voxels = new Int32Array(brain.reduce((sum, v) => sum + v, 0));
  for (let at = 0, n = 0; at < count; at++) if (brain[at] === 1) voxels[n++] = at;
  return { ...maps, brain, voxels };
}
