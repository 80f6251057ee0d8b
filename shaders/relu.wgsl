// ReLU and leaky ReLU, elementwise.
//
//   forward   output = max(input, 0) + slope * min(input, 0)
//   backward  grad_input (+)= grad_output * (input > 0 ? 1 : slope)
//
// Any layout: elements are walked flat. One invocation handles PER_LANE elements, a workgroup apart, so that
// neighbouring lanes touch neighbouring addresses. No barriers.

struct Params {
  size: u32,
  slope: f32,
  accumulate: u32,
  groups_x: u32,
}

const PER_LANE = 16u; // @spec
const LANES = 64u;

@group(0) @binding(0) var<storage, read_write> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> forward_params: Params;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let base = (group.y * forward_params.groups_x + group.x) * LANES * PER_LANE + lane;
  for (var k = 0u; k < PER_LANE; k++) { // @unroll
    let i = base + k * LANES;
    if (i < forward_params.size) {
      let x = input[i];
      output[i] = max(x, 0.0) + forward_params.slope * min(x, 0.0);
    }
  }
}

@group(0) @binding(0) var<storage, read_write> saved_input: array<f32>;
@group(0) @binding(1) var<storage, read_write> grad_output: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<f32>;
@group(0) @binding(3) var<uniform> backward_params: Params;

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let base = (group.y * backward_params.groups_x + group.x) * LANES * PER_LANE + lane;
  for (var k = 0u; k < PER_LANE; k++) { // @unroll
    let i = base + k * LANES;
    if (i < backward_params.size) {
      let g = grad_output[i] * select(backward_params.slope, 1.0, saved_input[i] > 0.0);
      grad_input[i] = g + select(0.0, grad_input[i], backward_params.accumulate != 0u);
    }
  }
}
