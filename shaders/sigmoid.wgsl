// Sigmoid, elementwise.
//
//   forward   output = 1 / (1 + exp(-input)), from exp(-|input|), so that nothing overflows
//   backward  grad_input (+)= grad_output * output * (1 - output)
//
// Any layout: elements are walked flat as `real`, vec4f where their number is a multiple of 4. A lane handles ITEMS of
// them, a workgroup apart, so that neighbouring lanes touch neighbouring addresses. The loop stays rolled: that is as fast. No barriers.

alias real = f32; // @spec
// Items of a lane.
const ITEMS = 8u;
const LANES = 64u;
// 1: gradients are added to what is there.
const ACCUMULATE = 0u; // @spec

struct Params {
  items: u32,      // of `real`
  groups_x: u32,
}

@group(0) @binding(0) var<storage, read_write> input: array<real>;
@group(0) @binding(1) var<storage, read_write> output: array<real>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (group.y * params.groups_x + group.x) * LANES * ITEMS;
  let end = min(params.items, start + LANES * ITEMS);
  for (var i = start + lane; i < end; i += LANES) {
    let x = input[i];
    let e = exp(-abs(x));
    output[i] = select(e, real(1.0), x >= real(0.0)) / (1.0 + e);
  }
}

@group(0) @binding(0) var<storage, read_write> saved_output: array<real>;
@group(0) @binding(1) var<storage, read_write> grad_output: array<real>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<real>;
@group(0) @binding(3) var<uniform> back_params: Params;

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (group.y * back_params.groups_x + group.x) * LANES * ITEMS;
  let end = min(back_params.items, start + LANES * ITEMS);
  for (var i = start + lane; i < end; i += LANES) {
    let y = saved_output[i];
    var result = grad_output[i] * (y * (1.0 - y));
    if (ACCUMULATE != 0u) {
      result += grad_input[i];
    }
    grad_input[i] = result;
  }
}
