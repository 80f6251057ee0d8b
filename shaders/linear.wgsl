// Fully connected layer.
//
//   forward           output[n, o] = sum over i of input[n, i] weight[o, i] + bias[o]
//   backward_input    grad_input[n, i] (+)= sum over o of grad_output[n, o] weight[o, i]
//   backward_weight   grad_weight[o, i] (+)= sum over n of grad_output[n, o] input[n, i]
//   backward_bias     grad_bias[o] (+)= sum over n of grad_output[n, o]
//
// Layout: input [batch, in], weight [out, in], output [batch, out]. Mapping: forward has one workgroup per output
// (x: o, y: n), whose lanes add up every LANES-th product; the first lane adds the lanes' sums in order (one barrier). In
// the others a lane owns one element of the gradient (x: blocks of LANES, y: the row) and adds in order. All sums have a
// fixed order. A layer has a few thousand weights: nothing is tiled.

// What input and output, and their gradients, store.
alias Input = f32; // @spec
alias Output = f32; // @spec
const HAS_BIAS = 1u; // @spec
// 1: gradients are added to what is there.
const ACCUMULATE = 0u; // @spec
const LANES = 64u;

struct Params {
  samples: u32,
  inputs: u32,
  outputs: u32,
}

@group(0) @binding(0) var<storage, read_write> input: array<Input>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
// Without a bias the weight stands here again, unread.
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<Output>;
@group(0) @binding(4) var<uniform> forward_params: Params;

var<workgroup> lane_sums: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = forward_params;
  var sum = 0.0;
  for (var i = lane; i < p.inputs; i += LANES) {
    sum += f32(input[group.y * p.inputs + i]) * weight[group.x * p.inputs + i];
  }
  lane_sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    for (var k = 1u; k < LANES; k++) {
      sum += lane_sums[k];
    }
    if (HAS_BIAS != 0u) {
      sum += bias[group.x];
    }
    output[group.y * p.outputs + group.x] = Output(sum);
  }
}

@group(0) @binding(0) var<storage, read_write> grad_output: array<Output>;
@group(0) @binding(1) var<storage, read> input_weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<Input>;
@group(0) @binding(3) var<uniform> input_params: Params;

@compute @workgroup_size(LANES)
fn backward_input(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = input_params;
  let i = group.x * LANES + lane;
  if (i < p.inputs) {
    var sum = 0.0;
    for (var o = 0u; o < p.outputs; o++) {
      sum += f32(grad_output[group.y * p.outputs + o]) * input_weight[o * p.inputs + i];
    }
    let at = group.y * p.inputs + i;
    if (ACCUMULATE != 0u) {
      sum += f32(grad_input[at]);
    }
    grad_input[at] = Input(sum);
  }
}

@group(0) @binding(1) var<storage, read_write> saved_input: array<Input>;
@group(0) @binding(2) var<storage, read_write> grad_weight: array<f32>;
@group(0) @binding(3) var<uniform> weight_params: Params;

@compute @workgroup_size(LANES)
fn backward_weight(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = weight_params;
  let i = group.x * LANES + lane;
  if (i < p.inputs) {
    var sum = 0.0;
    for (var n = 0u; n < p.samples; n++) {
      sum += f32(grad_output[n * p.outputs + group.y]) * f32(saved_input[n * p.inputs + i]);
    }
    let at = group.y * p.inputs + i;
    if (ACCUMULATE != 0u) {
      sum += grad_weight[at];
    }
    grad_weight[at] = sum;
  }
}

@group(0) @binding(1) var<storage, read_write> grad_bias: array<f32>;
@group(0) @binding(2) var<uniform> bias_params: Params;

@compute @workgroup_size(LANES)
fn backward_bias(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = bias_params;
  let o = group.x * LANES + lane;
  if (o < p.outputs) {
    var sum = 0.0;
    for (var n = 0u; n < p.samples; n++) {
      sum += f32(grad_output[n * p.outputs + o]);
    }
    if (ACCUMULATE != 0u) {
      sum += grad_bias[o];
    }
    grad_bias[o] = sum;
  }
}
