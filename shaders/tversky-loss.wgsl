// Tversky losses (of which Dice is one) with cross entropy, for labels that exclude one another and for regions.
//
// With P = sum p, R = sum r, I = sum r p of a label (see segmentation-loss.wgsl), misses FN = R - I and false alarms
// FP = P - I, the distance of the Tversky index from 1 is
//   u = (alpha FN + beta FP) / D,    D = I + alpha FN + beta FP + smoothing
// and the loss is the mean of u^gamma over labels and pools. Derivatives:
//   du/dP = beta (I + smoothing) / D^2,    du/dI = -(alpha + beta + (1 - alpha - beta) u) / D
//   du^gamma = gamma max(u, LEAST)^(gamma - 1) du, where LEAST keeps the factor finite for gamma < 1.
// alpha = beta = 1/2 and gamma = 1 give 1 - (2 I + 2 smoothing) / (P + R + 2 smoothing): soft Dice.
//
//   combine           one invocation: the loss and, per item and label, its derivatives by P and by I
//   region_sums       P, R, I and the cross entropy of regions, partial sums per lane, as segmentation-loss.wgsl has
//   region_backward   them for labels: p = sigmoid(z), CE = sum over regions of max(z, 0) - r z + log(1 + exp(-|z|)),
//                     grad z = (on_p + on_rp r) p (1 - p) + cross_entropy (p - r)
//
// Layouts: logits and target [N, LABELS, voxels]; workgroup z = item. Lane is vec4f where the voxels divide by 4. A lane
// takes PER_LANE steps, a workgroup apart. No barriers; sums have a fixed order.

const LABELS = 2u; // @spec
alias Lane = vec4f; // @spec
const FOLD = vec4f(1.0, 1.0, 1.0, 1.0); // @spec
const PER_LANE = 16u; // @spec
const LANES = 64u;
const VALUES = 3u * LABELS + 1u;
// Stride of an item's coefficients: 256 bytes, so that an item can be bound on its own.
const COEFFICIENTS = 64u;

// ---- the sums of regions

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

// sigmoid(z) from e = exp(-|z|), which never overflows.
fn probability(z: Lane, e: Lane) -> Lane {
  return select(e, Lane(1.0), z >= Lane(0.0)) / (1.0 + e);
}

@compute @workgroup_size(LANES)
fn region_sums(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let units = sum_params.units;
  let first = group.z * LABELS * units;
  let first_partial = group.z * VALUES * sum_params.partials + group.x * LANES + lane;
  var sum_ce = Lane(0.0);
  for (var l = 0u; l < LABELS; l++) {
    var sum_p = Lane(0.0);
    var sum_r = Lane(0.0);
    var sum_rp = Lane(0.0);
    // One logarithm for all steps: each factor is at most 2, so PER_LANE = 16 of them stay below 2^16.
    var product = Lane(1.0);
    for (var k = 0u; k < PER_LANE; k++) {
      let i = (group.x * PER_LANE + k) * LANES + lane;
      if (i >= units) {
        break;
      }
      let z = logits[first + l * units + i];
      let r = truth[first + l * units + i];
      let e = exp(-abs(z));
      let p = probability(z, e);
      sum_p += p;
      sum_r += r;
      sum_rp += r * p;
      sum_ce += max(z, Lane(0.0)) - r * z;
      product *= 1.0 + e;
    }
    sum_ce += log(product);
    partials[first_partial + l * sum_params.partials] = fold(sum_p);
    partials[first_partial + (LABELS + l) * sum_params.partials] = fold(sum_r);
    partials[first_partial + (2u * LABELS + l) * sum_params.partials] = fold(sum_rp);
  }
  partials[first_partial + 3u * LABELS * sum_params.partials] = fold(sum_ce);
}

// ---- the loss from the sums, once a step

// 1 - index that gamma < 1 sees at least in the gradient.
const LEAST = 1e-6;

struct CombineParams {
  items: u32,
  items_per_pool: u32,
  labels: u32,
  // 1 leaves out label 0, the background
  first_label: u32,
  alpha: f32,
  beta: f32,
  gamma: f32,
  smoothing: f32,
  overlap: f32,
  cross_entropy: f32,
  // Values that the cross entropy is averaged over
  values: f32,
}

