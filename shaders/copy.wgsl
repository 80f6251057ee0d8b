// Copies a range of elements: between a tensor and a slice of it that starts where the device binds nothing,
// and from sums of 32 bits to a tensor that stores 16.
//
//   copy   target[target_first + i] (+)= source[source_first + i]
//
// One invocation copies PER_LANE elements, a workgroup apart, so that neighbouring lanes touch neighbouring addresses.
// No barriers.

alias Source = f32; // @spec
alias Target = f32; // @spec
// 1: what is copied is added to what is there.
const ACCUMULATE = 0u; // @spec
const PER_LANE = 16u;
const LANES = 64u;

struct Params {
  size: u32,
  source_first: u32,
  target_first: u32,
  groups_x: u32,
}

@group(0) @binding(0) var<storage, read_write> source: array<Source>;
@group(0) @binding(1) var<storage, read_write> target_values: array<Target>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn copy(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let base = (group.y * params.groups_x + group.x) * LANES * PER_LANE + lane;
  for (var k = 0u; k < PER_LANE; k++) {
    let i = base + k * LANES;
    if (i < params.size) {
      var value = f32(source[params.source_first + i]);
      if (ACCUMULATE != 0u) {
        value += f32(target_values[params.target_first + i]);
      }
      target_values[params.target_first + i] = Target(value);
    }
  }
}
