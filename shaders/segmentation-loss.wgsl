// Overlap losses (generalised Dice, Dice, the printed one), a TPR term and cross entropy, on the softmax of logits.
//
// With p = softmax(logits) over labels and r = target probabilities (r of label 0 = 1 - the sum of the others), all of
// these are functions of P = sum p, R = sum r, I = sum r p per label, and of CE = sum -r log p. So the gradient with
// respect to p[label] at a voxel is on_p[label] + on_rp[label] * r, with coefficients that do not depend on the voxel:
//
//   partial_sums   one lane sums PER_LANE steps of its item into P, R, I, CE; no barriers (they are dear on software)
//   total_sums     (label-sums.wgsl) adds the lanes' partials in a fixed order
//   combine        one invocation: loss, its parts, and the coefficients
//   backward       reads logits and targets once:
//                  grad p_k = on_p[k] + on_rp[k] r_k
//                  grad z_k = p_k (grad p_k - sum_l p_l grad p_l) + cross_entropy / voxels (p_k - r_k)
//
// With SIGMOID, labels are regions that may overlap: p = sigmoid(logits), each region has a target of its own, CE is the sum
// of -r log p - (1 - r) log(1 - p) over regions, and grad z_k = grad p_k p_k (1 - p_k) + cross_entropy / values (p_k - r_k).
// Its sums feed shaders/tversky-loss.wgsl.
//
// logits [N, LABELS, voxels], target [N, TARGETS, voxels]; workgroup z = item. Lane is vec4f where the number of
// voxels divides by 4 (five times the throughput of scalars on software drivers), else f32.

const LABELS = 2u; // @spec
// 1: regions with a sigmoid each, in place of a softmax over labels.
const SIGMOID = 0u; // @spec
const TARGETS = LABELS - 1u + SIGMOID;
alias Lane = vec4f; // @spec
const FOLD = vec4f(1.0, 1.0, 1.0, 1.0); // @spec
const PER_LANE = 16u; // @spec
const LANES = 64u;
const VALUES = 3u * LABELS + 1u;
// Stride of an item's coefficients: 256 bytes, so that an item can be bound on its own.
const COEFFICIENTS = 64u;

fn highest(z: array<Lane, LABELS>) -> Lane {
  var most = z[0];
  for (var l = 1u; l < LABELS; l++) { // @unroll
    most = max(most, z[l]);
  }
  return most;
}

// exp(z - highest): 1 for the higher of two labels, which then need one exponential.
fn exponentials(z: array<Lane, LABELS>) -> array<Lane, LABELS> {
  var e = z;
  if (LABELS == 2u) {
    let lower = exp(-abs(z[1] - z[0]));
    let second_is_higher = z[1] > z[0];
    e[0] = select(Lane(1.0), lower, second_is_higher);
    e[1] = select(lower, Lane(1.0), second_is_higher);
  } else {
    let most = highest(z);
    for (var l = 0u; l < LABELS; l++) { // @unroll
      e[l] = exp(z[l] - most);
    }
  }
  return e;
}

// ---- pass 1

struct SumParams {
  units: u32,
  partials: u32,
}

@group(0) @binding(0) var<storage, read_write> logits: array<Lane>;
@group(0) @binding(1) var<storage, read_write> truth: array<Lane>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;
@group(0) @binding(3) var<uniform> sum_params: SumParams;

fn fold(x: Lane) -> f32 {
  return dot(vec4f(x), FOLD);
}

@compute @workgroup_size(LANES)
fn partial_sums(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let units = sum_params.units;
  let first_logit = group.z * LABELS * units;
  let first_truth = group.z * (LABELS - 1u) * units;
  var sum_p: array<Lane, LABELS>;
  var sum_r: array<Lane, LABELS>;
  var sum_rp: array<Lane, LABELS>;
  // The targets of a voxel sum to 1, so its cross entropy is log(total) + sum r (highest - z); of all steps one logarithm
  // is taken. A total is at most LABELS <= 32: PER_LANE = 16 of them stay below 2^80.
  var sum_ce = Lane(0.0);
  var product = Lane(1.0);
  for (var k = 0u; k < PER_LANE; k++) {
    let i = (group.x * PER_LANE + k) * LANES + lane;
    if (i >= units) {
      break;
    }
    var z: array<Lane, LABELS>;
    var r: array<Lane, LABELS>;
    z[0] = logits[first_logit + i];
    r[0] = Lane(1.0);
    for (var l = 1u; l < LABELS; l++) { // @unroll
      z[l] = logits[first_logit + l * units + i];
      r[l] = truth[first_truth + (l - 1u) * units + i];
      r[0] -= r[l];
    }
    let e = exponentials(z);
    let most = highest(z);
    var total = Lane(0.0);
    for (var l = 0u; l < LABELS; l++) { // @unroll
      total += e[l];
    }
    product *= total;
    for (var l = 0u; l < LABELS; l++) { // @unroll
      let p = e[l] / total;
      sum_p[l] += p;
      sum_r[l] += r[l];
      sum_rp[l] += r[l] * p;
      sum_ce += r[l] * (most - z[l]);
    }
  }
  let first = group.z * VALUES * sum_params.partials + group.x * LANES + lane;
  for (var l = 0u; l < LABELS; l++) { // @unroll
    partials[first + l * sum_params.partials] = fold(sum_p[l]);
    partials[first + (LABELS + l) * sum_params.partials] = fold(sum_r[l]);
    partials[first + (2u * LABELS + l) * sum_params.partials] = fold(sum_rp[l]);
  }
  partials[first + 3u * LABELS * sum_params.partials] = fold(sum_ce + log(product));
}

