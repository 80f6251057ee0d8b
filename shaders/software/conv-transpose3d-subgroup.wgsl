enable subgroups;

// Transposed convolution of kernel 2, stride 2, no padding, for devices with subgroups of exactly LANES lanes.
//
//   forward         output[co, 2 i + t] = bias[co] + sum over ci of input[ci, i] weight[ci, co, t]
//   backward_input  grad_input[ci, i] = sum over co, t of grad_output[co, 2 i + t] weight[ci, co, t]
//   backward_weight grad_weight[ci, co, t] = sum over i of input[ci, i] grad_output[co, 2 i + t], in partial sums
//   pack            weights in the order that the first two read them
//
// Layout: activations [batch, channels, depth, height, width], weight [Cin, Cout, 2, 2, 2].
// Mapping of the first two: a workgroup is one subgroup; lanes are the channels of the result, a tile of voxels of one
// plane is in registers (its rows follow each other without a gap, so that any width fills tiles). The other operand is
// loaded with voxels as lanes and spread with subgroupShuffle from a constant lane: three instructions on lavapipe, where
// a load of LANES values is about a hundred. Weights come from a uniform block of PANEL vec4f as
// [block of channels][channel of the sum][z of the tap][vector][lane], each vec4f the taps (0,0) (0,1) (1,0) (1,1) of
// y, x. What does not fit into one block is added up by further dispatches.
// In backward_weight lanes are output channels; the registers hold WEIGHT_VECTORS * LANES input channels, which are lanes
// where they are loaded, by all eight taps, for a slice of the voxels.
// No barriers, no workgroup memory.

const LANES = 8u; // @spec
// Vectors of LANES channels in the result of backward_input.
const VECTORS = 4u; // @spec
// 1: add to the result.
const ACCUMULATE = 0u; // @spec
// 1: two voxels lie in one row and in one vector of the arrays of Pair and Quad, which takes an even width. Else 0,
// with f32 for both.
const PAIRED = 1u; // @spec
alias Pair = vec2f; // @spec
alias Quad = vec4f; // @spec
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
  bias: u32,            // whether there is one
  bias_first: u32,
  rounds: u32,          // VECTORS, in which the same code stores one after the other: drivers unroll a constant
}

@group(0) @binding(0) var<storage, read_write> input: array<f32>;
@group(0) @binding(1) var<uniform> weight: array<vec4f, PANEL>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<vec2f>;
@group(0) @binding(4) var<uniform> params: Params;

// Voxels of a workgroup.
const TILE = 16u;
const LOADS = TILE / LANES;
// Channels of the sum at a time: each sum that a loop carries is blended by the lanes' mask once a round (lavapipe).
const STEP = 2u;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let sample = group.z / params.blocks;
  let block = group.z % params.blocks;
  let plane = params.height * params.width;
  let volume = params.depth * plane;
  let first = group.x * TILE;
  let z = group.y;
  var at: array<u32, LOADS>;
  // Of the voxel's first output in a channel, in vec2f, which hold both x of one input voxel.
  var place: array<u32, LOADS>;
  for (var j = 0u; j < LOADS; j++) { // @unroll
    let voxel = min(first + j * LANES + lane, plane - 1u);
    at[j] = sample * params.sum_channels * volume + z * plane + voxel;
    place[j] = 4u * z * plane + voxel + voxel / params.width * params.width;
  }
  let co = params.first_result + block * LANES + lane;
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
  for (var k = 0u; k < params.count; k += STEP) {
    var loaded: array<f32, STEP * LOADS>;
    var w_near: array<vec4f, STEP>;
    var w_far: array<vec4f, STEP>;
    for (var u = 0u; u < STEP; u++) { // @unroll
      let channel = min(params.first_sum + k + u, params.sum_channels - 1u);
      for (var j = 0u; j < LOADS; j++) { // @unroll
        loaded[u * LOADS + j] = input[at[j] + channel * volume];
      }
      w_near[u] = weight[w];
      w_far[u] = weight[w + LANES];
      w += 2u * LANES;
    }
    for (var v = 0u; v < TILE; v++) { // @unroll
      for (var u = 0u; u < STEP; u++) { // @unroll
        let x = subgroupShuffle(loaded[u * LOADS + v / LANES], v % LANES);
        near[v] += x * w_near[u];
        far[v] += x * w_far[u];
      }
    }
  }
  for (var v = 0u; v < TILE; v++) { // @unroll
    let in_channel = subgroupShuffle(place[v / LANES], v % LANES);
    if ((co < params.result_channels) & (first + v < plane)) {
      let to = (sample * params.result_channels + co) * 4u * volume + in_channel;
      if (ACCUMULATE != 0u) {
        near[v] += vec4f(output[to], output[to + params.width]);
        far[v] += vec4f(output[to + 2u * plane], output[to + 2u * plane + params.width]);
      }
      output[to] = near[v].xy;
      output[to + params.width] = near[v].zw;
      output[to + 2u * plane] = far[v].xy;
      output[to + 2u * plane + params.width] = far[v].zw;
    }
  }
}

