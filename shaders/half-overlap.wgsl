// What the two halves of a weight's rows have in common: |A B^T|^2, A the first rows, B the others.
//
//   products   M[i, j] = A_i . B_j: a workgroup per pair; lanes take every LANES-th element, the first adds their sums up in order
//   combine    the sum of M[i, j]^2, by one workgroup in the same way
//   backward   grad A_i (+)= 2 g sum over j of M[i, j] B_j, grad B_j (+)= 2 g sum over i of M[i, j] A_i; an element per lane,
//              workgroup.y = row
//
// Layouts: weight [2 half, length], M [half, half].

const LANES = 64u;
// 1: gradients are added to what is there.
const ACCUMULATE = 0u; // @spec

struct Params {
  half: u32,
  length: u32,
}

@group(0) @binding(0) var<storage, read_write> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> product: array<f32>;
@group(0) @binding(2) var<uniform> product_params: Params;

var<workgroup> lane_sums: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn products(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = product_params;
  let a = group.x * p.length;
  let b = (p.half + group.y) * p.length;
  var sum = 0.0;
  for (var k = lane; k < p.length; k += LANES) {
    sum += weight[a + k] * weight[b + k];
  }
  lane_sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    for (var k = 1u; k < LANES; k++) {
      sum += lane_sums[k];
    }
    product[group.x * p.half + group.y] = sum;
  }
}

struct CombineParams {
  count: u32,
}

@group(0) @binding(0) var<storage, read_write> all_products: array<f32>;
@group(0) @binding(1) var<storage, read_write> overlap: array<f32>;
@group(0) @binding(2) var<uniform> combine_params: CombineParams;

@compute @workgroup_size(LANES)
fn combine(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var k = lane; k < combine_params.count; k += LANES) {
    sum += all_products[k] * all_products[k];
  }
  lane_sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    for (var k = 1u; k < LANES; k++) {
      sum += lane_sums[k];
    }
    overlap[0] = sum;
  }
}

@group(0) @binding(0) var<storage, read_write> saved_weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> saved_products: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_weight: array<f32>;
@group(0) @binding(4) var<uniform> backward_params: Params;

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = backward_params;
  let at = group.x * LANES + lane;
  if (at >= p.length) {
    return;
  }
  let row = group.y;
  var sum = 0.0;
  if (row < p.half) {
    for (var j = 0u; j < p.half; j++) {
      sum += saved_products[row * p.half + j] * saved_weight[(p.half + j) * p.length + at];
    }
  } else {
    for (var i = 0u; i < p.half; i++) {
      sum += saved_products[i * p.half + row - p.half] * saved_weight[i * p.length + at];
    }
  }
  var result = 2.0 * grad_output[0] * sum;
  if (ACCUMULATE != 0u) {
    result += grad_weight[row * p.length + at];
  }
  grad_weight[row * p.length + at] = result;
}
