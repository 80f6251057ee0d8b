// Raises a channel of a patch to a power within its range, then gives it the mean and deviation that it had.
//
//   raise    value = sign * (((sign * value - low) / (range + 1e-7)) ^ exponent * range + low)
//   restore  value = (value - mean1) / (deviation1 + 1e-8) * deviation0 + mean0
//
// With `inverted` the sign is -1, and low is that of the negative: -largest (nnU-Net's gamma, with retain_stats).
// Statistics stand in scratch, as augment-statistics.wgsl leaves them: in slot 0 those before `raise`, in slot 1 those
// after it. A voxel that is exactly 0 lies outside the brain and stays 0. Voxels are walked flat: a workgroup takes 1024,
// neighbouring lanes neighbouring ones. No barriers.

//!include common/patch-walk.wgsl

struct Raise {
  depth: u32,
  height: u32,
  width: u32,
  first: u32,
  exponent: f32,
  inverted: u32,
}

struct Restore {
  depth: u32,
  height: u32,
  width: u32,
  first: u32,
}

@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@group(0) @binding(1) var<storage, read_write> scratch: array<f32>;
@group(0) @binding(2) var<uniform> raised: Raise;
@group(0) @binding(2) var<uniform> restored: Restore;

@compute @workgroup_size(PATCH_LANES)
fn raise(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let voxels = raised.depth * raised.height * raised.width;
  let smallest = scratch[2u * voxels + 3u];
  let largest = scratch[2u * voxels + 4u];
  let range = largest - smallest;
  let sign = select(1.0, -1.0, raised.inverted != 0u);
  let low = select(smallest, -largest, raised.inverted != 0u);
  let end = patch_end(group.x, voxels);
  for (var i = patch_start(group.x) + lane; i < end; i += PATCH_LANES) {
    let v = values[raised.first + i];
    let share = max(0.0, (sign * v - low) / (range + 1e-7));
    let power = select(pow(share, raised.exponent), 0.0, share == 0.0);
    values[raised.first + i] = select(sign * (power * range + low), 0.0, v == 0.0);
  }
}

@compute @workgroup_size(PATCH_LANES)
fn restore(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let voxels = restored.depth * restored.height * restored.width;
  let at = 2u * voxels;
  let end = patch_end(group.x, voxels);
  for (var i = patch_start(group.x) + lane; i < end; i += PATCH_LANES) {
    let v = values[restored.first + i];
    let w = (v - scratch[at + 9u]) / (scratch[at + 10u] + 1e-8) * scratch[at + 2u] + scratch[at + 1u];
    values[restored.first + i] = select(w, 0.0, v == 0.0);
  }
}
