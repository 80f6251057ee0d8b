// 3x3x3 convolution of stride 1 for GPUs, with wide register tiles. Uses no subgroup operations: right for any size.
//
//   convolve   output[n,o,z,y,x] (+)= bias[o] + sum over i, kz, ky, kx of
//                input[n,i,z+kz-padding,y+ky-padding,x+kx-padding] * weight[o,i,kz,ky,kx]
//   pack       panel[block][stage][i][tap][quad] = weights of 4 output channels, 0 beyond the last channel; all convolutions
//              of a step in one dispatch
//
// The input channels are those of one or two tensors, as if concatenated; so are the output channels. With flipped,
// transposed weights this is the input gradient, and two outputs are the gradients of two sources.
//
// Thread mapping: a workgroup of 64 owns 16 output channels x Z x 4 x 8 voxels. Lanes lie along x (8) and y (4), so loads
// and stores are coalesced; the two halves own 8 output channels each. A lane keeps Z voxels along z x 8 channels in
// registers: from Z + 2 inputs and 6 weight vectors of workgroup memory it does 24 Z multiply-adds.
//
// What a GPU's compiler taught (npm run bench:static):
// - With 16 sums per lane the loads from workgroup memory bound the loop at 1.5 bytes per multiply-add; with 64 it is 0.7.
// - Workgroup memory is declared as arrays of arrays and the inner indexes are constants: Tint clamps each index that is
//   not, which took 30 of 78 vector instructions.
// - Rows of 12 in the order [y][z][x] put the 32 lanes of a half on 32 banks.
// - What a lane stages lies at the same offsets in each channel: they are computed once, before the loop.
// - `pack` writes the weights once in the order in which they are staged: a turn of the loop issues 4 loads per lane instead
//   of 14 with their addresses and masks, 79 % multiply-adds of all instructions instead of 67 %.
//
// Layouts: activations dense [batch, channels, depth, height, width]; `pack` addresses weights by strides. Where tiles are
// too few for a GPU, ranges of stages (`parts`) run side by side and conv3d.wgsl's sum_parts adds them in order.

//!include common/jobs.wgsl

// What activations are stored as. Everything is computed in f32.
alias Input = f32; // @spec
alias Output = f32; // @spec

// Voxels of a lane along z.
const Z = 8u; // @spec
// Input channels staged between two barriers.
const CI = 2u; // @spec

const X = 8u;
const Y = 4u;
const OUT = 16u;
const QUADS = 2u;
const THREADS = 64u;
const TAPS = 27u;
const IN_X = X + 2u;
const IN_Y = Y + 2u;
const IN_Z = Z + 2u;
const PITCH = 12u;
// Inputs that a lane stages per channel.
const STAGED = (IN_X * IN_Y * IN_Z + THREADS - 1u) / THREADS;
const STAGED_WEIGHTS = CI * TAPS * OUT;

struct Params {
  // Channels of the two sources; the second has none if there is one.
  channels: u32,
  other_channels: u32,
  out_channels: u32,
  in_depth: u32,
  in_height: u32,
  in_width: u32,
  out_depth: u32,
  out_height: u32,
  out_width: u32,
  padding: u32,
  has_bias: u32,
  bias_first: u32,
  accumulate: u32,
  tiles_x: u32,
  blocks: u32,
  // Stages of CI input channels: of the first source, of both, and of one part; parts run side by side.
  stages: u32,
  all_stages: u32,
  parts: u32,
  per_part: u32,
  // Channels of the first output, and whether the second is added to.
  first_out_channels: u32,
  other_accumulate: u32,
}

@group(0) @binding(0) var<storage, read_write> input: array<Input>;
@group(0) @binding(1) var<storage, read_write> panel: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<Output>;
// The second source; with one source something else, which is not read.
@group(0) @binding(4) var<storage, read_write> other: array<Input>;
// The second output; with one output something else, which is not written.
@group(0) @binding(5) var<storage, read_write> other_output: array<Output>;
@group(0) @binding(6) var<uniform> params: Params;

var<workgroup> patch_tile: array<array<array<array<f32, PITCH>, IN_Z>, IN_Y>, CI>;
var<workgroup> weight_tile: array<array<array<vec4f, 4>, TAPS>, CI>;

// Where a lane's staged inputs lie in a channel, and which of them lie in the volume (one bit each).
struct Places {
  at: array<u32, STAGED>,
  inside: u32,
}