@group(0) @binding(0) var<storage, read_write> sums: array<f32>;
@group(0) @binding(1) var<storage, read_write> loss: array<f32>;
@group(0) @binding(2) var<storage, read_write> coefficients: array<f32>;
@group(0) @binding(3) var<uniform> params: CombineParams;

@compute @workgroup_size(1)
fn combine() {
  let labels = params.labels;
  let stride = 3u * labels + 1u;
  let pools = params.items / params.items_per_pool;
  let share = 1.0 / f32(pools * (labels - params.first_label));
  var overlap = 0.0;
  var entropy = 0.0;
  for (var pool = 0u; pool < pools; pool++) {
    let first = pool * params.items_per_pool;
    let end = first + params.items_per_pool;
    for (var l = 0u; l < labels; l++) {
      var p = 0.0;
      var r = 0.0;
      var rp = 0.0;
      for (var n = first; n < end; n++) {
        p += sums[n * stride + l];
        r += sums[n * stride + labels + l];
        rp += sums[n * stride + 2u * labels + l];
      }
      let distance = params.alpha * max(r - rp, 0.0) + params.beta * max(p - rp, 0.0);
      let whole = rp + distance + params.smoothing;
      let u = distance / whole;
      var on_p = 0.0;
      var on_rp = 0.0;
      if (l >= params.first_label) {
        var factor = share;
        if (params.gamma == 1.0) {
          overlap += share * u;
        } else {
          overlap += share * select(0.0, pow(u, params.gamma), u > 0.0);
          factor *= params.gamma * pow(max(u, LEAST), params.gamma - 1.0);
        }
        let both = params.alpha + params.beta;
        on_p = factor * params.beta * ((rp + params.smoothing) / whole) / whole;
        on_rp = -factor * (both + (1.0 - both) * u) / whole;
      }
      for (var n = first; n < end; n++) {
        coefficients[n * COEFFICIENTS + l] = params.overlap * on_p;
        coefficients[n * COEFFICIENTS + labels + l] = params.overlap * on_rp;
      }
    }
    for (var n = first; n < end; n++) {
      entropy += sums[n * stride + 3u * labels];
    }
  }
  loss[0] = params.overlap * overlap + params.cross_entropy * entropy / params.values;
}

// ---- the gradient of regions

struct BackwardParams {
  units: u32,
  accumulate: u32,
  // Weight of the cross entropy / values that it is averaged over
  cross_entropy: f32,
}

@group(0) @binding(0) var<storage, read_write> saved_logits: array<Lane>;
@group(0) @binding(1) var<storage, read_write> saved_truth: array<Lane>;
@group(0) @binding(2) var<storage, read_write> saved_coefficients: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_output: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad_logits: array<Lane>;
@group(0) @binding(5) var<uniform> backward_params: BackwardParams;

@compute @workgroup_size(LANES)
fn region_backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let units = backward_params.units;
  let first = group.z * LABELS * units;
  let scale = grad_output[0];
  let cross_entropy = scale * backward_params.cross_entropy;
  for (var l = 0u; l < LABELS; l++) {
    let on_p = scale * saved_coefficients[group.z * COEFFICIENTS + l];
    let on_rp = scale * saved_coefficients[group.z * COEFFICIENTS + LABELS + l];
    for (var k = 0u; k < PER_LANE; k++) {
      let i = (group.x * PER_LANE + k) * LANES + lane;
      if (i >= units) {
        break;
      }
      let at = first + l * units + i;
      let z = saved_logits[at];
      let r = saved_truth[at];
      let e = exp(-abs(z));
      let p = probability(z, e);
      // p (1 - p) without the cancellation of 1 - p
      let slope = e / ((1.0 + e) * (1.0 + e));
      var grad = slope * (on_p + on_rp * r) + cross_entropy * (p - r);
      if (backward_params.accumulate != 0u) {
        grad += grad_logits[at];
      }
      grad_logits[at] = grad;
    }
  }
}