// ---- the loss from the sums, once a step

const GENERALIZED_DICE = 0u;
const DICE = 1u;
const LITERAL = 2u;
const SQUARE = 0u;
const SIMPLE = 1u;
const TPR_OFF = 0u;
const ONE_MINUS_TPR = 1u;
const PLUS_TPR = 2u;
// Less truth than half a voxel is none: what rounding leaves of 1 - sum(foreground) must not get a weight of 1 / 0.01^2.
const LEAST_TRUTH = 0.5;

struct CombineParams {
  items: u32,
  items_per_pool: u32,
  loss: u32,
  weights: u32,
  tpr: u32,
  tpr_weight: f32,
  cross_entropy: f32,
  smoothing: f32,
  voxels: f32,
}

@group(0) @binding(0) var<storage, read_write> sums: array<f32>;
@group(0) @binding(1) var<storage, read_write> loss: array<f32>;
@group(0) @binding(2) var<storage, read_write> parts: array<f32>;
@group(0) @binding(3) var<storage, read_write> coefficients: array<f32>;
@group(0) @binding(4) var<uniform> combine_params: CombineParams;

@compute @workgroup_size(1)
fn combine() {
  let items = combine_params.items;
  let pools = items / combine_params.items_per_pool;
  let share = 1.0 / f32(pools);
  let per_label = 1.0 / f32(LABELS - 1u);
  let smoothing = combine_params.smoothing;
  var overlap_term = 0.0;
  var tpr_term = 0.0;
  var ce = 0.0;
  for (var pool = 0u; pool < pools; pool++) {
    let first_item = pool * combine_params.items_per_pool;
    // Initialised in so many words: in a loop, some compilers keep what the round before left.
    var p = array<f32, LABELS>();
    var r = array<f32, LABELS>();
    var rp = array<f32, LABELS>();
    for (var n = 0u; n < combine_params.items_per_pool; n++) {
      let first = (first_item + n) * VALUES;
      for (var l = 0u; l < LABELS; l++) { // @unroll
        p[l] += sums[first + l];
        r[l] += sums[first + LABELS + l];
        rp[l] += sums[first + 2u * LABELS + l];
      }
      ce += sums[first + 3u * LABELS];
    }
    var on_p = array<f32, LABELS>();
    var on_rp = array<f32, LABELS>();
    if (combine_params.loss == GENERALIZED_DICE) {
      // The ratio does not change when all weights are scaled, so they are taken relative to the largest.
      var w = array<f32, LABELS>();
      var largest = 0.0;
      for (var l = 0u; l < LABELS; l++) { // @unroll
        w[l] = 0.0;
        if (r[l] >= LEAST_TRUTH) {
          w[l] = select(select(1.0, 1.0 / r[l], combine_params.weights == SIMPLE), 1.0 / (r[l] * r[l]), combine_params.weights == SQUARE);
        }
        largest = max(largest, w[l]);
      }
      var numerator = smoothing;
      var denominator = smoothing;
      for (var l = 0u; l < LABELS; l++) { // @unroll
        w[l] = select(1.0, w[l] / largest, w[l] > 0.0);
        numerator += 2.0 * w[l] * rp[l];
        denominator += w[l] * (p[l] + r[l]);
      }
      let ratio = numerator / denominator;
      overlap_term += share * (1.0 - ratio);
      for (var l = 0u; l < LABELS; l++) { // @unroll
        on_p[l] = w[l] * ratio / denominator;
        on_rp[l] = -2.0 * w[l] / denominator;
      }
    } else {
      for (var l = 1u; l < LABELS; l++) { // @unroll
        var ratio = 0.0;
        if (combine_params.loss == DICE) {
          let denominator = p[l] + r[l] + smoothing;
          ratio = (2.0 * rp[l] + smoothing) / denominator;
          on_p[l] = per_label * ratio / denominator;
          on_rp[l] = -2.0 * per_label / denominator;
        } else if (r[l] >= LEAST_TRUTH) {
          // 2 w I / (w R + P) with w = 1 / R^2, both multiplied by R^2.
          let square = r[l] * r[l];
          let denominator = r[l] + square * p[l];
          ratio = 2.0 * rp[l] / denominator;
          on_p[l] = per_label * ratio * (square / denominator);
          on_rp[l] = -2.0 * per_label / denominator;
        }
        overlap_term += share * per_label * (1.0 - ratio);
      }
    }
    if (combine_params.tpr != TPR_OFF) {
      let factor = select(-1.0, 2.0, combine_params.tpr == PLUS_TPR);
      for (var l = 1u; l < LABELS; l++) { // @unroll
        if (r[l] >= LEAST_TRUTH) {
          let offset = select(0.0, 1.0, combine_params.tpr == ONE_MINUS_TPR);
          tpr_term += share * per_label * (offset + factor * rp[l] / r[l]);
          on_rp[l] += combine_params.tpr_weight * per_label * factor / r[l];
        }
      }
    }
    for (var n = 0u; n < combine_params.items_per_pool; n++) {
      let first = (first_item + n) * COEFFICIENTS;
      for (var l = 0u; l < LABELS; l++) { // @unroll
        coefficients[first + l] = share * on_p[l];
        coefficients[first + LABELS + l] = share * on_rp[l];
      }
    }
  }
  ce /= combine_params.voxels;
  parts[0] = overlap_term;
  parts[1] = tpr_term;
  parts[2] = ce;
  loss[0] = overlap_term + combine_params.tpr_weight * tpr_term + combine_params.cross_entropy * ce;
}