fn places_of(lane: u32, corner: vec3u) -> Places {
  var places: Places;
  places.inside = 0u;
  for (var k = 0u; k < STAGED; k++) { // @unroll
    let p = lane + k * THREADS;
    // Below zero wraps round to beyond the volume.
    let x = corner.x + p % IN_X - params.padding;
    let z = corner.z + (p / IN_X) % IN_Z - params.padding;
    let y = corner.y + p / (IN_X * IN_Z) - params.padding;
    let inside = (x < params.in_width) & (y < params.in_height) & (z < params.in_depth);
    places.at[k] = select(0u, (z * params.in_height + y) * params.in_width + x, inside);
    places.inside |= select(0u, 1u << k, inside);
  }
  return places;
}

// Stages one channel; `there` is false beyond the last one.
fn stage_first(slot: u32, base: u32, there: bool, lane: u32, places: ptr<function, Places>) {
  var value: array<f32, STAGED>;
  for (var k = 0u; k < STAGED; k++) { // @unroll
    value[k] = f32(input[base + (*places).at[k]]);
  }
  for (var k = 0u; k < STAGED; k++) { // @unroll
    store_staged(slot, lane + k * THREADS, select(0.0, value[k], there & (((*places).inside & (1u << k)) != 0u)));
  }
}

fn stage_other(slot: u32, base: u32, there: bool, lane: u32, places: ptr<function, Places>) {
  var value: array<f32, STAGED>;
  for (var k = 0u; k < STAGED; k++) { // @unroll
    value[k] = f32(other[base + (*places).at[k]]);
  }
  for (var k = 0u; k < STAGED; k++) { // @unroll
    store_staged(slot, lane + k * THREADS, select(0.0, value[k], there & (((*places).inside & (1u << k)) != 0u)));
  }
}

fn store_staged(slot: u32, p: u32, value: f32) {
  if (p < IN_X * IN_Y * IN_Z) {
    patch_tile[slot][p / (IN_X * IN_Z)][(p / IN_X) % IN_Z][p % IN_X] = value;
  }
}

// Stages CI channels of the first source, or of the second.
fn stage_input(stage: u32, sample: u32, lane: u32, places: ptr<function, Places>) {
  let volume = params.in_depth * params.in_height * params.in_width;
  for (var i = 0u; i < CI; i++) { // @unroll
    let channel = stage * CI + i;
    let there = channel < params.channels;
    stage_first(i, (sample * params.channels + select(0u, channel, there)) * volume, there, lane, places);
  }
}

fn stage_second_input(stage: u32, sample: u32, lane: u32, places: ptr<function, Places>) {
  let volume = params.in_depth * params.in_height * params.in_width;
  for (var i = 0u; i < CI; i++) { // @unroll
    let channel = stage * CI + i;
    let there = channel < params.other_channels;
    stage_other(i, (sample * params.other_channels + select(0u, channel, there)) * volume, there, lane, places);
  }
}

fn stage_panel(stage: u32, block: u32, lane: u32) {
  let start = (block * params.all_stages + stage) * (STAGED_WEIGHTS / 4u);
  for (var p = lane; p < STAGED_WEIGHTS / 4u; p += THREADS) {
    weight_tile[p / (TAPS * 4u)][(p / 4u) % TAPS][p % 4u] = panel[start + p];
  }
}

struct Sums {
  quad: array<array<vec4f, Z>, QUADS>,
}

fn multiply(lane: u32, sums: ptr<function, Sums>) {
  let lane_x = lane % X;
  let lane_y = (lane / X) % Y;
  let half = lane / (X * Y);
  for (var i = 0u; i < CI; i++) {
    for (var ky = 0u; ky < 3u; ky++) {
      for (var kx = 0u; kx < 3u; kx++) {
        var column: array<f32, IN_Z>;
        for (var z = 0u; z < IN_Z; z++) { // @unroll
          column[z] = patch_tile[i][lane_y + ky][z][lane_x + kx];
        }
        for (var kz = 0u; kz < 3u; kz++) { // @unroll
          for (var q = 0u; q < QUADS; q++) { // @unroll
            let w = weight_tile[i][kz * 9u + ky * 3u + kx][half * QUADS + q];
            for (var v = 0u; v < Z; v++) { // @unroll
              (*sums).quad[q][v] = fma(vec4f(column[v + kz]), w, (*sums).quad[q][v]);
            }
          }
        }
      }
    }
  }
}

