// Multiplies a channel of a patch by the smooth field of a coil (TorchIO's random bias field).
//
//   value = (value - smallest) * exp(p(z, y, x)) + smallest
//
// p is a polynomial of order 3 without a constant; z, y and x run from -1 to 1 over the patch. Coefficients, in the order
// x, y, z, xx, xy, xz, yy, yz, zz, xxx, xxy, xxz, xyy, xyz, xzz, yyy, yyz, yzz, zzz, stand in a to e in fours. The smallest
// value stands in scratch, as augment-statistics.wgsl leaves it in slot 0: images are standardised, and what was 0 before is
// about the darkest voxel. A voxel that is exactly 0 lies outside the brain and stays 0. Voxels are walked flat: a
// workgroup takes 1024, neighbouring lanes neighbouring ones. No barriers.

//!include common/patch-walk.wgsl

struct Params {
  depth: u32,
  height: u32,
  width: u32,
  first: u32,
  a: vec4f,
  b: vec4f,
  c: vec4f,
  d: vec4f,
  e: vec4f,
}

@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@group(0) @binding(1) var<storage, read_write> scratch: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(PATCH_LANES)
fn bias_field(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let plane = params.height * params.width;
  let voxels = params.depth * plane;
  let low = scratch[2u * voxels + 3u];
  let last = max(vec3f(vec3u(params.width, params.height, params.depth)) - 1.0, vec3f(1.0));
  let end = patch_end(group.x, voxels);
  for (var i = patch_start(group.x) + lane; i < end; i += PATCH_LANES) {
    let zi = i / plane;
    let yi = (i - zi * plane) / params.width;
    let xi = i - zi * plane - yi * params.width;
    let p = vec3f(vec3u(xi, yi, zi)) / last * 2.0 - 1.0;
    let x = p.x;
    let y = p.y;
    let z = p.z;
    let bias = dot(params.a, vec4f(x, y, z, x * x)) + dot(params.b, vec4f(x * y, x * z, y * y, y * z))
      + dot(params.c, vec4f(z * z, x * x * x, x * x * y, x * x * z))
      + dot(params.d, vec4f(x * y * y, x * y * z, x * z * z, y * y * y))
      + dot(params.e, vec4f(y * y * z, y * z * z, z * z * z, 0.0));
    let v = values[params.first + i];
    values[params.first + i] = select((v - low) * exp(bias) + low, 0.0, v == 0.0);
  }
}
