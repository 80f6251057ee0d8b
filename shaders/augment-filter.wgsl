// Applies a matrix along each axis of a channel of a patch, one axis per entry point, in the order x, y, z.
//
//   along_x  scratch[v]     = sum_t w[x, t] values[z, y, s(x) + t]
//   along_y  scratch[V + v] = sum_t w[y, t] scratch[z, s(y) + t, x]
//   along_z  values[v]      = sum_t w[z, t] scratch[V + (s(z) + t, y, x)]
//
// V = depth * height * width. Row i of the table is s(i), the first place that it reads, and `taps` weights. A voxel that
// is exactly 0 lies outside the brain: it counts as 0, and stays 0. Voxels are walked flat: a workgroup takes 1024,
// neighbouring lanes neighbouring ones. No barriers.

//!include common/patch-walk.wgsl

struct Params {
  depth: u32,
  height: u32,
  width: u32,
  first: u32,
  taps: u32,
}

@group(0) @binding(0) var<storage, read_write> table: array<f32>;
@group(0) @binding(1) var<storage, read_write> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> scratch: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(PATCH_LANES)
fn along_x(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let end = patch_end(group.x, params.depth * params.height * params.width);
  for (var i = patch_start(group.x) + lane; i < end; i += PATCH_LANES) {
    let place = i % params.width;
    let row = place * (params.taps + 1u);
    let start = params.first + i - place + u32(table[row]);
    var sum = 0.0;
    for (var t = 0u; t < params.taps; t++) {
      sum += table[row + 1u + t] * values[start + t];
    }
    scratch[i] = sum;
  }
}

@group(0) @binding(1) var<storage, read_write> lines: array<f32>;
@group(0) @binding(2) var<uniform> params_y: Params;

@compute @workgroup_size(PATCH_LANES)
fn along_y(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let voxels = params_y.depth * params_y.height * params_y.width;
  let stride = params_y.width;
  let end = patch_end(group.x, voxels);
  for (var i = patch_start(group.x) + lane; i < end; i += PATCH_LANES) {
    let place = (i / params_y.width) % params_y.height;
    let row = place * (params_y.taps + 1u);
    let start = i - place * stride + u32(table[row]) * stride;
    var sum = 0.0;
    for (var t = 0u; t < params_y.taps; t++) {
      sum += table[row + 1u + t] * lines[start + t * stride];
    }
    lines[voxels + i] = sum;
  }
}

@compute @workgroup_size(PATCH_LANES)
fn along_z(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let plane = params.height * params.width;
  let voxels = params.depth * plane;
  let end = patch_end(group.x, voxels);
  for (var i = patch_start(group.x) + lane; i < end; i += PATCH_LANES) {
    let place = i / plane;
    let row = place * (params.taps + 1u);
    let start = voxels + i - place * plane + u32(table[row]) * plane;
    var sum = 0.0;
    for (var t = 0u; t < params.taps; t++) {
      sum += table[row + 1u + t] * scratch[start + t * plane];
    }
    let v = values[params.first + i];
    values[params.first + i] = select(sum, 0.0, v == 0.0);
  }
}
