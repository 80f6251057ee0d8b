/**
 * `npx tsx bench/roofline.ts`: a roofline on paper, an estimate. For each convolution of the paper's network, forward, the
 * operations and bytes of shaders/conv3d-wide.wgsl's tiles, and the share of peak to expect on three GPUs that were not at
 * hand. The share of multiply-adds comes from bench/results/static.json, where a GPU's compiler counts it. Prints the
 * table of bench/README.md; nothing is timed.
 */
import { readFileSync } from 'node:fs';
import { ceilDiv } from '../src/core/shape.ts';
import { cicekConfig } from '../src/engine/nn/networks/unet.ts';
import { stagesPerPart, WIDE_TILE, type WideTile } from '../src/engine/ops/conv3d/wide.ts';
import type { KeptShares } from './static/report.ts';

/** What the model needs to know of a chip. */
interface Chip {
  readonly name: string;
  /** Cores that run workgroups: SMs, Apple's cores, Intel's subslices. */
  readonly cores: number;
  /** 1e12 operations a second in float32, two for a multiply-add. */
  readonly tflops: number;
  /** 1e9 bytes a second of memory. */
  readonly gbps: number;
  /** The tile that is the first choice there. */
  readonly tile: WideTile;
  /** Its workgroups of 64 invocations that fit a core at a time (registers, workgroup memory, threads). */
  readonly resident: number;
  /** Such workgroups a core that hide the latency of workgroup memory. */
  readonly wanted: number;
}

const DEEP: WideTile = { z: 8, staged: 2 };
const FLAT: WideTile = { z: 4, staged: 4 };

// 180 registers of 4 bytes per invocation for the deep tile, and 9.2 kB of workgroup memory; 112 and 13.8 kB for the flat.
const CHIPS: readonly Chip[] = [
  { name: 'H100 SXM', cores: 132, tflops: 67, gbps: 3350, tile: DEEP, resident: 5, wanted: 4 },
  { name: 'Apple M2 Max', cores: 38, tflops: 13.6, gbps: 400, tile: DEEP, resident: 3, wanted: 3 },
  { name: 'Iris Xe, 96 units', cores: 6, tflops: 2.2, gbps: 68, tile: FLAT, resident: 9, wanted: 6 },
];

const kept = JSON.parse(readFileSync(new URL('results/static.json', import.meta.url), 'utf8')) as KeptShares;

/** Share of the multiply-adds in a tile's instructions, staging included, as AMD's compiler leaves them. */
function issueOf({ z, staged }: WideTile): number {
  return kept.navi31![`conv3d-wide.wgsl:convolve{CI=${staged},Z=${z}}`]! / 100;
}

const BATCH = 2;
const PATCH = 64;

interface Layer {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly extent: number;
}

function layers(): Layer[] {
  const { inChannels, encoder, up, decoder } = cicekConfig(3, [{ name: 'labels', classes: 2 }]);
  const list: Layer[] = [];
  const block = (name: string, from: number, widths: readonly [number, number], level: number): void => {
    const extent = PATCH >> level;
    list.push({ name: `${name}.conv1`, from, to: widths[0], extent });
    list.push({ name: `${name}.conv2`, from: widths[0], to: widths[1], extent });
  };
  let from = inChannels;
  encoder.forEach((widths, level) => {
    block(`encoder.${level}`, from, widths, level);
    from = widths[1];
  });
  for (let level = decoder.length - 1; level >= 0; level--)
    block(`decoder.${level}`, encoder[level]![1] + up[level]!, decoder[level]!, level);
  return list;
}

function row({ name, from, to, extent }: Layer): string {
  const voxels = extent ** 3 * BATCH;
  const gflop = (2 * 27 * from * to * voxels) / 1e9;
  const megabytes = (4 * ((from + to) * voxels + 27 * from * to)) / 1e6;
  const cells = CHIPS.map(({ cores, tflops, gbps, tile, resident, wanted }) => {
    const { x, y, channels } = WIDE_TILE;
    const tiles =
      BATCH * ceilDiv(extent, x) * ceilDiv(extent, y) * ceilDiv(extent, tile.z) * ceilDiv(to, channels);
    const stages = ceilDiv(from, tile.staged);
    const parts = ceilDiv(stages, stagesPerPart(stages, tiles, Number.POSITIVE_INFINITY));
    const perCore = Math.min(resident, (tiles * parts) / cores);
    const busy = Math.min(1, perCore) * Math.min(1, Math.max(1, perCore) / wanted);
    const compute = gflop / (tflops * issueOf(tile) * busy);
    // Parts are written once and read once.
    const sums = parts === 1 ? 0 : (8 * parts * to * voxels) / 1e6;
    const ms = Math.max(compute, (megabytes + sums) / gbps);
    const share = `${Math.round((100 * gflop) / (tflops * ms))} %`;
    const groups = `${perCore.toFixed(1)}${parts === 1 ? '' : `, in ${parts}`}`;
    return `${groups} | ${share} | ${ms < 10 ? ms.toPrecision(2) : ms.toFixed(0)}`;
  });
  return `| ${name} ${from}->${to} at ${extent}³ | ${gflop.toPrecision(3)} | ${megabytes.toPrecision(3)} | ${Math.round((gflop * 1e3) / megabytes)} | ${cells.join(' | ')} |`;
}

const heads = CHIPS.map(({ name }) => `${name}: groups a core | of peak | ms`).join(' | ');
console.log(`| layer, batch ${BATCH} | GFLOP | MB | FLOP a byte | ${heads} |`);
console.log(`|${'---|'.repeat(4 + 3 * CHIPS.length)}`);
for (const layer of layers()) console.log(row(layer));
