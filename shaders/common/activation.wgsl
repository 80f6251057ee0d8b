// The kernels of an activation function, for a file that declares
//
//   fn activate(x: real, alpha: f32) -> real     the function
//   fn derivative(s: real, alpha: f32) -> real   its derivative; s is the input or the output, as the op says
//
// Any layout: elements are walked flat as `real`, vec4f if their number is a multiple of 4. A lane handles ITEMS of
// them, a workgroup apart, so that neighbouring lanes touch neighbouring addresses. The loops stay rolled: that is as
// fast. No barriers.

alias real = f32; // @spec
// What the input, the output and the gradient of each are stored as, as many elements as `real` holds.
alias Input = real; // @spec
alias Output = real; // @spec
// What the derivative is taken from: the input or the output.
alias Saved = real; // @spec
// Items of a lane.
const ITEMS = 8u;
const LANES = 64u;
// 1: gradients are added to what is there.
const ACCUMULATE = 0u; // @spec

struct Params {
  items: u32,      // of `real`
  alpha: f32,      // the function's own setting
  groups_x: u32,
}

@group(0) @binding(0) var<storage, read_write> input: array<Input>;
@group(0) @binding(1) var<storage, read_write> output: array<Output>;
@group(0) @binding(2) var<uniform> forward_params: Params;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (group.y * forward_params.groups_x + group.x) * LANES * ITEMS;
  let end = min(forward_params.items, start + LANES * ITEMS);
  for (var i = start + lane; i < end; i += LANES) {
    output[i] = Output(activate(real(input[i]), forward_params.alpha));
  }
}

@group(0) @binding(0) var<storage, read_write> saved: array<Saved>;
@group(0) @binding(1) var<storage, read_write> grad_output: array<Output>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<Input>;
@group(0) @binding(3) var<uniform> backward_params: Params;

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (group.y * backward_params.groups_x + group.x) * LANES * ITEMS;
  let end = min(backward_params.items, start + LANES * ITEMS);
  for (var i = start + lane; i < end; i += LANES) {
    var result = real(grad_output[i]) * derivative(real(saved[i]), backward_params.alpha);
    if (ACCUMULATE != 0u) {
      result += real(grad_input[i]);
    }
    grad_input[i] = Input(result);
  }
}
