// Joint histograms of two images under many candidate transforms at once: the inner loop of registration.
//
//   joint_histogram  partial_counts[p, c, f, m] = sum over the samples i of chunk c of w(i, m), f = bin of sample i in the fixed image;
//                    v = moving(P_p x_i), trilinear, in bins; w = 64 - round(64 (v - floor v)) at m = floor v, the rest at m + 1.
//                    A sample that P_p takes more than half a voxel out of the moving image adds nothing
//   sum_counts       counts[p, f, m] = sum over c of partial_counts[p, c, f, m]
//
// Layout: samples [count] of vec4f: x, y, z in mm from the centre, and the bin; moving [nz, ny, nx], already in bins, 0 to BINS - 1;
// transforms [poses, 3] of vec4f, the rows of the affine from a sample's mm to a voxel of the moving image; counts [poses, BINS, BINS].
// Mapping: one workgroup per chunk (x) and pose (y), with its own histogram in workgroup memory; a lane takes every LANES-th sample of the
// chunk. All counts are integers, so any order of the atomic additions gives the same bits.

const LANES = 64u;
const BINS = 32u;
const CELLS = BINS * BINS;
const WEIGHT = 64.0;

struct Params {
  samples: u32,
  chunks: u32,
  nx: u32,
  ny: u32,
  nz: u32,
}

@group(0) @binding(0) var<storage, read_write> samples: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> moving: array<f32>;
@group(0) @binding(2) var<storage, read_write> transforms: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> partial_counts: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> histogram: array<atomic<u32>, CELLS>;

fn interpolate(at: vec3f) -> f32 {
  let last = vec3f(f32(params.nx), f32(params.ny), f32(params.nz)) - 1.0;
  let inside = clamp(at, vec3f(0.0), last);
  let low = floor(inside);
  let f = inside - low;
  let i = vec3u(low);
  // At the last voxel the weight of the neighbour is 0, so any valid neighbour will do.
  let dx = select(0u, 1u, i.x + 1u < params.nx);
  let dy = select(0u, params.nx, i.y + 1u < params.ny);
  let dz = select(0u, params.nx * params.ny, i.z + 1u < params.nz);
  let o = (i.z * params.ny + i.y) * params.nx + i.x;
  let a = mix(mix(moving[o], moving[o + dx], f.x), mix(moving[o + dy], moving[o + dy + dx], f.x), f.y);
  let p = o + dz;
  let b = mix(mix(moving[p], moving[p + dx], f.x), mix(moving[p + dy], moving[p + dy + dx], f.x), f.y);
  return mix(a, b, f.z);
}

@compute @workgroup_size(LANES)
fn joint_histogram(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  for (var cell = lane; cell < CELLS; cell += LANES) {
    atomicStore(&histogram[cell], 0u);
  }
  workgroupBarrier();
  let row_x = transforms[group.y * 3u];
  let row_y = transforms[group.y * 3u + 1u];
  let row_z = transforms[group.y * 3u + 2u];
  let high = vec3f(f32(params.nx), f32(params.ny), f32(params.nz)) - 0.5;
  let size = (params.samples + params.chunks - 1u) / params.chunks;
  let end = min(params.samples, (group.x + 1u) * size);
  for (var i = group.x * size + lane; i < end; i += LANES) {
    let sample = samples[i];
    let x = vec4f(sample.xyz, 1.0);
    let at = vec3f(dot(row_x, x), dot(row_y, x), dot(row_z, x));
    if (all(at >= vec3f(-0.5)) && all(at <= high)) {
      let value = interpolate(at);
      let bin = min(u32(value), BINS - 1u);
      let share = u32(round((value - f32(bin)) * WEIGHT));
      let cell = u32(sample.w) * BINS + bin;
      atomicAdd(&histogram[cell], u32(WEIGHT) - share);
      if (share > 0u) {
        atomicAdd(&histogram[cell + 1u], share);
      }
    }
  }
  workgroupBarrier();
  let first = (group.y * params.chunks + group.x) * CELLS;
  for (var cell = lane; cell < CELLS; cell += LANES) {
    partial_counts[first + cell] = atomicLoad(&histogram[cell]);
  }
}

@group(0) @binding(0) var<storage, read_write> parts: array<u32>;
@group(0) @binding(1) var<storage, read_write> counts: array<u32>;
@group(0) @binding(2) var<uniform> sum_params: Params;

@compute @workgroup_size(LANES)
fn sum_counts(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let cell = group.x * LANES + lane;
  var sum = 0u;
  for (var c = 0u; c < sum_params.chunks; c++) {
    sum += parts[(group.y * sum_params.chunks + c) * CELLS + cell];
  }
  counts[group.y * CELLS + cell] = sum;
}
