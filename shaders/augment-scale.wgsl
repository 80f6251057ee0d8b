// Multiplies a channel of a patch, and adds to it.
//
//   value = value * scale + shift
//
// A voxel that is exactly 0 lies outside the brain and stays 0. Values [depth, height, width] start at element `first` of
// their binding. Voxels are walked flat: a workgroup takes 1024, neighbouring lanes neighbouring ones. No barriers.

//!include common/patch-walk.wgsl

struct Params {
  depth: u32,
  height: u32,
  width: u32,
  first: u32,
  scale: f32,
  shift: f32,
}

@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(PATCH_LANES)
fn scale_shift(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let end = patch_end(group.x, params.depth * params.height * params.width);
  for (var i = patch_start(group.x) + lane; i < end; i += PATCH_LANES) {
    let v = values[params.first + i];
    values[params.first + i] = select(v * params.scale + params.shift, 0.0, v == 0.0);
  }
}