// ---- gradient

struct BackwardParams {
  units: u32,
  accumulate: u32,
  // Weight of the cross entropy / voxels of the batch
  cross_entropy: f32,
}

@group(0) @binding(0) var<storage, read_write> saved_logits: array<Lane>;
@group(0) @binding(1) var<storage, read_write> saved_truth: array<Lane>;
@group(0) @binding(2) var<storage, read_write> saved_coefficients: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_output: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad_logits: array<Lane>;
@group(0) @binding(5) var<uniform> backward_params: BackwardParams;

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let units = backward_params.units;
  let first_logit = group.z * LABELS * units;
  let first_truth = group.z * (LABELS - 1u) * units;
  let scale = grad_output[0];
  let cross_entropy = scale * backward_params.cross_entropy;
  var on_p: array<f32, LABELS>;
  var on_rp: array<f32, LABELS>;
  for (var l = 0u; l < LABELS; l++) { // @unroll
    on_p[l] = scale * saved_coefficients[group.z * COEFFICIENTS + l];
    on_rp[l] = scale * saved_coefficients[group.z * COEFFICIENTS + LABELS + l];
  }
  for (var k = 0u; k < PER_LANE; k++) {
    let i = (group.x * PER_LANE + k) * LANES + lane;
    if (i >= units) {
      break;
    }
    var p: array<Lane, LABELS>;
    var r: array<Lane, LABELS>;
    p[0] = saved_logits[first_logit + i];
    r[0] = Lane(1.0);
    for (var l = 1u; l < LABELS; l++) { // @unroll
      p[l] = saved_logits[first_logit + l * units + i];
      r[l] = saved_truth[first_truth + (l - 1u) * units + i];
      r[0] -= r[l];
    }
    p = exponentials(p);
    var total = Lane(0.0);
    for (var l = 0u; l < LABELS; l++) { // @unroll
      total += p[l];
    }
    var mean = Lane(0.0);
    for (var l = 0u; l < LABELS; l++) { // @unroll
      p[l] /= total;
      mean += p[l] * (on_p[l] + on_rp[l] * r[l]);
    }
    for (var l = 0u; l < LABELS; l++) { // @unroll
      let at = first_logit + l * units + i;
      var grad = p[l] * (on_p[l] + on_rp[l] * r[l] - mean) + cross_entropy * (p[l] - r[l]);
      if (backward_params.accumulate != 0u) {
        grad += grad_logits[at];
      }
      grad_logits[at] = grad;
    }
  }
}
