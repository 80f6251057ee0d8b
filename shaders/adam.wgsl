// Adam with decoupled weight decay and clipping by the global norm, over flat buffers of 4-vectors.
//
//   norm      = inverse_scale sqrt(sum g^2) over all parameters, g being gradients of 1 / inverse_scale times the loss
//   clip      = min(1, max_norm / (norm + 1e-6))                                   (1 where max_norm is 0: no clipping)
//   factor    = clip inverse_scale
//   m         = beta1 m + (1 - beta1) factor g
//   v         = beta2 v + (1 - beta2) (factor g)^2
//   parameter = decay parameter - step_size m / (sqrt(v) inverse_sqrt_bias2 + epsilon)
//
// with decay = 1 - lr weight_decay, step_size = lr / (1 - beta1^t), inverse_sqrt_bias2 = 1 / sqrt(1 - beta2^t): PyTorch's
// AdamW and clip_grad_norm_. What changes from step to step comes in a small tensor that the host writes.
//
//   square_sums   one lane adds the squares of `per_lane` vectors, a workgroup apart; no barriers
//   finish_norm   one workgroup adds the lanes' sums in a fixed order (strided, then a tree) and writes the status
//   update        PER_LANE vectors a lane, a workgroup apart
//
// Where the norm or the loss is not finite, parameters, m and v stay as they were and the status says so.

const LANES = 64u;
const PER_LANE = 4u; // @spec

struct StepScalars {
  step_size: f32,
  inverse_sqrt_bias2: f32,
  decay: f32,
  inverse_scale: f32,
}

struct Status {
  grad_norm: f32,
  clip: f32,
  // 1 where this step's gradient or loss was not finite
  skipped: f32,
  // how many such steps there were
  skipped_steps: f32,
  loss: f32,
  // what the gradients are multiplied by: clip and inverse_scale
  factor: f32,
}

// ---- norm

struct SquareParams {
  vectors: u32,
  per_lane: u32,
}

@group(0) @binding(0) var<storage, read_write> norm_grads: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> square_partials: array<f32>;
@group(0) @binding(2) var<uniform> square_params: SquareParams;

@compute @workgroup_size(LANES)
fn square_sums(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var sum = vec4f(0.0);
  for (var k = 0u; k < square_params.per_lane; k++) {
    let i = (group.x * square_params.per_lane + k) * LANES + lane;
    if (i >= square_params.vectors) {
      break;
    }
    let g = norm_grads[i];
    sum += g * g;
  }
  square_partials[group.x * LANES + lane] = dot(sum, vec4f(1.0));
}

const FINISH_LANES = 256u;

struct FinishParams {
  partials: u32,
  max_norm: f32,
}

@group(0) @binding(0) var<storage, read_write> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> loss: array<f32>;
@group(0) @binding(2) var<storage, read_write> norm_scalars: StepScalars;
@group(0) @binding(3) var<storage, read_write> written_status: Status;
@group(0) @binding(4) var<uniform> finish_params: FinishParams;

var<workgroup> tree: array<f32, FINISH_LANES>;

// By bits: a compiler may assume that floats are finite.
fn is_finite(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}

@compute @workgroup_size(FINISH_LANES)
fn finish_norm(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var i = lane; i < finish_params.partials; i += FINISH_LANES) {
    sum += partials[i];
  }
  tree[lane] = sum;
  workgroupBarrier();
  for (var half = FINISH_LANES / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      tree[lane] += tree[lane + half];
    }
    workgroupBarrier();
  }
  if (lane == 0u) {
    let norm = sqrt(tree[0]) * norm_scalars.inverse_scale;
    let skip = !is_finite(norm) || !is_finite(loss[0]);
    written_status.grad_norm = norm;
    let clip = select(1.0, min(1.0, finish_params.max_norm / (norm + 1e-6)), finish_params.max_norm > 0.0);
    written_status.clip = clip;
    written_status.factor = clip * norm_scalars.inverse_scale;
    written_status.skipped = select(0.0, 1.0, skip);
    written_status.skipped_steps += select(0.0, 1.0, skip);
    written_status.loss = loss[0];
  }
}

// ---- update

struct UpdateParams {
  vectors: u32,
  groups_x: u32,
  beta1: f32,
  beta2: f32,
  // 1 - beta, rounded once: in 32 bits 1 - 0.999 is off by 1e-5.
  rest1: f32,
  rest2: f32,
  epsilon: f32,
}

@group(0) @binding(0) var<storage, read_write> parameters: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> grads: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> scalars: StepScalars;
@group(0) @binding(5) var<storage, read_write> status: Status;
@group(0) @binding(6) var<uniform> update_params: UpdateParams;

@compute @workgroup_size(LANES)
fn update(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  if (status.skipped != 0.0) {
    return;
  }
  let factor = status.factor;
  let base = (group.y * update_params.groups_x + group.x) * LANES * PER_LANE + lane;
  for (var k = 0u; k < PER_LANE; k++) { // @unroll
    let i = base + k * LANES;
    if (i < update_params.vectors) {
      let g = factor * grads[i];
      let m_new = update_params.beta1 * m[i] + update_params.rest1 * g;
      let v_new = update_params.beta2 * v[i] + update_params.rest2 * g * g;
      m[i] = m_new;
      v[i] = v_new;
      parameters[i] = scalars.decay * parameters[i]
        - scalars.step_size * m_new / (sqrt(v_new) * scalars.inverse_sqrt_bias2 + update_params.epsilon);
    }
  }
}
