import { ceilDiv, roundUp } from '../../../../core/shape.ts';
import { read, readWrite, slice, uniform, write } from '../../../tape/command.ts';
import type { Emitter } from '../../../tape/op.ts';
import type { Tensor } from '../../../tape/tensor.ts';
import {
  type BiasView,
  type ConvolutionTask,
  mostPartials,
  sliceCount,
  type WeightGradientTask,
} from '../task.ts';
import { reduceWeightPartials } from '../tile.ts';

/** Register tile of shaders/software/conv3d-direct.wgsl. */
export interface DirectTile {
  /** Size of a subgroup. */
  readonly lanes: number;
  /** Vectors of `lanes` output channels. */
  readonly vectors: number;
  /** Voxels along x, y and z. */
  readonly x: number;
  readonly y: number;
  readonly planes: number;
}

const FILE = 'software/conv3d-direct.wgsl';
/** vec4 of the uniform block that the shader declares: the 64 KiB that every device binds. */
const PANEL = 4096;

/** How the weights of one source are cut into uniform blocks. */
interface PanelLayout {
  /** Input channels of a slice, and slices of the source. */
  readonly perSlice: number;
  readonly slices: number;
  /** Blocks of output channels, vec4 of one, and how many one dispatch binds. */
  readonly blocks: number;
  readonly blockSize: number;
  readonly blocksPerDispatch: number;
}

function panelLayout(tile: DirectTile, inChannels: number, outChannels: number): PanelLayout {
  const head = ceilDiv(tile.vectors, 4) * tile.lanes;
  const perChannel = 3 * ceilDiv(9 * tile.vectors, 4) * tile.lanes;
  const slices = ceilDiv(inChannels, Math.floor((PANEL - head) / perChannel));
  const perSlice = ceilDiv(inChannels, slices);
  const blocks = ceilDiv(outChannels, tile.vectors * tile.lanes);
  // A binding starts at a multiple of 256 bytes.
  const blockSize = roundUp(head + perSlice * perChannel, 16);
  return {
    perSlice,
    slices,
    blocks,
    blockSize,
    blocksPerDispatch: Math.max(1, Math.floor(PANEL / blockSize)),
  };
}

/** 3x3x3 convolution of stride 1 with output channels as lanes; the device's subgroups have exactly `lanes`. */
export function convolveDirect(emit: Emitter, task: ConvolutionTask, tile: DirectTile): void {
  const spec = { LANES: tile.lanes, VECTORS: tile.vectors, PLANES: tile.planes, X: tile.x, Y: tile.y };
  const layouts = task.sources.map(({ channels }) => panelLayout(tile, channels, task.outChannels));
  const sizes = layouts.map(({ slices, blocks, blockSize }) => slices * blocks * blockSize);
  // Every dispatch binds a whole block of 64 KiB, also at the end.
  const total = sizes.reduce((a, b) => a + b, 0) + PANEL;
  const panel = emit.panel(`${task.label} panel`, [total * 4]);
  let first = 0;
  task.sources.forEach((source, i) => {
    const layout = layouts[i]!;
    packSource(emit, task, source, i === 0 ? task.bias : null, panel, first, layout, spec);
    convolveSource(emit, task, source, task.accumulate || i > 0, panel, first, layout, tile, spec);
    first += sizes[i]!;
  });
}

function packSource(
  emit: Emitter,
  task: ConvolutionTask,
  { channels, weight }: ConvolutionTask['sources'][number],
  bias: BiasView | null,
  panel: Tensor,
  first: number,
  layout: PanelLayout,
  spec: Readonly<Record<string, number>>,
): void {
  const size = layout.slices * layout.blocks * layout.blockSize;
  emit.run({
    label: `${task.label}_pack`,
    kernel: { file: FILE, entry: 'pack', spec },
    bindings: [
      read(weight.tensor),
      read(bias?.tensor ?? weight.tensor),
      slice(write(panel), first * 4, size * 4),
    ],
    params: {
      in_channels: channels,
      per_slice: layout.perSlice,
      out_channels: task.outChannels,
      block_size: layout.blockSize,
      blocks: layout.blocks,
      weight_first: weight.first,
      weight_by_out: weight.byOut,
      weight_by_in: weight.byIn,
      weight_flip: weight.flip ? 1 : 0,
      has_bias: bias ? 1 : 0,
      bias_first: bias?.first ?? 0,
    },
    workgroups: [ceilDiv(layout.blockSize, 64), layout.blocks, layout.slices],
  });
}

