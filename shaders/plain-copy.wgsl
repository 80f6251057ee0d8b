// The plain copy that the bench holds kernels of bandwidth against:
//
//   target[i] = source[i]
//
// A lane copies PER_LANE vectors of four floats, a workgroup apart, without a test of bounds: the tensors hold a
// multiple of LANES * PER_LANE vectors. The fastest of the forms that were tried on software drivers.

const PER_LANE = 8u;
const LANES = 64u;

@group(0) @binding(0) var<storage, read_write> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> target_values: array<vec4f>;

@compute @workgroup_size(LANES)
fn copy(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let base = group.x * LANES * PER_LANE + lane;
  for (var k = 0u; k < PER_LANE; k++) { // @unroll
    target_values[base + k * LANES] = source[base + k * LANES];
  }
}
