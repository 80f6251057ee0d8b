enable subgroups;

// Transposed convolution of kernel 2, stride 2, no padding, for devices with subgroups of exactly LANES lanes.
//
//   forward         output[co, 2 i + t] = bias[co] + sum over ci of input[ci, i] weight[ci, co, t]
//   backward_input  grad_input[ci, i] = sum over co, t of grad_output[co, 2 i + t] weight[ci, co, t]
//   backward_weight grad_weight[ci, co, t] = sum over i of input[ci, i] grad_output[co, 2 i + t], in partial sums
//   pack            weights in the order that the first two read them
//
// Layout: activations [batch, channels, depth, height, width], weight [Cin, Cout, 2, 2, 2].
// Mapping: a workgroup is one subgroup; lanes are the channels of the result, TILE voxels i along x are in registers. The
// other operand is loaded with voxels as lanes and spread with subgroupShuffle from a constant lane, which costs a
// sixth of a load on software drivers. Weights come from a uniform block of PANEL vec4f as
// [block of channels][channel of the sum][vector][z of the tap][lane], each vec4f the taps (0,0) (0,1) (1,0) (1,1) of y, x.
// What does not fit into one block is added up by further dispatches. In backward_weight lanes are output channels; the
// registers hold WEIGHT_CHANNELS input channels by the four taps of one z, for a few rows of voxels.
// No barriers, no workgroup memory.

const LANES = 8u; // @spec
// Vectors of LANES channels in the result of backward_input; 1 in forward.
const VECTORS = 1u; // @spec
// 1: add to the result.
const ACCUMULATE = 0u; // @spec
const TILE = 8u;
const LOADS = TILE / LANES;
const PANEL = 4096u;

struct Params {
  depth: u32,           // of the input
  height: u32,
  width: u32,
  result_channels: u32,
  sum_channels: u32,
  first_result: u32,    // first channel of the dispatch
  first_sum: u32,
  count: u32,           // channels of the sum in this dispatch
  blocks: u32,          // of result channels in this dispatch
  tiles: u32,           // along x
  bias: u32,            // whether there is one
  bias_first: u32,
}

@group(0) @binding(0) var<storage, read_write> input: array<f32>;
@group(0) @binding(1) var<uniform> weight: array<vec4f, PANEL>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<vec2f>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let sample = group.z / params.blocks;
  let block = group.z % params.blocks;
  let x0 = (group.x % params.tiles) * TILE;
  let y = group.x / params.tiles;
  let z = group.y;
  let co = params.first_result + block * LANES + lane;
  let present = co < params.result_channels;
  let volume = params.depth * params.height * params.width;
  let row = (z * params.height + y) * params.width;
  var at: array<u32, LOADS>;
  for (var j = 0u; j < LOADS; j++) { // @unroll
    at[j] = (sample * params.sum_channels + params.first_sum) * volume + row +
      min(x0 + j * LANES + lane, params.width - 1u);
  }
  // In vec2f, which hold both x of one input voxel.
  let line = params.width;
  let plane = 2u * params.height * line;
  let out = (sample * params.result_channels + co) * 2u * params.depth * plane + 2u * z * plane + 2u * y * line + x0;
  var start = 0.0;
  if (params.bias != 0u) {
    start = bias[params.bias_first + min(co, params.result_channels - 1u)];
  }
  var near: array<vec4f, TILE>;
  var far: array<vec4f, TILE>;
  for (var v = 0u; v < TILE; v++) { // @unroll
    near[v] = vec4f(start);
    far[v] = vec4f(start);
  }
  var w = block * params.count * 2u * LANES + lane;
  for (var k = 0u; k < params.count; k++) {
    var loaded: array<f32, LOADS>;
    for (var j = 0u; j < LOADS; j++) { // @unroll
      loaded[j] = input[at[j]];
      at[j] += volume;
    }
    let w_near = weight[w];
    let w_far = weight[w + LANES];
    w += 2u * LANES;
    for (var v = 0u; v < TILE; v++) { // @unroll
      let x = subgroupShuffle(loaded[v / LANES], v % LANES);
      near[v] += x * w_near;
      far[v] += x * w_far;
    }
  }
  if (present) {
    for (var v = 0u; v < TILE; v++) { // @unroll
      if (x0 + v < params.width) {
        if (ACCUMULATE != 0u) {
          near[v] += vec4f(output[out + v], output[out + line + v]);
          far[v] += vec4f(output[out + plane + v], output[out + plane + line + v]);
        }
        output[out + v] = near[v].xy;
        output[out + line + v] = near[v].zw;
        output[out + plane + v] = far[v].xy;
        output[out + plane + line + v] = far[v].zw;
      }
    }
  }
}

