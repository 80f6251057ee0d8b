// The kernels around the convolutions of a network that sees a whole volume at full resolution.
//
// A convolution whose taps lie SPACING voxels apart is a dense one on each of SPACING^3 lattices. A block is a box of a
// lattice: block n of a batch begins at the voxel places[n] (z, y, x; of the output), and its point (k, j, i) is the voxel
// places[n] + SPACING * (k, j, i). So any spacing becomes blocks for the dense kernels:
//
//   gather   block[n, c, k, j, i] = (volume[c, v] - mean_c) * scale_c + shift_c, v = places[n] + SPACING * ((k, j, i) - HALO)
//            0 where v is outside of the volume: the zeros that the convolution pads with
//   sums     per block and channel: how many values lie in the volume, their mean and the sum of squares around it
//   scatter  volume[c, v] = block[n, c, k, j, i], v = places[n] + SPACING * (k, j, i), inside the volume
//   labels   label[n, k, j, i] = the channel of the largest value, of equal ones the first
//
// Volumes are channel after channel in buffers of their own, [D, H, W] each: f32, or with HALVES two channels in a word
// as 16-bit floats. So no binding holds more than one of them. A lane takes one point, a workgroup LANES points of one row
// of blocks: workgroup_id = (point group, block). `sums` has a workgroup per (channel, block); its lanes walk the points
// LANES apart, and add up in a tree: two barriers per level.

// 1: two channels in a word.
const HALVES = 0u; // @spec
const LANES = 64u;

struct Params {
  extents: vec4u, // of the volume: z, y, x
  block: vec4u,   // of a block: z, y, x
  spacing: u32,
  halo: u32,
  channels: u32,  // of a block
  first: u32,     // channel that the bound one is the first of
}

struct Coefficients {
  // mean, scale, shift of each channel; the fourth is not used.
  channels: array<vec4f>,
}

fn points(p: Params) -> u32 {
  return p.block.x * p.block.y * p.block.z;
}

// The voxel of a block's point, z, y, x; -1 before all others where it is outside of the volume.
fn voxel_of(point: u32, place: vec4i, halo: i32, p: Params) -> i32 {
  let x = i32(point % p.block.z);
  let y = i32((point / p.block.z) % p.block.y);
  let z = i32(point / (p.block.z * p.block.y));
  let v = place.xyz + i32(p.spacing) * (vec3i(z, y, x) - vec3i(halo));
  if (any(v < vec3i(0)) || any(v >= vec3i(p.extents.xyz))) {
    return -1;
  }
  return (v.x * i32(p.extents.y) + v.y) * i32(p.extents.z) + v.z;
}

@group(0) @binding(0) var<storage, read_write> gather_volume: array<u32>;
@group(0) @binding(1) var<storage, read_write> gather_places: array<vec4i>;
@group(0) @binding(2) var<storage, read_write> gather_coefficients: Coefficients;
@group(0) @binding(3) var<storage, read_write> gather_block: array<f32>;
@group(0) @binding(4) var<uniform> gather_params: Params;

fn put(n: u32, c: u32, point: u32, value: f32, inside: bool) {
  let p = gather_params;
  if (c < p.channels) {
    let k = gather_coefficients.channels[c];
    gather_block[(n * p.channels + c) * points(p) + point] = select(0.0, (value - k.x) * k.y + k.z, inside);
  }
}

@compute @workgroup_size(LANES)
fn gather(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = gather_params;
  let n = group.y;
  let point = group.x * LANES + lane;
  if (point >= points(p)) {
    return;
  }
  let v = voxel_of(point, gather_places[n], i32(p.halo), p);
  let inside = v >= 0;
  let word = gather_volume[u32(max(v, 0))];
  if (HALVES != 0u) {
    let pair = unpack2x16float(word);
    put(n, p.first, point, pair.x, inside);
    put(n, p.first + 1u, point, pair.y, inside);
  } else {
    put(n, p.first, point, bitcast<f32>(word), inside);
  }
}

@group(0) @binding(0) var<storage, read_write> scatter_block: array<f32>;
@group(0) @binding(1) var<storage, read_write> scatter_places: array<vec4i>;
@group(0) @binding(2) var<storage, read_write> scatter_volume: array<u32>;
@group(0) @binding(3) var<uniform> scatter_params: Params;

fn take(n: u32, c: u32, point: u32) -> f32 {
  let p = scatter_params;
  // Of an odd number of channels the last word has one.
  return select(0.0, scatter_block[(n * p.channels + min(c, p.channels - 1u)) * points(p) + point], c < p.channels);
}

@compute @workgroup_size(LANES)
fn scatter(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = scatter_params;
  let n = group.y;
  let point = group.x * LANES + lane;
  if (point >= points(p)) {
    return;
  }
  let v = voxel_of(point, scatter_places[n], 0, p);
  if (v < 0) {
    return;
  }
  let value = take(n, p.first, point);
  if (HALVES != 0u) {
    scatter_volume[u32(v)] = pack2x16float(vec2f(value, take(n, p.first + 1u, point)));
  } else {
    scatter_volume[u32(v)] = bitcast<u32>(value);
  }
}

@group(0) @binding(0) var<storage, read_write> sums_block: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums_places: array<vec4i>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;
@group(0) @binding(3) var<uniform> sums_params: Params;

var<workgroup> partial: array<vec2f, LANES>;

fn added_up(lane: u32) {
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (lane < step) {
      partial[lane] += partial[lane + step];
    }
  }
  workgroupBarrier();
}

@compute @workgroup_size(LANES)
fn sum_up(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = sums_params;
  let c = group.x;
  let n = group.y;
  let place = sums_places[n];
  let start = (n * p.channels + c) * points(p);
  var own = vec2f(0.0);
  for (var point = lane; point < points(p); point += LANES) {
    if (voxel_of(point, place, 0, p) >= 0) {
      own += vec2f(1.0, sums_block[start + point]);
    }
  }
  partial[lane] = own;
  added_up(lane);
  let count = partial[0].x;
  let mean = partial[0].y / max(count, 1.0);
  workgroupBarrier();
  own = vec2f(0.0);
  for (var point = lane; point < points(p); point += LANES) {
    if (voxel_of(point, place, 0, p) >= 0) {
      let apart = sums_block[start + point] - mean;
      own += vec2f(apart * apart, 0.0);
    }
  }
  partial[lane] = own;
  added_up(lane);
  if (lane == 0u) {
    let at = (n * p.channels + c) * 4u;
    sums[at] = count;
    sums[at + 1u] = mean;
    sums[at + 2u] = partial[0].x;
    sums[at + 3u] = 0.0;
  }
}

@group(0) @binding(0) var<storage, read_write> scores: array<f32>;
@group(0) @binding(1) var<storage, read_write> label: array<f32>;
@group(0) @binding(2) var<uniform> labels_params: Params;

@compute @workgroup_size(LANES)
fn labels(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = labels_params;
  let n = group.y;
  let point = group.x * LANES + lane;
  if (point >= points(p)) {
    return;
  }
  var best = scores[n * p.channels * points(p) + point];
  var found = 0u;
  for (var c = 1u; c < p.channels; c++) {
    let score = scores[(n * p.channels + c) * points(p) + point];
    if (score > best) {
      best = score;
      found = c;
    }
  }
  label[n * points(p) + point] = f32(found);
}