@group(0) @binding(0) var<storage, read_write> grad_output: array<Quad>;
@group(0) @binding(1) var<uniform> back_weight: array<vec4f, PANEL>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<f32>;
@group(0) @binding(3) var<uniform> back_params: Params;

// Gradients at both x of two input voxels, the first of which are at `first` and `second`.
fn gradients(first: u32, second: u32) -> vec4f {
  if (PAIRED != 0u) {
    return vec4f(grad_output[first / 4u]);
  }
  return vec4f(
    vec4f(grad_output[first]).x,
    vec4f(grad_output[first + 1u]).x,
    vec4f(grad_output[second]).x,
    vec4f(grad_output[second + 1u]).x,
  );
}

// Voxels of a workgroup.
const BACK_TILE = 4u * LANES;
const PAIR_LOADS = BACK_TILE / LANES / 2u;

@compute @workgroup_size(LANES)
fn backward_input(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let sample = group.z / back_params.blocks;
  let block = group.z % back_params.blocks;
  let width = back_params.width;
  let plane = back_params.height * width;
  let out_volume = 8u * back_params.depth * plane;
  let first = group.x * BACK_TILE;
  let z = group.y;
  var at: array<vec2u, PAIR_LOADS>;
  for (var j = 0u; j < PAIR_LOADS; j++) { // @unroll
    let pair = min(first + 2u * (j * LANES + lane) + vec2u(0u, 1u), vec2u(plane - 1u));
    at[j] = (sample * back_params.sum_channels + back_params.first_sum) * out_volume + 8u * z * plane +
      2u * (pair + pair / width * width);
  }
  var sum: array<f32, BACK_TILE * VECTORS>;
  var w = block * back_params.count * VECTORS * 2u * LANES + lane;
  for (var k = 0u; k < 2u * back_params.count; k++) {
    var top: array<vec4f, PAIR_LOADS>;
    var bottom: array<vec4f, PAIR_LOADS>;
    for (var j = 0u; j < PAIR_LOADS; j++) { // @unroll
      top[j] = gradients(at[j].x, at[j].y);
      bottom[j] = gradients(at[j].x + 2u * width, at[j].y + 2u * width);
      // From one z of the tap to the other, and on to the next channel.
      at[j] += select(4u * plane, out_volume - 4u * plane, k % 2u == 1u);
    }
    var taps: array<vec4f, VECTORS>;
    for (var c = 0u; c < VECTORS; c++) { // @unroll
      taps[c] = back_weight[w + c * LANES];
    }
    for (var v = 0u; v < BACK_TILE; v++) { // @unroll
      let g = vec4f(
        subgroupShuffle(top[v / 2u / LANES][v % 2u * 2u], v / 2u % LANES),
        subgroupShuffle(top[v / 2u / LANES][v % 2u * 2u + 1u], v / 2u % LANES),
        subgroupShuffle(bottom[v / 2u / LANES][v % 2u * 2u], v / 2u % LANES),
        subgroupShuffle(bottom[v / 2u / LANES][v % 2u * 2u + 1u], v / 2u % LANES),
      );
      for (var c = 0u; c < VECTORS; c++) { // @unroll
        sum[c * BACK_TILE + v] += dot(g, taps[c]);
      }
    }
    w += VECTORS * LANES;
  }
  for (var c = 0u; c < back_params.rounds; c++) {
    let ci = back_params.first_result + (block * VECTORS + c) * LANES + lane;
    if (ci < back_params.result_channels) {
      let to = ((sample * back_params.result_channels + ci) * back_params.depth + z) * plane + first;
      for (var v = 0u; v < BACK_TILE; v++) { // @unroll
        var value = sum[v];
        for (var d = 1u; d < VECTORS; d++) { // @unroll
          value = select(value, sum[d * BACK_TILE + v], c == d);
        }
        if (first + v < plane) {
          if (ACCUMULATE != 0u) {
            value += grad_input[to + v];
          }
          grad_input[to + v] = value;
        }
      }
    }
  }
}

// Vectors of LANES input channels of a workgroup.
const WEIGHT_VECTORS = 2u; // @spec