@group(0) @binding(0) var<storage, read_write> grad_output: array<vec2f>;
@group(0) @binding(1) var<uniform> back_weight: array<vec4f, PANEL>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<f32>;
@group(0) @binding(3) var<uniform> back_params: Params;

@compute @workgroup_size(LANES)
fn backward_input(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let sample = group.z / back_params.blocks;
  let block = group.z % back_params.blocks;
  let x0 = (group.x % back_params.tiles) * TILE;
  let y = group.x / back_params.tiles;
  let z = group.y;
  let width = back_params.width;
  let plane = 2u * back_params.height * width;
  let out_volume = 2u * back_params.depth * plane;
  var at: array<u32, LOADS>;
  for (var j = 0u; j < LOADS; j++) { // @unroll
    at[j] = (sample * back_params.sum_channels + back_params.first_sum) * out_volume + 2u * z * plane +
      2u * y * width + min(x0 + j * LANES + lane, width - 1u);
  }
  var sum: array<f32, TILE * VECTORS>;
  var w = block * back_params.count * VECTORS * 2u * LANES + lane;
  for (var k = 0u; k < back_params.count; k++) {
    for (var s = 0u; s < 2u; s++) { // @unroll
      var top: array<vec2f, LOADS>;
      var bottom: array<vec2f, LOADS>;
      for (var j = 0u; j < LOADS; j++) { // @unroll
        top[j] = grad_output[at[j] + s * plane];
        bottom[j] = grad_output[at[j] + s * plane + width];
      }
      var taps: array<vec4f, VECTORS>;
      for (var c = 0u; c < VECTORS; c++) { // @unroll
        taps[c] = back_weight[w + (c * 2u + s) * LANES];
      }
      for (var v = 0u; v < TILE; v++) { // @unroll
        let g = vec4f(
          subgroupShuffle(top[v / LANES].x, v % LANES),
          subgroupShuffle(top[v / LANES].y, v % LANES),
          subgroupShuffle(bottom[v / LANES].x, v % LANES),
          subgroupShuffle(bottom[v / LANES].y, v % LANES),
        );
        for (var c = 0u; c < VECTORS; c++) { // @unroll
          sum[c * TILE + v] += dot(g, taps[c]);
        }
      }
    }
    for (var j = 0u; j < LOADS; j++) { // @unroll
      at[j] += out_volume;
    }
    w += VECTORS * 2u * LANES;
  }
  let volume = back_params.depth * back_params.height * width;
  for (var c = 0u; c < VECTORS; c++) { // @unroll
    let ci = back_params.first_result + (block * VECTORS + c) * LANES + lane;
    if (ci < back_params.result_channels) {
      let base = (sample * back_params.result_channels + ci) * volume +
        (z * back_params.height + y) * width + x0;
      for (var v = 0u; v < TILE; v++) { // @unroll
        if (x0 + v < width) {
          if (ACCUMULATE != 0u) {
            sum[c * TILE + v] += grad_input[base + v];
          }
          grad_input[base + v] = sum[c * TILE + v];
        }
      }
    }
  }
}

const WEIGHT_CHANNELS = 8u;

struct WeightParams {
  depth: u32,
  height: u32,
  width: u32,
  in_channels: u32,
  out_channels: u32,
  rows: u32,            // of voxels, in one slice
  slices: u32,          // of one sample
  stride: u32,          // vec4f of one slice of partial sums
  out_blocks: u32,      // of LANES output channels
}

