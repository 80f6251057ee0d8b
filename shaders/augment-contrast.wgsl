// Stretches a channel of a patch about its mean, within the range that it had (nnU-Net's contrast).
//
//   value = clamp((value - mean) * factor + mean, smallest, largest)
//
// Statistics stand in scratch, as augment-statistics.wgsl leaves them in slot 0. A voxel that is exactly 0 lies outside
// the brain and stays 0. Voxels are walked flat: a workgroup takes 1024, neighbouring lanes neighbouring ones. No barriers.

//!include common/patch-walk.wgsl

struct Params {
  depth: u32,
  height: u32,
  width: u32,
  first: u32,
  factor: f32,
}

@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@group(0) @binding(1) var<storage, read_write> scratch: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(PATCH_LANES)
fn contrast(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let voxels = params.depth * params.height * params.width;
  let mean = scratch[2u * voxels + 1u];
  let low = scratch[2u * voxels + 3u];
  let high = scratch[2u * voxels + 4u];
  let end = patch_end(group.x, voxels);
  for (var i = patch_start(group.x) + lane; i < end; i += PATCH_LANES) {
    let v = values[params.first + i];
    values[params.first + i] = select(clamp((v - mean) * params.factor + mean, low, high), 0.0, v == 0.0);
  }
}
