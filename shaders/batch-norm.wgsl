// Batch normalisation with a fused (leaky) ReLU. M = batch * voxels values a channel.
//
//   statistics            mean and sum of squared deviations of what each lane reads
//   finish_statistics     combines them: mean, 1 / sqrt(var + eps); moves the running statistics
//   evaluation_statistics the same pair from the running statistics
//   forward               output = f((input - mean) * invstd * weight + bias), f(y) = y > 0 ? y : slope * y
//   backward_sums         partial sums of g and g * xhat, g = grad_output * f'(y), xhat = (input - mean) * invstd
//   finish_sums           combines them in fixed order
//   backward_input        training:   weight * invstd * (g - sum(g) / M - xhat * sum(g * xhat) / M)
//                         evaluation: weight * invstd * g
//   backward_parameter    grad_weight = sum(g * xhat), grad_bias = sum(g)
//
// Layout: activations [batch, channels, voxels] walked as `real`, vec4f if voxels is a multiple of 4.
// Mapping: workgroup.y is the channel (from first_channel on), workgroup.z the sample; lanes are neighbours in memory; no division. Loops stay
// rolled: unrolled they were no faster on any software driver, and took several times as long to compile.
// Stability: a lane shifts by the mean of its own first SHIFT_ITEMS values. They are a fixed share of what it reads, so the
// shifted sum of squares loses at most that factor, whatever the data. Lanes are combined by Chan's formula.
// Barriers: only the two finish kernels, one each. They are dear on software drivers; the lanes' partial results
// go through memory instead (under 1 % of the traffic).

alias real = f32; // @spec
// What the input, the output and the gradient of each are stored as, as many elements as `real` holds.
alias Input = real; // @spec
alias Output = real; // @spec
const WIDTH = 1u; // @spec
const LANES = 64u;
// Items that a lane's shift is the mean of.
const SHIFT_ITEMS = 8u;
// Of the two finish kernels: on software drivers a lane costs as much as a workgroup's worth of loads.
const FINISH_LANES = 16u; // @spec
// 1: gradients are added to what is there.
const ACCUMULATE = 0u; // @spec

struct Params {
  items: u32,      // of `real`, in one channel of one sample
  channels: u32,
  samples: u32,
  per_lane: u32,   // items of a lane
  partials: u32,   // lanes of these kernels in one channel of one sample
  column: u32,     // of sums: 0 sum(g), 1 sum(g * xhat)
  count: f32,      // M
  slope: f32,
  eps: f32,
  momentum: f32,
  first_channel: u32,   // that workgroup.y = 0 stands for: activations and partials may be bound from a later one on
}

// Mean over the components; a scalar is splatted, so the result is the scalar itself, exactly.
fn component_mean(v: real) -> f32 {
  return dot(vec4f(v), vec4f(0.25));
}

@group(0) @binding(0) var<storage, read_write> stat_input: array<Input>;
// [samples, channels, 3, partials]: count, mean, sum of squared deviations.
@group(0) @binding(1) var<storage, read_write> stat_partials: array<f32>;
@group(0) @binding(2) var<uniform> stat_params: Params;

@compute @workgroup_size(LANES)
fn statistics(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let items = stat_params.items;
  let row = group.z * stat_params.channels + group.y;
  let base = row * items;
  let first = group.x * stat_params.per_lane * LANES + lane;
  let end = min(items, (group.x + 1u) * stat_params.per_lane * LANES);
  var shift = real(0.0);
  for (var i = first; i < min(end, first + SHIFT_ITEMS * LANES); i += LANES) {
    shift += real(stat_input[base + i]);
  }
  let present = (max(end, first) - first + LANES - 1u) / LANES;
  let n = f32(present);
  shift = shift / f32(max(1u, min(present, SHIFT_ITEMS)));
  var sum = real(0.0);
  var squares = real(0.0);
  for (var i = first; i < end; i += LANES) {
    let d = real(stat_input[base + i]) - shift;
    sum += d;
    squares += d * d;
  }
  let offset = sum / max(n, 1.0);
  let means = shift + offset;
  let mean = component_mean(means);
  let spread = means - mean;
  let deviation = squares - sum * offset + spread * spread * n;
  let p = row * 3u * stat_params.partials + group.x * LANES + lane;
  stat_partials[p] = n * f32(WIDTH);
  stat_partials[p + stat_params.partials] = mean;
  stat_partials[p + 2u * stat_params.partials] = component_mean(deviation) * f32(WIDTH);
}

// count, mean, sum of squared deviations of two sets together (Chan, Golub and LeVeque 1983).
fn combine(a: vec3f, b: vec3f) -> vec3f {
  let n = a.x + b.x;
  let d = b.y - a.y;
  let share = b.x / max(n, 1.0);
  return vec3f(n, a.y + d * share, a.z + b.z + d * d * a.x * share);
}

