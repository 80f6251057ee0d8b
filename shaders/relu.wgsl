// ReLU and leaky ReLU, elementwise.
//
//   forward   output = max(input, 0) + slope * min(input, 0)
//   backward  grad_input (+)= grad_output * (input > 0 ? 1 : slope)
//
// Any layout: elements are walked flat as `real`, vec4f where their number is a multiple of 4. A lane handles ITEMS of
// them, a workgroup apart, so that neighbouring lanes touch neighbouring addresses. No barriers.

alias real = f32; // @spec
// Items of a lane.
const ITEMS = 8u;
const LANES = 64u;
// 1: gradients are added to what is there.
const ACCUMULATE = 0u; // @spec

struct Params {
  items: u32,      // of `real`
  slope: f32,
  groups_x: u32,
}

@group(0) @binding(0) var<storage, read_write> input: array<real>;
@group(0) @binding(1) var<storage, read_write> output: array<real>;
@group(0) @binding(2) var<uniform> forward_params: Params;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (group.y * forward_params.groups_x + group.x) * LANES * ITEMS;
  let end = min(forward_params.items, start + LANES * ITEMS);
  for (var i = start + lane; i < end; i += LANES) {
    let x = input[i];
    output[i] = max(x, real(0.0)) + forward_params.slope * min(x, real(0.0));
  }
}

@group(0) @binding(0) var<storage, read_write> saved_input: array<real>;
@group(0) @binding(1) var<storage, read_write> grad_output: array<real>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<real>;
@group(0) @binding(3) var<uniform> backward_params: Params;

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (group.y * backward_params.groups_x + group.x) * LANES * ITEMS;
  let end = min(backward_params.items, start + LANES * ITEMS);
  for (var i = start + lane; i < end; i += LANES) {
    let g = grad_output[i];
    var result = select(g * backward_params.slope, g, saved_input[i] > real(0.0));
    if (ACCUMULATE != 0u) {
      result += grad_input[i];
    }
    grad_input[i] = result;
  }
}
