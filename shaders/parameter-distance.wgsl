// Distance between the parameters of two networks, tensor by tensor: what soft sharing penalises.
//
// With s = a + b and e = a - b of a pair, and the sums S = s.s, X = s.e, E = e.e over its elements:
//   l2      E, the squared distance
//   trace   the trace norm of the matrix with rows a and b, f = sqrt((S + E) / 2 + q), q = sqrt(S E - X^2 + (K (S + E))^2)
// Sums of s and e lose nothing where a and b are nearly the same; those of a and b would.
//
// Gradient by a: (2 f_S s + f_X e) + (2 f_E e + f_X s). Seen from b, whose partner is a, the signs of e and f_X change:
// one formula serves both. The trace norm's f_S = (1 + (E + r) / q) / (4 f), r = 2 K^2 (S + E); f_E with S; f_X = -X / (2 f q).
//
//   sums       a workgroup adds up LANES * PER_LANE elements of one pair: three partial sums
//   combine    one workgroup; a lane takes every LANES-th pair and adds its partial sums in order; the first lane adds
//              the pairs up in order
//   backward   an element per lane and step

const LANES = 64u;
const PER_LANE = 16u;
// 1: the trace norm, 0: squared distance.
const TRACE = 0u; // @spec
// 1: gradients are added to what is there.
const ACCUMULATE = 0u; // @spec
const K = 1e-3;

struct SumParams {
  elements: u32,
  pair: u32,
  partials: u32,  // of each sum of a pair
}

@group(0) @binding(0) var<storage, read_write> first: array<f32>;
@group(0) @binding(1) var<storage, read_write> second: array<f32>;
// [pairs, 3, partials]
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;
@group(0) @binding(3) var<uniform> sum_params: SumParams;

var<workgroup> lane_sums: array<vec3f, LANES>;

@compute @workgroup_size(LANES)
fn sums(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = sum_params;
  var sum = vec3f(0.0);
  for (var k = 0u; k < PER_LANE; k++) {
    let i = (group.x * PER_LANE + k) * LANES + lane;
    if (i < p.elements) {
      let s = first[i] + second[i];
      let e = first[i] - second[i];
      sum += vec3f(s * s, s * e, e * e);
    }
  }
  lane_sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    for (var k = 1u; k < LANES; k++) {
      sum += lane_sums[k];
    }
    let at = p.pair * 3u * p.partials + group.x;
    partials[at] = sum.x;
    partials[at + p.partials] = sum.y;
    partials[at + 2u * p.partials] = sum.z;
  }
}

struct CombineParams {
  pairs: u32,
  partials: u32,
}

@group(0) @binding(0) var<storage, read_write> all_partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> distance: array<f32>;
// [pairs, 3]: 2 f_S, f_X, 2 f_E
@group(0) @binding(2) var<storage, read_write> coefficients: array<f32>;
@group(0) @binding(3) var<uniform> combine_params: CombineParams;

var<workgroup> lane_values: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn combine(@builtin(local_invocation_index) lane: u32) {
  let p = combine_params;
  var value = 0.0;
  for (var pair = lane; pair < p.pairs; pair += LANES) {
    var sum = vec3f(0.0);
    for (var k = 0u; k < p.partials; k++) {
      let at = pair * 3u * p.partials + k;
      sum += vec3f(all_partials[at], all_partials[at + p.partials], all_partials[at + 2u * p.partials]);
    }
    var by_sums = vec3f(0.0, 0.0, 2.0);
    if (TRACE == 0u) {
      value += sum.z;
    } else {
      let both = sum.x + sum.z;
      let q = sqrt(max(sum.x * sum.z - sum.y * sum.y, 0.0) + (K * both) * (K * both));
      let f = sqrt(0.5 * both + q);
      value += f;
      // Both networks zero: no direction is better than another.
      let half_f = select(0.0, 0.5 / f, f > 0.0);
      let half_q = select(0.0, 0.5 / q, q > 0.0);
      let rounding = 2.0 * K * K * both;
      by_sums = half_f * vec3f(
        1.0 + 2.0 * half_q * (sum.z + rounding),
        -2.0 * half_q * sum.y,
        1.0 + 2.0 * half_q * (sum.x + rounding),
      );
    }
    coefficients[pair * 3u] = by_sums.x;
    coefficients[pair * 3u + 1u] = by_sums.y;
    coefficients[pair * 3u + 2u] = by_sums.z;
  }
  lane_values[lane] = value;
  workgroupBarrier();
  if (lane == 0u) {
    for (var k = 1u; k < LANES; k++) {
      value += lane_values[k];
    }
    distance[0] = value;
  }
}

struct BackwardParams {
  elements: u32,
  pair: u32,
  sign: f32,      // 1 for the first network's tensor, -1 for the second's: of f_X, as e is own - partner
}

@group(0) @binding(0) var<storage, read_write> own: array<f32>;
@group(0) @binding(1) var<storage, read_write> partner: array<f32>;
@group(0) @binding(2) var<storage, read_write> saved_coefficients: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_output: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(5) var<uniform> backward_params: BackwardParams;

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = backward_params;
  let at = p.pair * 3u;
  let by_sum = saved_coefficients[at];
  let by_both = p.sign * saved_coefficients[at + 1u];
  let by_difference = saved_coefficients[at + 2u];
  for (var k = 0u; k < PER_LANE; k++) {
    let i = (group.x * PER_LANE + k) * LANES + lane;
    if (i < p.elements) {
      let s = own[i] + partner[i];
      let e = own[i] - partner[i];
      var result = grad_output[0] * ((by_sum + by_both) * s + (by_difference + by_both) * e);
      if (ACCUMULATE != 0u) {
        result += gradient[i];
      }
      gradient[i] = result;
    }
  }
}
