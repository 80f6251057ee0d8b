// Softmax over the channels.
//
//   forward   output[c] = exp(input[c] - m) / sum over k of exp(input[k] - m), m = the largest input
//   backward  grad_input[c] (+)= output[c] * (d[c] - sum over k of d[k] * output[k]), d[k] = grad_output[k] - grad_output[m]
//
// The textbook has grad_output for d, which is the same since the outputs add up to 1; but with one output near 1 it
// subtracts nearly equal numbers. With m the channel of the largest output that channel's d is exactly 0.
//
// Layout: [batch, channels, voxels] walked as `real`, vec4f where voxels is a multiple of 4.
// Mapping: a lane owns all channels of a few `real` of voxels, a workgroup apart; workgroup.z is the sample. With few
// channels they stay in registers and are read once; the `_many` entry points read them again instead. No barriers.

alias real = f32; // @spec
const CHANNELS = 2u; // @spec
const LANES = 64u;
// 1: gradients are added to what is there.
const ACCUMULATE = 0u; // @spec

struct Params {
  items: u32,      // of `real`, in one channel of one sample
  channels: u32,
  per_lane: u32,   // items of a lane
}

@group(0) @binding(0) var<storage, read_write> input: array<real>;
@group(0) @binding(1) var<storage, read_write> output: array<real>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let items = params.items;
  let base = group.z * params.channels * items;
  let start = group.x * params.per_lane * LANES;
  for (var i = start + lane; i < min(items, start + params.per_lane * LANES); i += LANES) {
    var x: array<real, CHANNELS>;
    for (var c = 0u; c < CHANNELS; c++) { // @unroll
      x[c] = input[base + c * items + i];
    }
    var largest = x[0];
    for (var c = 1u; c < CHANNELS; c++) { // @unroll
      largest = max(largest, x[c]);
    }
    var sum = real(0.0);
    for (var c = 0u; c < CHANNELS; c++) { // @unroll
      x[c] = exp(x[c] - largest);
      sum += x[c];
    }
    for (var c = 0u; c < CHANNELS; c++) { // @unroll
      output[base + c * items + i] = x[c] / sum;
    }
  }
}

@compute @workgroup_size(LANES)
fn forward_many(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let items = params.items;
  let i = group.x * LANES + lane;
  if (i < items) {
    let base = group.z * params.channels * items + i;
    var largest = input[base];
    var sum = real(1.0);
    for (var c = 1u; c < params.channels; c++) {
      let x = input[base + c * items];
      let next = max(largest, x);
      sum = sum * exp(largest - next) + exp(x - next);
      largest = next;
    }
    for (var c = 0u; c < params.channels; c++) {
      output[base + c * items] = exp(input[base + c * items] - largest) / sum;
    }
  }
}

@group(0) @binding(0) var<storage, read_write> saved_output: array<real>;
@group(0) @binding(1) var<storage, read_write> grad_output: array<real>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<real>;
@group(0) @binding(3) var<uniform> back_params: Params;

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let items = back_params.items;
  let base = group.z * back_params.channels * items;
  let start = group.x * back_params.per_lane * LANES;
  for (var i = start + lane; i < min(items, start + back_params.per_lane * LANES); i += LANES) {
    var y: array<real, CHANNELS>;
    var g: array<real, CHANNELS>;
    for (var c = 0u; c < CHANNELS; c++) { // @unroll
      y[c] = saved_output[base + c * items + i];
      g[c] = grad_output[base + c * items + i];
    }
    var largest = y[0];
    var pivot = g[0];
    for (var c = 1u; c < CHANNELS; c++) { // @unroll
      pivot = select(pivot, g[c], y[c] > largest);
      largest = max(largest, y[c]);
    }
    var sum = real(0.0);
    for (var c = 0u; c < CHANNELS; c++) { // @unroll
      g[c] -= pivot;
      sum += y[c] * g[c];
    }
    for (var c = 0u; c < CHANNELS; c++) { // @unroll
      var result = y[c] * (g[c] - sum);
      if (ACCUMULATE != 0u) {
        result += grad_input[base + c * items + i];
      }
      grad_input[base + c * items + i] = result;
    }
  }
}

@compute @workgroup_size(LANES)
fn backward_many(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let items = back_params.items;
  let i = group.x * LANES + lane;
  if (i < items) {
    let base = group.z * back_params.channels * items + i;
    var largest = saved_output[base];
    var pivot = grad_output[base];
    for (var c = 1u; c < back_params.channels; c++) {
      let y = saved_output[base + c * items];
      pivot = select(pivot, grad_output[base + c * items], y > largest);
      largest = max(largest, y);
    }
    var sum = real(0.0);
    for (var c = 0u; c < back_params.channels; c++) {
      sum += saved_output[base + c * items] * (grad_output[base + c * items] - pivot);
    }
    for (var c = 0u; c < back_params.channels; c++) {
      let at = base + c * items;
      var result = saved_output[at] * (grad_output[at] - pivot - sum);
      if (ACCUMULATE != 0u) {
        result += grad_input[at];
      }
      grad_input[at] = result;
    }
  }
}