@group(0) @binding(0) var<storage, read_write> sums_input: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums_grad_output: array<vec2f>;
// [samples, slices, stride], of which in_channels * out_channels * 2 hold sums
@group(0) @binding(2) var<storage, read_write> partial_sums: array<vec4f>;
@group(0) @binding(3) var<uniform> weight_params: WeightParams;

@compute @workgroup_size(LANES)
fn backward_weight(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let tap_z = group.x % 2u;
  let co = (group.x / 2u % weight_params.out_blocks) * LANES + lane;
  let first = group.x / 2u / weight_params.out_blocks * WEIGHT_CHANNELS;
  let sample = group.z;
  let width = weight_params.width;
  let all_rows = weight_params.depth * weight_params.height;
  let plane = 2u * weight_params.height * width;
  let out_row = (sample * weight_params.out_channels + min(co, weight_params.out_channels - 1u)) *
    (2u * weight_params.depth) + tap_z;
  var at: array<u32, WEIGHT_CHANNELS>;
  var sum: array<vec4f, WEIGHT_CHANNELS>;
  for (var c = 0u; c < WEIGHT_CHANNELS; c++) { // @unroll
    at[c] = (sample * weight_params.in_channels + min(first + c, weight_params.in_channels - 1u)) * all_rows * width;
    sum[c] = vec4f(0.0);
  }
  let end = min(all_rows, (group.y + 1u) * weight_params.rows);
  for (var row = group.y * weight_params.rows; row < end; row++) {
    let z = row / weight_params.height;
    let y = row - z * weight_params.height;
    let out = (out_row + 2u * z) * plane + 2u * y * width;
    for (var x0 = 0u; x0 < width; x0 += LANES) {
      let x = min(x0 + lane, width - 1u);
      let inside = x0 + lane < width;
      var loaded: array<f32, WEIGHT_CHANNELS>;
      for (var c = 0u; c < WEIGHT_CHANNELS; c++) { // @unroll
        loaded[c] = select(0.0, sums_input[at[c] + row * width + x], inside);
      }
      for (var v = 0u; v < LANES; v++) { // @unroll
        let g_at = out + min(x0 + v, width - 1u);
        let g = vec4f(sums_grad_output[g_at], sums_grad_output[g_at + width]);
        for (var c = 0u; c < WEIGHT_CHANNELS; c++) { // @unroll
          sum[c] += subgroupShuffle(loaded[c], v) * g;
        }
      }
    }
  }
  if (co < weight_params.out_channels) {
    for (var c = 0u; c < WEIGHT_CHANNELS; c++) { // @unroll
      if (first + c < weight_params.in_channels) {
        let to = ((first + c) * weight_params.out_channels + co) * 2u + tap_z;
        partial_sums[(sample * weight_params.slices + group.y) * weight_params.stride + to] = sum[c];
      }
    }
  }
}

struct PackParams {
  // vec4f of the weights in front of the first, between channels of the result, and of the sum.
  first: u32,
  by_result: u32,
  by_sum: u32,
  result_channels: u32,
  sum_channels: u32,
  vectors: u32,
  count: u32,           // channels of the sum in a panel
  first_block: u32,     // of the panel, and first channel of the sum
  first_sum: u32,
  size: u32,            // vec4f of the panel
}

@group(0) @binding(0) var<storage, read> pack_weight: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> panels: array<vec4f>;
@group(0) @binding(2) var<uniform> pack_params: PackParams;

@compute @workgroup_size(64)
fn pack(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= pack_params.size) {
    return;
  }
  var i = id.x;
  let lane = i % LANES;
  i /= LANES;
  let z = i % 2u;
  i /= 2u;
  let vector = i % pack_params.vectors;
  i /= pack_params.vectors;
  let k = pack_params.first_sum + i % pack_params.count;
  let block = pack_params.first_block + i / pack_params.count;
  let c = (block * pack_params.vectors + vector) * LANES + lane;
  var value = vec4f(0.0);
  if (c < pack_params.result_channels && k < pack_params.sum_channels) {
    value = pack_weight[pack_params.first + c * pack_params.by_result + k * pack_params.by_sum + z];
  }
  panels[id.x] = value;
}