struct WeightParams {
  depth: u32,
  height: u32,
  width: u32,
  in_channels: u32,
  out_channels: u32,
  voxels: u32,          // of one slice, an even number
  slices: u32,          // of one sample
  stride: u32,          // vec4f of one slice of partial sums
  out_blocks: u32,      // of LANES output channels
  rounds: u32,          // 2, the z of the taps, which the same code stores one after the other
}

@group(0) @binding(1) var<storage, read_write> sums_input: array<Pair>;
// [samples, slices, stride], of which in_channels * out_channels * 2 hold sums
@group(0) @binding(2) var<storage, read_write> partial_sums: array<vec4f>;
@group(0) @binding(3) var<uniform> weight_params: WeightParams;

// Voxels at a time.
const GRAIN = 1u + PAIRED;

// Inputs at GRAIN voxels of one channel.
fn inputs(at: u32) -> vec2f {
  if (PAIRED != 0u) {
    return vec2f(sums_input[at / 2u]);
  }
  return vec2f(vec2f(sums_input[at]).x, 0.0);
}

@compute @workgroup_size(LANES)
fn backward_weight(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let co = (group.x % weight_params.out_blocks) * LANES + lane;
  let ci = group.x / weight_params.out_blocks * WEIGHT_VECTORS * LANES + lane;
  let sample = group.z;
  let width = weight_params.width;
  let height = weight_params.height;
  let plane = height * width;
  let volume = weight_params.depth * plane;
  let out = (sample * weight_params.out_channels + min(co, weight_params.out_channels - 1u)) * 8u * volume;
  var at: array<u32, WEIGHT_VECTORS>;
  for (var c = 0u; c < WEIGHT_VECTORS; c++) { // @unroll
    at[c] = (sample * weight_params.in_channels + min(ci + c * LANES, weight_params.in_channels - 1u)) * volume;
  }
  let begin = group.y * weight_params.voxels;
  let end = min(volume, begin + weight_params.voxels);
  var x = begin % width;
  var y = begin / width % height;
  // Of the gradients at both x of the voxel.
  var place = out + 2u * (begin + begin / width * width) + begin / plane * 4u * plane;
  var near: array<vec4f, WEIGHT_VECTORS * LANES>;
  var far: array<vec4f, WEIGHT_VECTORS * LANES>;
  for (var voxel = begin; voxel < end; voxel += GRAIN) {
    let low = gradients(place, place);
    let low_next = gradients(place + 2u * width, place + 2u * width);
    let high = gradients(place + 4u * plane, place + 4u * plane);
    let high_next = gradients(place + 4u * plane + 2u * width, place + 4u * plane + 2u * width);
    x += GRAIN;
    place += 2u * GRAIN;
    if (x == width) {
      x = 0u;
      y += 1u;
      place += 2u * width;
    }
    if (y == height) {
      y = 0u;
      place += 4u * plane;
    }
    for (var c = 0u; c < WEIGHT_VECTORS; c++) { // @unroll
      let both = inputs(at[c] + voxel);
      for (var l = 0u; l < LANES; l++) { // @unroll
        let first = subgroupShuffle(both.x, l);
        near[c * LANES + l] += first * vec4f(low.xy, low_next.xy);
        far[c * LANES + l] += first * vec4f(high.xy, high_next.xy);
        if (PAIRED != 0u) {
          let second = subgroupShuffle(both.y, l);
          near[c * LANES + l] += second * vec4f(low.zw, low_next.zw);
          far[c * LANES + l] += second * vec4f(high.zw, high_next.zw);
        }
      }
    }
  }
  if (co < weight_params.out_channels) {
    let first = ci - lane;
    let slice = (sample * weight_params.slices + group.y) * weight_params.stride;
    for (var s = 0u; s < weight_params.rounds; s++) {
      for (var c = 0u; c < WEIGHT_VECTORS * LANES; c++) { // @unroll
        if (first + c < weight_params.in_channels) {
          partial_sums[slice + ((first + c) * weight_params.out_channels + co) * 2u + s] =
            select(near[c], far[c], s == 1u);
        }
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
  blocks: u32,          // of result channels in a panel
  across: u32,          // panels along the channels of the result
  size: u32,            // vec4f of a panel that are used
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
  let vector = i % pack_params.vectors;
  i /= pack_params.vectors;
  let z = i % 2u;
  i /= 2u;
  let k = id.y / pack_params.across * pack_params.count + i % pack_params.count;
  let block = id.y % pack_params.across * pack_params.blocks + i / pack_params.count;
  let c = (block * pack_params.vectors + vector) * LANES + lane;
  var value = vec4f(0.0);
  if (c < pack_params.result_channels && k < pack_params.sum_channels) {
    value = pack_weight[pack_params.first + c * pack_params.by_result + k * pack_params.by_sum + z];
  }
  panels[id.y * PANEL + id.x] = value;
}