@group(0) @binding(0) var<storage, read_write> finish_partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> running_var: array<f32>;
// [channels, 2]: mean, 1 / sqrt(var + eps).
@group(0) @binding(3) var<storage, read_write> finish_statistics_out: array<f32>;
@group(0) @binding(4) var<uniform> finish_params: Params;

var<workgroup> lane_statistics: array<vec3f, FINISH_LANES>;

@compute @workgroup_size(FINISH_LANES)
fn finish_statistics(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let channel = group.x;
  let stride = finish_params.partials;
  var total = vec3f(0.0);
  for (var sample = 0u; sample < finish_params.samples; sample++) {
    let base = (sample * finish_params.channels + channel) * 3u * stride;
    for (var i = lane; i < stride; i += FINISH_LANES) {
      let p = base + i;
      total = combine(
        total,
        vec3f(finish_partials[p], finish_partials[p + stride], finish_partials[p + 2u * stride]),
      );
    }
  }
  lane_statistics[lane] = total;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < FINISH_LANES; i++) {
      total = combine(total, lane_statistics[i]);
    }
    let momentum = finish_params.momentum;
    let count = finish_params.count;
    running_mean[channel] = (1.0 - momentum) * running_mean[channel] + momentum * total.y;
    running_var[channel] = (1.0 - momentum) * running_var[channel] + momentum * (total.z / (count - 1.0));
    finish_statistics_out[channel * 2u] = total.y;
    finish_statistics_out[channel * 2u + 1u] = 1.0 / sqrt(total.z / count + finish_params.eps);
  }
}

@group(0) @binding(0) var<storage, read_write> stored_mean: array<f32>;
@group(0) @binding(1) var<storage, read_write> stored_var: array<f32>;
@group(0) @binding(2) var<storage, read_write> evaluation_out: array<f32>;
@group(0) @binding(3) var<uniform> evaluation_params: Params;

@compute @workgroup_size(LANES)
fn evaluation_statistics(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < evaluation_params.channels) {
    evaluation_out[id.x * 2u] = stored_mean[id.x];
    evaluation_out[id.x * 2u + 1u] = 1.0 / sqrt(stored_var[id.x] + evaluation_params.eps);
  }
}

@group(0) @binding(0) var<storage, read_write> input: array<Input>;
@group(0) @binding(1) var<storage, read_write> forward_statistics: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<Output>;
@group(0) @binding(5) var<uniform> forward_params: Params;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let channel = forward_params.first_channel + group.y;
  let items = forward_params.items;
  let base = (group.z * forward_params.channels + group.y) * items;
  let mean = forward_statistics[channel * 2u];
  let scale = forward_statistics[channel * 2u + 1u] * weight[channel];
  let offset = bias[channel];
  let end = min(items, (group.x + 1u) * forward_params.per_lane * LANES);
  for (var i = group.x * forward_params.per_lane * LANES + lane; i < end; i += LANES) {
    let y = (real(input[base + i]) - mean) * scale + offset;
    output[base + i] = Output(select(y * forward_params.slope, y, y > real(0.0)));
  }
}

@group(0) @binding(0) var<storage, read_write> sums_input: array<Input>;
@group(0) @binding(1) var<storage, read_write> sums_grad_output: array<Output>;
@group(0) @binding(2) var<storage, read_write> sums_statistics: array<f32>;
@group(0) @binding(3) var<storage, read> sums_weight: array<f32>;
@group(0) @binding(4) var<storage, read> sums_bias: array<f32>;
// [samples, channels, 2, partials]: sum(g), sum(g * xhat).
@group(0) @binding(5) var<storage, read_write> sums_partials: array<f32>;
@group(0) @binding(6) var<uniform> sums_params: Params;

@compute @workgroup_size(LANES)
fn backward_sums(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let channel = sums_params.first_channel + group.y;
  let items = sums_params.items;
  let row = group.z * sums_params.channels + group.y;
  let base = row * items;
  let mean = sums_statistics[channel * 2u];
  let invstd = sums_statistics[channel * 2u + 1u];
  let scale = invstd * sums_weight[channel];
  let offset = sums_bias[channel];
  let end = min(items, (group.x + 1u) * sums_params.per_lane * LANES);
  var sum = real(0.0);
  var product = real(0.0);
  for (var i = group.x * sums_params.per_lane * LANES + lane; i < end; i += LANES) {
    let d = real(sums_input[base + i]) - mean;
    let up = real(sums_grad_output[base + i]);
    let g = select(up * sums_params.slope, up, d * scale + offset > real(0.0));
    sum += g;
    product += g * d;
  }
  let p = row * 2u * sums_params.partials + group.x * LANES + lane;
  sums_partials[p] = component_mean(sum) * f32(WIDTH);
  sums_partials[p + sums_params.partials] = component_mean(product) * f32(WIDTH) * invstd;
}

