// Mean squared error, with or without a weight per voxel.
//
//   loss = sum over n, c, v of m[n, v] (x - t)^2 / (channels sum of m), 0 where m sums to 0; without a mask m = 1
//   grad x (+)= grad_output 2 m (x - t) / (channels sum of m)
//
//   square_sums, masked_square_sums   a lane adds up PER_LANE steps of its item: m (x - t)^2, and m
//   combine                           one workgroup adds the lanes' sums in a fixed order (strided, then by its first lane):
//                                     the loss, and the factor 2 / (channels sum of m) for backward
//   backward, masked_backward         reads x, t and m once
//
// Layouts: x and t [N, channels, voxels], m [N, 1, voxels]; workgroup z = item. Lane is vec4f where the voxels divide by 4.

alias Lane = vec4f; // @spec
const FOLD = vec4f(1.0, 1.0, 1.0, 1.0); // @spec
const PER_LANE = 16u;
const LANES = 64u;

fn fold(x: Lane) -> f32 {
  return dot(vec4f(x), FOLD);
}

// ---- pass 1

struct SumParams {
  units: u32,     // of Lane, in one channel
  channels: u32,
  partials: u32,
}

@group(0) @binding(0) var<storage, read_write> output: array<Lane>;
@group(0) @binding(1) var<storage, read_write> truth: array<Lane>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;
@group(0) @binding(3) var<uniform> sum_params: SumParams;

fn squares(first: u32, i: u32, p: SumParams) -> Lane {
  var sum = Lane(0.0);
  for (var c = 0u; c < p.channels; c++) {
    let at = first + c * p.units + i;
    let difference = output[at] - truth[at];
    sum += difference * difference;
  }
  return sum;
}

@compute @workgroup_size(LANES)
fn square_sums(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = sum_params;
  let first = group.z * p.channels * p.units;
  var sum = Lane(0.0);
  for (var k = 0u; k < PER_LANE; k++) {
    let i = (group.x * PER_LANE + k) * LANES + lane;
    if (i < p.units) {
      sum += squares(first, i, p);
    }
  }
  let at = group.z * 2u * p.partials + group.x * LANES + lane;
  partials[at] = fold(sum);
  partials[at + p.partials] = 0.0;
}

@group(0) @binding(2) var<storage, read_write> mask: array<Lane>;
@group(0) @binding(3) var<storage, read_write> masked_partials: array<f32>;
@group(0) @binding(4) var<uniform> masked_params: SumParams;

@compute @workgroup_size(LANES)
fn masked_square_sums(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = masked_params;
  let first = group.z * p.channels * p.units;
  var sum = Lane(0.0);
  var weight = Lane(0.0);
  for (var k = 0u; k < PER_LANE; k++) {
    let i = (group.x * PER_LANE + k) * LANES + lane;
    if (i < p.units) {
      let m = mask[group.z * p.units + i];
      weight += m;
      sum += m * squares(first, i, p);
    }
  }
  let at = group.z * 2u * p.partials + group.x * LANES + lane;
  masked_partials[at] = fold(sum);
  masked_partials[at + p.partials] = fold(weight);
}

// ---- pass 2

struct CombineParams {
  items: u32,
  partials: u32,
  channels: f32,
  // Sum of m where there is no mask; 0 where there is one
  voxels: f32,
}

@group(0) @binding(0) var<storage, read_write> sums: array<f32>;
@group(0) @binding(1) var<storage, read_write> loss: array<f32>;
@group(0) @binding(2) var<storage, read_write> factor: array<f32>;
@group(0) @binding(3) var<uniform> combine_params: CombineParams;

var<workgroup> lane_sums: array<vec2f, LANES>;

@compute @workgroup_size(LANES)
fn combine(@builtin(local_invocation_index) lane: u32) {
  let p = combine_params;
  var sum = vec2f(0.0);
  for (var n = 0u; n < p.items; n++) {
    for (var i = lane; i < p.partials; i += LANES) {
      let at = n * 2u * p.partials + i;
      sum += vec2f(sums[at], sums[at + p.partials]);
    }
  }
  lane_sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    for (var k = 1u; k < LANES; k++) {
      sum += lane_sums[k];
    }
    let weight = p.channels * (p.voxels + sum.y);
    loss[0] = select(0.0, sum.x / max(weight, 1e-30), weight > 0.0);
    factor[0] = select(0.0, 2.0 / max(weight, 1e-30), weight > 0.0);
  }
}

// ---- gradient

struct BackwardParams {
  units: u32,
  channels: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read_write> saved_output: array<Lane>;
@group(0) @binding(1) var<storage, read_write> saved_truth: array<Lane>;
@group(0) @binding(2) var<storage, read_write> saved_factor: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_output: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<Lane>;
@group(0) @binding(5) var<uniform> backward_params: BackwardParams;

fn write_gradient(first: u32, i: u32, scale: Lane, p: BackwardParams) {
  for (var c = 0u; c < p.channels; c++) {
    let at = first + c * p.units + i;
    var result = scale * (saved_output[at] - saved_truth[at]);
    if (p.accumulate != 0u) {
      result += gradient[at];
    }
    gradient[at] = result;
  }
}

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = backward_params;
  let scale = Lane(grad_output[0] * saved_factor[0]);
  for (var k = 0u; k < PER_LANE; k++) {
    let i = (group.x * PER_LANE + k) * LANES + lane;
    if (i < p.units) {
      write_gradient(group.z * p.channels * p.units, i, scale, p);
    }
  }
}

@group(0) @binding(5) var<storage, read_write> saved_mask: array<Lane>;
@group(0) @binding(6) var<uniform> masked_backward_params: BackwardParams;

@compute @workgroup_size(LANES)
fn masked_backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = masked_backward_params;
  let scale = grad_output[0] * saved_factor[0];
  for (var k = 0u; k < PER_LANE; k++) {
    let i = (group.x * PER_LANE + k) * LANES + lane;
    if (i < p.units) {
      write_gradient(group.z * p.channels * p.units, i, scale * saved_mask[group.z * p.units + i], p);
    }
  }
}