fn store(group: vec3u, lane: u32, corner: vec3u, o0: u32, sums: ptr<function, Sums>) {
  let x = corner.x + lane % X;
  let y = corner.y + (lane / X) % Y;
  if ((x >= params.out_width) | (y >= params.out_height)) {
    return;
  }
  let plane = params.out_height * params.out_width;
  for (var q = 0u; q < QUADS; q++) { // @unroll
    for (var c = 0u; c < 4u; c++) { // @unroll
      let o = o0 + lane / (X * Y) * QUADS * 4u + q * 4u + c;
      if (o < params.out_channels) {
        var start = 0.0;
        // Of parts, the first has it.
        if ((params.has_bias != 0u) & (group.z % params.parts == 0u)) {
          start = bias[params.bias_first + o];
        }
        let rows = params.first_out_channels;
        if (o < rows) {
          let first = ((group.z * rows + o) * params.out_depth + corner.z) * plane + y * params.out_width + x;
          for (var v = 0u; v < Z; v++) { // @unroll
            if (corner.z + v < params.out_depth) {
              let at = first + v * plane;
              output[at] = Output(start + (*sums).quad[q][v][c] + select(0.0, f32(output[at]), params.accumulate != 0u));
            }
          }
        } else {
          let row = group.z * (params.out_channels - rows) + o - rows;
          let first = (row * params.out_depth + corner.z) * plane + y * params.out_width + x;
          for (var v = 0u; v < Z; v++) { // @unroll
            if (corner.z + v < params.out_depth) {
              let at = first + v * plane;
              let before = select(0.0, f32(other_output[at]), params.other_accumulate != 0u);
              other_output[at] = Output(start + (*sums).quad[q][v][c] + before);
            }
          }
        }
      }
    }
  }
}

@compute @workgroup_size(THREADS)
fn convolve(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let corner = vec3u(group.x % params.tiles_x * X, group.x / params.tiles_x * Y, group.y / params.blocks * Z);
  let block = group.y % params.blocks;
  let first = group.z % params.parts * params.per_part;
  let last = min(first + params.per_part, params.all_stages);
  var places = places_of(lane, corner);
  var sums: Sums;
  for (var stage = first; stage < last; stage++) {
    workgroupBarrier();
    if (stage < params.stages) {
      stage_input(stage, group.z / params.parts, lane, &places);
    } else {
      stage_second_input(stage - params.stages, group.z / params.parts, lane, &places);
    }
    stage_panel(stage, block, lane);
    workgroupBarrier();
    multiply(lane, &sums);
  }
  store(group, lane, corner, block * OUT, &sums);
}

// A job's words: vectors of the panel; channels of both sources and out; first weight of both sources, by_out, by_in;
// whether taps run backwards, stages of the first source, of both.
struct Pack {
  size: u32,
  channels: u32,
  other_channels: u32,
  out_channels: u32,
  // weight[first + o * by_out + i * by_in + (flip ? 26 - t : t)], `first` by source
  first: u32,
  other_first: u32,
  by_out: u32,
  by_in: u32,
  flip: bool,
  stages: u32,
  all_stages: u32,
}

@group(0) @binding(0) var<storage, read> pack_weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> panel_out: array<vec4f>;
@group(0) @binding(2) var<uniform> jobs: Jobs;

fn pack_of(row: u32) -> Pack {
  let a = jobs.rows[row];
  let b = jobs.rows[row + 1u];
  let c = jobs.rows[row + 2u];
  let d = jobs.rows[row + 3u];
  return Pack(a.w, b.x, b.y, b.z, a.y + b.w, a.y + c.x, c.y, c.z, c.w != 0u, d.x, d.y);
}

fn pack_one(pack: Pack, o: u32, i: u32, second: bool, t: u32) -> f32 {
  if ((o >= pack.out_channels) | (i >= select(pack.channels, pack.other_channels, second))) {
    return 0.0;
  }
  let first = select(pack.first, pack.other_first, second);
  return pack_weight[first + o * pack.by_out + i * pack.by_in + select(t, TAPS - 1u - t, pack.flip)];
}

@compute @workgroup_size(64)
fn pack(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let flat = group.y * jobs.head.y + group.x;
  let row = job_of(flat) * 4u;
  let place = jobs.rows[row];
  let job = pack_of(row);
  let index = (flat - place.x) * 64u + lane;
  if (index >= job.size) {
    return;
  }
  let quad = index % 4u;
  let t = (index / 4u) % TAPS;
  let slot = (index / (4u * TAPS)) % CI;
  let stage = (index / (4u * TAPS * CI)) % job.all_stages;
  let o = index / (4u * TAPS * CI * job.all_stages) * OUT + quad * 4u;
  let second = stage >= job.stages;
  let i = (stage - select(0u, job.stages, second)) * CI + slot;
  panel_out[place.z / 4u + index] = vec4f(
    pack_one(job, o, i, second, t), pack_one(job, o + 1u, i, second, t), pack_one(job, o + 2u, i, second, t),
    pack_one(job, o + 3u, i, second, t));
}
