// Sum of activations of one shape, elementwise: residual connections.
//
//   forward     output = first + second
//   accumulate  target (+)= source: a third and further summand; the gradient of each summand where it needs a place
//               of its own (else the summands share the output's gradient, and nothing runs)
//
// Any layout: elements are walked flat as `real`, vec4f if their number is a multiple of 4. A lane handles ITEMS of
// them, a workgroup apart, so that neighbouring lanes touch neighbouring addresses. No barriers. Sums are made in
// 32 bits, whatever is stored.

alias real = f32; // @spec
// What each binding is stored as, as many elements as `real` holds.
alias First = real; // @spec
alias Second = real; // @spec
alias Output = real; // @spec
// Items of a lane.
const ITEMS = 8u;
const LANES = 64u;
// 1: added to what is there.
const ACCUMULATE = 0u; // @spec

struct Params {
  items: u32,      // of `real`
  groups_x: u32,
}

@group(0) @binding(0) var<storage, read_write> first: array<First>;
@group(0) @binding(1) var<storage, read_write> second: array<Second>;
@group(0) @binding(2) var<storage, read_write> output: array<Output>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (group.y * params.groups_x + group.x) * LANES * ITEMS;
  let end = min(params.items, start + LANES * ITEMS);
  for (var i = start + lane; i < end; i += LANES) {
    output[i] = Output(real(first[i]) + real(second[i]));
  }
}

@group(0) @binding(0) var<storage, read_write> source: array<First>;
@group(0) @binding(1) var<storage, read_write> target_values: array<Output>;
@group(0) @binding(2) var<uniform> more_params: Params;

@compute @workgroup_size(LANES)
fn accumulate(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (group.y * more_params.groups_x + group.x) * LANES * ITEMS;
  let end = min(more_params.items, start + LANES * ITEMS);
  for (var i = start + lane; i < end; i += LANES) {
    var result = real(source[i]);
    if (ACCUMULATE != 0u) {
      result += real(target_values[i]);
    }
    target_values[i] = Output(result);
  }
}