@group(0) @binding(0) var<storage, read_write> finish_sums_partials: array<f32>;
// [channels, 2]
@group(0) @binding(1) var<storage, read_write> sums_out: array<f32>;
@group(0) @binding(2) var<uniform> finish_sums_params: Params;

var<workgroup> lane_sums: array<vec2f, FINISH_LANES>;

@compute @workgroup_size(FINISH_LANES)
fn finish_sums(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let channel = group.x;
  let stride = finish_sums_params.partials;
  var total = vec2f(0.0);
  for (var sample = 0u; sample < finish_sums_params.samples; sample++) {
    let base = (sample * finish_sums_params.channels + channel) * 2u * stride;
    for (var i = lane; i < stride; i += FINISH_LANES) {
      total += vec2f(finish_sums_partials[base + i], finish_sums_partials[base + stride + i]);
    }
  }
  lane_sums[lane] = total;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < FINISH_LANES; i++) {
      total += lane_sums[i];
    }
    sums_out[channel * 2u] = total.x;
    sums_out[channel * 2u + 1u] = total.y;
  }
}

@group(0) @binding(0) var<storage, read_write> back_input: array<Input>;
@group(0) @binding(1) var<storage, read_write> back_grad_output: array<Output>;
@group(0) @binding(2) var<storage, read_write> back_statistics: array<f32>;
@group(0) @binding(3) var<storage, read_write> back_sums: array<f32>;
@group(0) @binding(4) var<storage, read> back_weight: array<f32>;
@group(0) @binding(5) var<storage, read> back_bias: array<f32>;
@group(0) @binding(6) var<storage, read_write> grad_input: array<Input>;
@group(0) @binding(7) var<uniform> back_params: Params;

@compute @workgroup_size(LANES)
fn backward_input(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let channel = back_params.first_channel + group.y;
  let items = back_params.items;
  let base = (group.z * back_params.channels + group.y) * items;
  let mean = back_statistics[channel * 2u];
  let invstd = back_statistics[channel * 2u + 1u];
  let scale = invstd * back_weight[channel];
  let offset = back_bias[channel];
  let mean_g = back_sums[channel * 2u] / back_params.count;
  let slope_g = back_sums[channel * 2u + 1u] * invstd / back_params.count;
  let end = min(items, (group.x + 1u) * back_params.per_lane * LANES);
  for (var i = group.x * back_params.per_lane * LANES + lane; i < end; i += LANES) {
    let d = real(back_input[base + i]) - mean;
    let up = real(back_grad_output[base + i]);
    let g = select(up * back_params.slope, up, d * scale + offset > real(0.0));
    var result = (g - mean_g - d * slope_g) * scale;
    if (ACCUMULATE != 0u) {
      result += real(grad_input[base + i]);
    }
    grad_input[base + i] = Input(result);
  }
}

@group(0) @binding(0) var<storage, read_write> eval_input: array<Input>;
@group(0) @binding(1) var<storage, read_write> eval_grad_output: array<Output>;
@group(0) @binding(2) var<storage, read_write> eval_statistics: array<f32>;
@group(0) @binding(3) var<storage, read> eval_weight: array<f32>;
@group(0) @binding(4) var<storage, read> eval_bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> eval_grad_input: array<Input>;
@group(0) @binding(6) var<uniform> eval_params: Params;

@compute @workgroup_size(LANES)
fn backward_input_evaluation(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let channel = eval_params.first_channel + group.y;
  let items = eval_params.items;
  let base = (group.z * eval_params.channels + group.y) * items;
  let mean = eval_statistics[channel * 2u];
  let scale = eval_statistics[channel * 2u + 1u] * eval_weight[channel];
  let offset = eval_bias[channel];
  let end = min(items, (group.x + 1u) * eval_params.per_lane * LANES);
  for (var i = group.x * eval_params.per_lane * LANES + lane; i < end; i += LANES) {
    let y = (real(eval_input[base + i]) - mean) * scale + offset;
    let up = real(eval_grad_output[base + i]);
    var result = select(up * eval_params.slope, up, y > real(0.0)) * scale;
    if (ACCUMULATE != 0u) {
      result += real(eval_grad_input[base + i]);
    }
    eval_grad_input[base + i] = Input(result);
  }
}

@group(0) @binding(0) var<storage, read_write> parameter_sums: array<f32>;
@group(0) @binding(1) var<storage, read_write> grad_parameter: array<f32>;
@group(0) @binding(2) var<uniform> parameter_params: Params;

@compute @workgroup_size(LANES)
fn backward_parameter(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < parameter_params.channels) {
    var result = parameter_sums[id.x * 2u + parameter_params.column];
    if (ACCUMULATE != 0u) {
      result += grad_parameter[id.x];
    }
    grad_parameter[id.x] = result;
  }
}