function convolveSource(
  emit: Emitter,
  task: ConvolutionTask,
  { tensor, channels }: ConvolutionTask['sources'][number],
  accumulateFirst: boolean,
  panel: Tensor,
  first: number,
  layout: PanelLayout,
  tile: DirectTile,
  spec: Readonly<Record<string, number>>,
): void {
  const [depth, height, width] = task.outExtents;
  const tilesX = ceilDiv(width, tile.x);
  for (let slice = 0; slice < layout.slices; slice++) {
    const accumulate = accumulateFirst || slice > 0;
    const inFirst = slice * layout.perSlice;
    for (let block = 0; block < layout.blocks; block += layout.blocksPerDispatch) {
      const blocks = Math.min(layout.blocksPerDispatch, layout.blocks - block);
      const start = first + (slice * layout.blocks + block) * layout.blockSize;
      const whole = blocks === layout.blocks && !accumulate;
      emit.run({
        label: task.label,
        kernel: { file: FILE, entry: 'convolve', spec },
        bindings: [
          read(tensor, true),
          uniform(panel, start * 4, PANEL * 4),
          whole || (!accumulate && block === 0) ? write(task.output, true) : readWrite(task.output, true),
        ],
        params: {
          source_channels: channels,
          in_first: inFirst,
          in_channels: Math.min(layout.perSlice, channels - inFirst),
          out_channels: task.outChannels,
          in_depth: task.inExtents[0],
          in_height: task.inExtents[1],
          in_width: task.inExtents[2],
          out_depth: task.outExtents[0],
          out_height: task.outExtents[1],
          out_width: task.outExtents[2],
          padding: task.padding[0],
          accumulate: accumulate ? 1 : 0,
          tiles_x: tilesX,
          blocks,
          block_first: block,
          block_size: layout.blockSize,
        },
        workgroups: [tilesX * ceilDiv(height, tile.y), ceilDiv(depth, tile.planes) * blocks, task.samples],
        samples: task.samples,
      });
    }
  }
}

/** Register tile of the weight gradient: vectors of output channels, and input channels. */
export interface WeightTile {
  readonly lanes: number;
  readonly vectors: number;
  readonly inChannels: number;
}

/** Weight gradient of a 3x3x3 convolution of stride 1 with output channels as lanes. */
export function weightGradientDirect(emit: Emitter, task: WeightGradientTask, tile: WeightTile): void {
  const [depth, height] = task.outExtents;
  const rows = depth * height;
  for (const source of task.sources) {
    const groupsX = 3 * ceilDiv(source.channels, tile.inChannels);
    const groupsY = ceilDiv(task.outChannels, tile.vectors * tile.lanes);
    const most = mostPartials(task, source, emit.capabilities);
    const wanted = sliceCount(rows, groupsX * groupsY * task.samples, 96, 8, most);
    const rowsPerSlice = ceilDiv(rows, wanted);
    const slices = ceilDiv(rows, rowsPerSlice);
    const inner = source.channels * 27;
    const partial = emit.scratch('conv3d/weight_partial', [task.samples * slices, task.outChannels, inner]);
    emit.run({
      label: 'conv3d/backward_weight',
      kernel: {
        file: FILE,
        entry: 'weight_partial',
        spec: { LANES: tile.lanes, WVECTORS: tile.vectors, WIN: tile.inChannels },
      },
      bindings: [read(source.tensor, true), read(task.gradOutput, true), write(partial, true)],
      params: {
        in_channels: source.channels,
        out_channels: task.outChannels,
        in_depth: task.inExtents[0],
        in_height: task.inExtents[1],
        in_width: task.inExtents[2],
        out_depth: task.outExtents[0],
        out_height: task.outExtents[1],
        out_width: task.outExtents[2],
        padding: task.padding[0],
        slices,
        rows_per_slice: rowsPerSlice,
      },
      workgroups: [groupsX, groupsY, task.samples * slices],
      samples: task.samples,
    });
    reduceWeightPartials(emit, task, source, partial, task.samples * slices);
  }
}
