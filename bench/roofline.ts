/**
 * `npx tsx bench/roofline.ts`: a roofline on paper. For each convolution of the paper's network, forward, the
 * operations and bytes of shaders/conv3d.wgsl's workgroup tiles, and the share of peak to expect on three GPUs that
 * were not at hand. Prints the table of bench/README.md; nothing is measured.
 */
import { ceilDiv } from '../src/core/shape.ts';
import { cicekConfig } from '../src/engine/nn/networks/unet.ts';
import { channelsPerPart } from '../src/engine/ops/conv3d/tile.ts';

/** What the model needs to know of a chip. */
interface Chip {
  readonly name: string;
  /** Cores that run workgroups: SMs, Apple's cores, Intel's subslices. */
  readonly cores: number;
  /** 1e12 operations a second in float32, two for a multiply-add. */
  readonly tflops: number;
  /** 1e9 bytes a second of memory. */
  readonly gbps: number;
  /** Workgroups of 128 invocations and 12.7 KB that fit a core at a time (registers, workgroup memory, threads). */
  readonly resident: number;
  /** Such workgroups a core that hide the latency of workgroup memory. */
  readonly wanted: number;
}

const CHIPS: readonly Chip[] = [
  { name: 'H100 SXM', cores: 132, tflops: 67, gbps: 3350, resident: 8, wanted: 4 },
  { name: 'Apple M2 Max', cores: 38, tflops: 13.6, gbps: 400, resident: 4, wanted: 3 },
  { name: 'Iris Xe, 96 units', cores: 6, tflops: 2.2, gbps: 68, resident: 10, wanted: 6 },
];

/**
 * Share of the multiply-adds in an invocation's instructions for 4 input channels: 4 x 9 steps of 48, each with 9 loads
 * from workgroup memory, and about 300 to stage 25 values with their addresses and masks.
 */
const ISSUE = 1728 / (1728 + 324 + 300);

/** Input channels that the tile stages between two barriers. */
const STAGED = 4;
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
  const tiles = BATCH * ceilDiv(extent, 8) * ceilDiv(extent, 4) * ceilDiv(extent, 4) * ceilDiv(to, 16);
  const parts = ceilDiv(from, channelsPerPart(from, STAGED, tiles, Number.POSITIVE_INFINITY));
  const groups = tiles * parts;
  // Parts are written once and read once.
  const sums = parts === 1 ? 0 : 2 * parts * to * voxels;
  const megabytes = (4 * ((from + to) * voxels + 27 * from * to + sums)) / 1e6;
  const cells = CHIPS.map(({ cores, tflops, gbps, resident, wanted }) => {
    const perCore = Math.min(resident, groups / cores);
    const busy = Math.min(1, perCore) * Math.min(1, Math.max(1, perCore) / wanted);
    const compute = gflop / (tflops * ISSUE * busy);
    const memory = megabytes / gbps;
    const ms = Math.max(compute, memory);
    return `${perCore.toFixed(1)} | ${Math.round((100 * gflop) / (tflops * ms))} % | ${ms < 10 ? ms.toPrecision(2) : ms.toFixed(0)}`;
  });
  return `| ${name} ${from}->${to} at ${extent}³${parts === 1 ? '' : `, in ${parts}`} | ${gflop.toPrecision(3)} | ${megabytes.toPrecision(3)} | ${Math.round((gflop * 1e3) / megabytes)} | ${cells.join(' | ')} |`;
}

const heads = CHIPS.map(({ name }) => `${name}: groups a core | of peak | ms`).join(' | ');
console.log(`| layer, batch ${BATCH} | GFLOP | MB | FLOP a byte | ${heads} |`);
console.log(`|${'---|'.repeat(4 + 3 * CHIPS.length)}`);
for (const layer of layers()) console.log(row(layer));
