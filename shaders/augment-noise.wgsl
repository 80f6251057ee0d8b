// Adds normal deviates to a channel of a patch.
//
//   value += deviation * sqrt(-2 ln u) cos(2 pi v)        Box and Muller 1958
//
// u and v of a voxel are a hash of its index and two words that are drawn for the channel, so nothing is stored, and the
// noise does not depend on the order in which voxels are walked. u is in (0, 1), 24 bits. A voxel that is exactly 0 lies
// outside the brain and stays 0. Voxels are walked flat: a workgroup takes 1024, neighbouring lanes neighbouring ones.
// No barriers.

//!include common/patch-walk.wgsl
//!include common/pcg4d.wgsl

struct Params {
  depth: u32,
  height: u32,
  width: u32,
  first: u32,
  seed_low: u32,
  seed_high: u32,
  deviation: f32,
}

@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(PATCH_LANES)
fn add_noise(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let end = patch_end(group.x, params.depth * params.height * params.width);
  for (var i = patch_start(group.x) + lane; i < end; i += PATCH_LANES) {
    let value = values[params.first + i];
    let words = pcg4d(vec4u(i, 0u, params.seed_low, params.seed_high));
    let u = (f32(words.x >> 8u) + 0.5) / 16777216.0;
    let v = f32(words.y >> 8u) / 16777216.0;
    let normal = sqrt(-2.0 * log(u)) * cos(6.2831853 * v);
    values[params.first + i] = select(value + params.deviation * normal, 0.0, value == 0.0);
  }
}
