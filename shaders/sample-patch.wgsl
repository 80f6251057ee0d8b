// Cuts a patch out of one channel of a volume.
//
//   cut_patch       patch[p] = volume[corner + (mirrored) p]
//   resample_patch  patch[p] = volume interpolated at corner + c + M (p - c) + u(p),  c the centre of the patch
//
// M is a 3 x 3 matrix over (z, y, x); u is a cubic B-spline with points^3 control points that span the patch (0 points:
// none): u(p) = sum of b_i(s_z) b_j(s_y) b_k(s_x) shifts[i, j, k], s = p / (extent - 1) * (points - 3). Interpolated is
// by the nearest voxel (0), trilinearly (1), or trilinearly with 0 where the nearest voxel is exactly 0 (2): such a voxel
// lies outside the brain. What lies outside the volume is 0.
// volume [depth, height, width] is bound whole; patch [patch_depth, patch_height, patch_width] starts at element `first`
// of its binding (bindings start at multiples of 256 bytes, patches anywhere). A workgroup handles ROWS rows of a plane:
// workgroup y = plane, x = block of rows; 16 lanes walk along a row, so no index is divided. No barriers.

const ROWS = 16u;
const LANES_X = 16u;
const LANES_Y = 4u;

struct Cut {
  depth: u32,
  height: u32,
  width: u32,
  patch_depth: u32,
  patch_height: u32,
  patch_width: u32,
  corner_z: i32,
  corner_y: i32,
  corner_x: i32,
  mirror_z: u32,
  mirror_y: u32,
  mirror_x: u32,
  first: u32,
  interpolation: u32,
  points: u32,
  zz: f32,
  zy: f32,
  zx: f32,
  yz: f32,
  yy: f32,
  yx: f32,
  xz: f32,
  xy: f32,
  xx: f32,
}

@group(0) @binding(0) var<storage, read> volume: array<f32>;
@group(0) @binding(1) var<storage, read_write> patches: array<f32>;
@group(0) @binding(2) var<uniform> cut: Cut;

@compute @workgroup_size(LANES_X, LANES_Y)
fn cut_patch(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let z = group.y;
  let from_z = cut.corner_z + i32(select(z, cut.patch_depth - 1u - z, cut.mirror_z != 0u));
  let inside_z = from_z >= 0 && from_z < i32(cut.depth);
  for (var row = lane.y; row < ROWS; row += LANES_Y) {
    let y = group.x * ROWS + row;
    if (y >= cut.patch_height) {
      break;
    }
    let from_y = cut.corner_y + i32(select(y, cut.patch_height - 1u - y, cut.mirror_y != 0u));
    let inside = inside_z && from_y >= 0 && from_y < i32(cut.height);
    let from_row = (from_z * i32(cut.height) + from_y) * i32(cut.width);
    let to_row = cut.first + (z * cut.patch_height + y) * cut.patch_width;
    for (var x = lane.x; x < cut.patch_width; x += LANES_X) {
      let from_x = cut.corner_x + i32(select(x, cut.patch_width - 1u - x, cut.mirror_x != 0u));
      var value = 0.0;
      if (inside && from_x >= 0 && from_x < i32(cut.width)) {
        value = volume[from_row + from_x];
      }
      patches[to_row + x] = value;
    }
  }
}

@group(0) @binding(2) var<storage, read_write> shifts: array<f32>;
@group(0) @binding(3) var<uniform> resampled: Cut;

// A voxel (x, y, z) of the volume, 0 outside.
fn voxel(at: vec3i) -> f32 {
  let extents = vec3i(i32(resampled.width), i32(resampled.height), i32(resampled.depth));
  if (any(at < vec3i(0)) || any(at >= extents)) {
    return 0.0;
  }
  return volume[(at.z * extents.y + at.y) * extents.x + at.x];
}

fn interpolated(at: vec3f) -> f32 {
  let nearest = voxel(vec3i(floor(at + 0.5)));
  if (resampled.interpolation == 0u || (resampled.interpolation == 2u && nearest == 0.0)) {
    return nearest;
  }
  let base = floor(at);
  let f = at - base;
  let low = vec3i(base);
  var planes = array<f32, 2>();
  for (var z = 0; z < 2; z++) {
    let near = mix(voxel(low + vec3i(0, 0, z)), voxel(low + vec3i(1, 0, z)), f.x);
    let far = mix(voxel(low + vec3i(0, 1, z)), voxel(low + vec3i(1, 1, z)), f.x);
    planes[z] = mix(near, far, f.y);
  }
  return mix(planes[0], planes[1], f.z);
}

// The four cubic B-splines that are not 0 at a place t in [0, 1] between knots.
fn splines(t: f32) -> vec4f {
  let s = 1.0 - t;
  return vec4f(
    s * s * s,
    3.0 * t * t * t - 6.0 * t * t + 4.0,
    3.0 * s * s * s - 6.0 * s * s + 4.0,
    t * t * t,
  ) / 6.0;
}

// Displacement (x, y, z) of a voxel of the patch.
fn shift_at(place: vec3f) -> vec3f {
  let points = resampled.points;
  if (points == 0u) {
    return vec3f(0.0);
  }
  let last = vec3f(
    f32(resampled.patch_width) - 1.0,
    f32(resampled.patch_height) - 1.0,
    f32(resampled.patch_depth) - 1.0,
  );
  let knots = f32(points) - 3.0;
  let s = place / max(last, vec3f(1.0)) * knots;
  let base = min(floor(s), vec3f(knots - 1.0));
  let t = s - base;
  let low = vec3u(base);
  let bx = splines(t.x);
  let by = splines(t.y);
  let bz = splines(t.z);
  var sum = vec3f(0.0);
  for (var k = 0u; k < 4u; k++) {
    for (var j = 0u; j < 4u; j++) {
      let row = ((low.z + k) * points + low.y + j) * points + low.x;
      for (var i = 0u; i < 4u; i++) {
        let at = 3u * (row + i);
        sum += bz[k] * by[j] * bx[i] * vec3f(shifts[at + 2u], shifts[at + 1u], shifts[at]);
      }
    }
  }
  return sum;
}

@compute @workgroup_size(LANES_X, LANES_Y)
fn resample_patch(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let z = group.y;
  let corner = vec3f(f32(resampled.corner_x), f32(resampled.corner_y), f32(resampled.corner_z));
  let extents = vec3f(f32(resampled.patch_width), f32(resampled.patch_height), f32(resampled.patch_depth));
  let centre = (extents - 1.0) / 2.0;
  for (var row = lane.y; row < ROWS; row += LANES_Y) {
    let y = group.x * ROWS + row;
    if (y >= resampled.patch_height) {
      break;
    }
    let to_row = resampled.first + (z * resampled.patch_height + y) * resampled.patch_width;
    for (var x = lane.x; x < resampled.patch_width; x += LANES_X) {
      let place = vec3f(f32(x), f32(y), f32(z));
      let d = place - centre;
      let moved = vec3f(
        resampled.xx * d.x + resampled.xy * d.y + resampled.xz * d.z,
        resampled.yx * d.x + resampled.yy * d.y + resampled.yz * d.z,
        resampled.zx * d.x + resampled.zy * d.y + resampled.zz * d.z,
      );
      patches[to_row + x] = interpolated(corner + centre + moved + shift_at(place));
    }
  }
}
