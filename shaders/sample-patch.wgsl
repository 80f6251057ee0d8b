// Cuts a patch out of one channel of a volume, mirrored and with another intensity where asked.
//
//   patch[z, y, x] = volume[corner + (mirrored) (z, y, x)] * scale + shift
//
// A voxel that is exactly 0 lies outside the brain and stays 0; what lies outside the volume is 0.
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
  scale: f32,
  shift: f32,
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
        let v = volume[from_row + from_x];
        value = select(v * cut.scale + cut.shift, 0.0, v == 0.0);
      }
      patches[to_row + x] = value;
    }
  }
}
