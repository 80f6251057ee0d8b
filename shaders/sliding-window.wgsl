// The two kernels of sliding-window inference.
//
//   accumulate  sum[corner + v] += w(v) * probability[m(v)], and weight[corner + v] += w(v) where asked,
//               w(v) = importance[z] * importance[PATCH_D + y] * importance[PATCH_D + PATCH_H + x]
//   normalise   sum[v] = weight[v] > 0 ? sum[v] / weight[v] : 0
//
// m(v) is v, mirrored along z, y and x where the tile was given to the network mirrored (bits 0, 1 and 2).
// Of the volume [DEPTH, HEIGHT, WIDTH] only a slab of planes is there: plane z lies in slot z mod SLOTS of sum and
// weight, [SLOTS, HEIGHT, WIDTH]. Tiles are one channel [PATCH_D, PATCH_H, PATCH_W]. Lanes walk along x; a workgroup
// takes ROWS rows of one plane (workgroup_id = (row block, plane)). Tiles follow each other on the queue and each voxel
// belongs to one lane, so the sums have one order. No barriers.

struct Tile {
  corner: vec4i, // z, y, x, mirrored axes
}

struct Params {
  depth: u32,
  height: u32,
  width: u32,
  patch_depth: u32,
  patch_height: u32,
  patch_width: u32,
  // Elements in front of the tile's channel in its tensor.
  first: u32,
  // Whether accumulate adds to the weights too.
  count_weight: u32,
  slots: u32,
}

const LANES = 32u;
const ROWS = 8u;

@group(0) @binding(0) var<storage, read_write> probability: array<f32>;
@group(0) @binding(1) var<storage, read_write> importance: array<f32>;
@group(0) @binding(2) var<storage, read_write> sum: array<f32>;
@group(0) @binding(3) var<storage, read_write> weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> accumulate_tile: Tile;
@group(0) @binding(5) var<uniform> accumulate_params: Params;

@compute @workgroup_size(LANES)
fn accumulate(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = accumulate_params;
  let corner = accumulate_tile.corner;
  let z = i32(group.y) + corner.x;
  if (z < 0 || z >= i32(p.depth)) {
    return;
  }
  let slot = z % i32(p.slots);
  let mz = select(group.y, p.patch_depth - 1u - group.y, (corner.w & 1) != 0);
  let mirror_y = (corner.w & 2) != 0;
  let mirror_x = (corner.w & 4) != 0;
  let wz = importance[group.y];
  for (var row = 0u; row < ROWS; row++) {
    let ty = group.x * ROWS + row;
    let y = i32(ty) + corner.y;
    if (ty >= p.patch_height || y >= i32(p.height)) {
      break;
    }
    let wzy = wz * importance[p.patch_depth + ty];
    let my = select(ty, p.patch_height - 1u - ty, mirror_y);
    let at = p.first + (mz * p.patch_height + my) * p.patch_width;
    let start = (slot * i32(p.height) + y) * i32(p.width);
    for (var tx = lane; tx < p.patch_width; tx += LANES) {
      let x = i32(tx) + corner.z;
      if (x < i32(p.width)) {
        let w = wzy * importance[p.patch_depth + p.patch_height + tx];
        let v = u32(start + x);
        sum[v] += w * probability[at + select(tx, p.patch_width - 1u - tx, mirror_x)];
        if (p.count_weight != 0u) {
          weight[v] += w;
        }
      }
    }
  }
}

struct Finished {
  first: u32, // slot of the first plane
  count: u32,
}

struct Slab {
  slots: u32,
  height: u32,
  width: u32,
}

@group(0) @binding(0) var<storage, read_write> total: array<f32>;
@group(0) @binding(1) var<storage, read_write> total_weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> finished: Finished;
@group(0) @binding(3) var<uniform> slab: Slab;

@compute @workgroup_size(LANES)
fn normalise(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let slot = group.y;
  if ((slot + slab.slots - finished.first) % slab.slots >= finished.count) {
    return;
  }
  for (var row = 0u; row < ROWS; row++) {
    let y = group.x * ROWS + row;
    if (y >= slab.height) {
      break;
    }
    let start = (slot * slab.height + y) * slab.width;
    for (var x = lane; x < slab.width; x += LANES) {
      let w = total_weight[start + x];
      total[start + x] = select(0.0, total[start + x] / max(w, 1e-30), w > 0.0);
    }
  }
}
