// Group normalisation with a fused (leaky) ReLU; instance normalisation if each channel is a group of its own.
// M = values of a group in one sample.
//
//   statistics         mean and sum of squared deviations of each workgroup's part of a channel of a sample
//   finish_statistics  combines a group's: mean, 1 / sqrt(var + eps), var biased
//   forward            output = f((input - mean) * invstd * weight + bias), f(y) = y > 0 ? y : slope * y
//   backward_sums      sums of g and g * xhat of each workgroup's part, g = grad_output * f'(y),
//                      xhat = (input - mean) * invstd
//   finish_sums        combines a group's, each channel's times its weight, and divides by M
//   backward_input     invstd * (weight * g - sum(weight * g) / M - xhat * sum(weight * g * xhat) / M)
//   backward_parameter over samples and parts: grad_weight = sum(g * xhat), grad_bias = sum(g)
//
// Layout: activations [samples, channels, voxels] walked as `real`, vec4f if voxels is a multiple of 4.
// Mapping: workgroup.y is the channel (from first_channel on), workgroup.z the sample; lanes are neighbours in memory.
// Reductions: a lane has LOADS independent loads in flight; a workgroup adds its lanes' sums up in workgroup memory, by
// halves, and leaves one partial. There are at most 32 workgroups per channel of a sample, so at most 32 partials.
// Every order is fixed. Barriers: one for each halving. If a workgroup is enough for a channel that is a group of its
// own (ALONE), there is nothing to combine: the sums are the group's, and neither finish kernel runs.
// Stability: a lane shifts by the mean of the first values that it reads, so the sum of squares stays near the
// deviations whatever the mean. Parts are combined by Chan's formula.

alias real = f32; // @spec
// What the input, the output and the gradient of each are stored as, as many elements as `real` holds.
alias Input = real; // @spec
alias Output = real; // @spec
const WIDTH = 1u; // @spec
// Of the elementwise kernels, and of the reductions.
const LANES = 64u;
const SUM_LANES = 64u; // @spec
// Independent loads of a lane: a GPU waits for them together, a software driver only spills them.
const LOADS = 4u; // @spec
// Items that a lane's shift is the mean of.
const SHIFT_ITEMS = 8u;
// 1: a group is a channel, and a workgroup adds it up.
const ALONE = 0u; // @spec
// 1: gradients are added to what is there.
const ACCUMULATE = 0u; // @spec

struct Params {
  items: u32,          // of `real`, in one channel of one sample
  channels: u32,
  per_group: u32,      // channels of a group
  samples: u32,
  per_lane: u32,       // items of a lane
  partials: u32,       // workgroups of a reduction in one channel of one sample
  column: u32,         // of the parameters' gradients: 0 bias, 1 weight
  count: f32,          // M
  slope: f32,
  eps: f32,
  first_channel: u32,  // that workgroup.y = 0 stands for: activations and partials may be bound from a later one on
}

// Mean over the components; a scalar is splatted, so the result is the scalar itself, exactly.
fn component_mean(v: real) -> f32 {
  return dot(vec4f(v), vec4f(0.25));
}

// count, mean, sum of squared deviations of two sets together (Chan, Golub and LeVeque 1983).
fn combine(a: vec3f, b: vec3f) -> vec3f {
  let n = a.x + b.x;
  let d = b.y - a.y;
  let share = b.x / max(n, 1.0);
  return vec3f(n, a.y + d * share, a.z + b.z + d * d * a.x * share);
}

// 1 / sqrt(var + eps) of a group's count, mean and sum of squared deviations.
fn inverse_deviation(total: vec3f, p: Params) -> f32 {
  return 1.0 / sqrt(total.z / p.count + p.eps);
}

var<workgroup> lane_statistics: array<vec3f, SUM_LANES>;
var<workgroup> lane_sums: array<vec2f, SUM_LANES>;

// All lanes' statistics together, in lane 0.
fn combined(own: vec3f, lane: u32) -> vec3f {
  var total = own;
  lane_statistics[lane] = total;
  for (var half = SUM_LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      total = combine(total, lane_statistics[lane + half]);
      lane_statistics[lane] = total;
    }
  }
  return total;
}

// All lanes' sums, in lane 0.
fn summed(own: vec2f, lane: u32) -> vec2f {
  var total = own;
  lane_sums[lane] = total;
  for (var half = SUM_LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      total += lane_sums[lane + half];
      lane_sums[lane] = total;
    }
  }
  return total;
}

@group(0) @binding(0) var<storage, read_write> stat_input: array<Input>;
// [samples, channels, 3, partials]: count, mean, sum of squared deviations; ALONE [samples, channels, 2]: as of finish_statistics.
@group(0) @binding(1) var<storage, read_write> stat_partials: array<f32>;
@group(0) @binding(2) var<uniform> stat_params: Params;

@compute @workgroup_size(SUM_LANES)
fn statistics(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let items = stat_params.items;
  let row = group.z * stat_params.channels + group.y;
  let base = row * items;
  let first = group.x * stat_params.per_lane * SUM_LANES + lane;
  let end = min(items, (group.x + 1u) * stat_params.per_lane * SUM_LANES);
  var shift = real(0.0);
  for (var i = first; i < min(end, first + SHIFT_ITEMS * SUM_LANES); i += SUM_LANES) {
    shift += real(stat_input[base + i]);
  }
  let present = (max(end, first) - first + SUM_LANES - 1u) / SUM_LANES;
  let n = f32(present);
  shift = shift / f32(clamp(present, 1u, SHIFT_ITEMS));
  var sums: array<real, LOADS>;
  var squares: array<real, LOADS>;
  var i = first;
  for (; i + (LOADS - 1u) * SUM_LANES < end; i += LOADS * SUM_LANES) {
    for (var k = 0u; k < LOADS; k++) { // @unroll
      let d = real(stat_input[base + i + k * SUM_LANES]) - shift;
      sums[k] += d;
      squares[k] += d * d;
    }
  }
  for (; i < end; i += SUM_LANES) {
    let d = real(stat_input[base + i]) - shift;
    sums[0] += d;
    squares[0] += d * d;
  }
  for (var k = 1u; k < LOADS; k++) { // @unroll
    sums[0] += sums[k];
    squares[0] += squares[k];
  }
  let sum = sums[0];
  let offset = sum / max(n, 1.0);
  let means = shift + offset;
  let mean = component_mean(means);
  let spread = means - mean;
  let deviation = squares[0] - sum * offset + spread * spread * n;
  let total = combined(vec3f(n * f32(WIDTH), mean, component_mean(deviation) * f32(WIDTH)), lane);
  if (lane == 0u && ALONE != 0u) {
    stat_partials[2u * row] = total.y;
    stat_partials[2u * row + 1u] = inverse_deviation(total, stat_params);
  } else if (lane == 0u) {
    let p = row * 3u * stat_params.partials + group.x;
    stat_partials[p] = total.x;
    stat_partials[p + stat_params.partials] = total.y;
    stat_partials[p + 2u * stat_params.partials] = total.z;
  }
}

@group(0) @binding(0) var<storage, read_write> finish_partials: array<f32>;
// [samples, channels, 2]: mean, 1 / sqrt(var + eps); the same for all channels of a group.
@group(0) @binding(1) var<storage, read_write> finish_statistics_out: array<f32>;
@group(0) @binding(2) var<uniform> finish_params: Params;

// Here and in finish_sums workgroup.x is the group, workgroup.y the sample.
@compute @workgroup_size(SUM_LANES)
fn finish_statistics(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let stride = finish_params.partials;
  let per_group = finish_params.per_group;
  let row = group.y * finish_params.channels + group.x * per_group;
  var own = vec3f(0.0);
  for (var i = lane; i < per_group * stride; i += SUM_LANES) {
    let p = (row + i / stride) * 3u * stride + i % stride;
    own = combine(own, vec3f(finish_partials[p], finish_partials[p + stride], finish_partials[p + 2u * stride]));
  }
  let total = combined(own, lane);
  if (lane == 0u) {
    let invstd = inverse_deviation(total, finish_params);
    for (var channel = 0u; channel < per_group; channel++) {
      finish_statistics_out[2u * (row + channel)] = total.y;
      finish_statistics_out[2u * (row + channel) + 1u] = invstd;
    }
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
  let row = group.z * forward_params.channels + group.y;
  let base = row * forward_params.items;
  let mean = forward_statistics[2u * row];
  let scale = forward_statistics[2u * row + 1u] * weight[channel];
  let offset = bias[channel];
  let end = min(forward_params.items, (group.x + 1u) * forward_params.per_lane * LANES);
  for (var i = group.x * forward_params.per_lane * LANES + lane; i < end; i += LOADS * LANES) {
    var x: array<real, LOADS>;
    for (var k = 0u; k < LOADS; k++) { // @unroll
      x[k] = real(input[base + min(i + k * LANES, end - 1u)]);
    }
    for (var k = 0u; k < LOADS; k++) { // @unroll
      if (i + k * LANES < end) {
        let y = (x[k] - mean) * scale + offset;
        output[base + i + k * LANES] = Output(select(y * forward_params.slope, y, y > real(0.0)));
      }
    }
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

@compute @workgroup_size(SUM_LANES)
fn backward_sums(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let channel = sums_params.first_channel + group.y;
  let row = group.z * sums_params.channels + group.y;
  let base = row * sums_params.items;
  let mean = sums_statistics[2u * row];
  let invstd = sums_statistics[2u * row + 1u];
  let scale = invstd * sums_weight[channel];
  let offset = sums_bias[channel];
  let end = min(sums_params.items, (group.x + 1u) * sums_params.per_lane * SUM_LANES);
  var sums: array<real, LOADS>;
  var products: array<real, LOADS>;
  var i = group.x * sums_params.per_lane * SUM_LANES + lane;
  for (; i + (LOADS - 1u) * SUM_LANES < end; i += LOADS * SUM_LANES) {
    for (var k = 0u; k < LOADS; k++) { // @unroll
      let d = real(sums_input[base + i + k * SUM_LANES]) - mean;
      let up = real(sums_grad_output[base + i + k * SUM_LANES]);
      let g = select(up * sums_params.slope, up, d * scale + offset > real(0.0));
      sums[k] += g;
      products[k] += g * d;
    }
  }
  for (; i < end; i += SUM_LANES) {
    let d = real(sums_input[base + i]) - mean;
    let up = real(sums_grad_output[base + i]);
    let g = select(up * sums_params.slope, up, d * scale + offset > real(0.0));
    sums[0] += g;
    products[0] += g * d;
  }
  for (var k = 1u; k < LOADS; k++) { // @unroll
    sums[0] += sums[k];
    products[0] += products[k];
  }
  let total = summed(vec2f(component_mean(sums[0]), component_mean(products[0]) * invstd) * f32(WIDTH), lane);
  if (lane == 0u) {
    let p = row * 2u * sums_params.partials + group.x;
    sums_partials[p] = total.x;
    sums_partials[p + sums_params.partials] = total.y;
  }
}

@group(0) @binding(0) var<storage, read_write> finish_sums_partials: array<f32>;
@group(0) @binding(1) var<storage, read> finish_sums_weight: array<f32>;
// [samples, channels, 2]: means over the group of weight * g and of weight * g * xhat, the same for all its channels.
@group(0) @binding(2) var<storage, read_write> means_out: array<f32>;
@group(0) @binding(3) var<uniform> finish_sums_params: Params;

@compute @workgroup_size(SUM_LANES)
fn finish_sums(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let stride = finish_sums_params.partials;
  let per_group = finish_sums_params.per_group;
  let first = group.x * per_group;
  let row = group.y * finish_sums_params.channels + first;
  var own = vec2f(0.0);
  for (var i = lane; i < per_group * stride; i += SUM_LANES) {
    let p = (row + i / stride) * 2u * stride + i % stride;
    own += finish_sums_weight[first + i / stride]
      * vec2f(finish_sums_partials[p], finish_sums_partials[p + stride]);
  }
  let total = summed(own, lane) / finish_sums_params.count;
  if (lane == 0u) {
    for (var channel = 0u; channel < per_group; channel++) {
      means_out[2u * (row + channel)] = total.x;
      means_out[2u * (row + channel) + 1u] = total.y;
    }
  }
}

@group(0) @binding(0) var<storage, read_write> back_input: array<Input>;
@group(0) @binding(1) var<storage, read_write> back_grad_output: array<Output>;
@group(0) @binding(2) var<storage, read_write> back_statistics: array<f32>;
// As of finish_sums; ALONE the sums of backward_sums.
@group(0) @binding(3) var<storage, read_write> back_means: array<f32>;
@group(0) @binding(4) var<storage, read> back_weight: array<f32>;
@group(0) @binding(5) var<storage, read> back_bias: array<f32>;
@group(0) @binding(6) var<storage, read_write> grad_input: array<Input>;
@group(0) @binding(7) var<uniform> back_params: Params;

@compute @workgroup_size(LANES)
fn backward_input(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let channel = back_params.first_channel + group.y;
  let row = group.z * back_params.channels + group.y;
  let base = row * back_params.items;
  let mean = back_statistics[2u * row];
  let invstd = back_statistics[2u * row + 1u];
  let weight_here = back_weight[channel];
  let scale = invstd * weight_here;
  let offset = back_bias[channel];
  let share = select(1.0, weight_here / back_params.count, ALONE != 0u);
  let mean_g = back_means[2u * row] * share;
  let slope_g = back_means[2u * row + 1u] * share * invstd;
  let end = min(back_params.items, (group.x + 1u) * back_params.per_lane * LANES);
  for (var i = group.x * back_params.per_lane * LANES + lane; i < end; i += LOADS * LANES) {
    var x: array<real, LOADS>;
    var up: array<real, LOADS>;
    for (var k = 0u; k < LOADS; k++) { // @unroll
      let at = base + min(i + k * LANES, end - 1u);
      x[k] = real(back_input[at]);
      up[k] = real(back_grad_output[at]);
    }
    for (var k = 0u; k < LOADS; k++) { // @unroll
      if (i + k * LANES < end) {
        let at = base + i + k * LANES;
        let d = x[k] - mean;
        let g = select(up[k] * back_params.slope, up[k], d * scale + offset > real(0.0));
        var result = (weight_here * g - mean_g - d * slope_g) * invstd;
        if (ACCUMULATE != 0u) {
          result += real(grad_input[at]);
        }
        grad_input[at] = Input(result);
      }
    }
  }
}

@group(0) @binding(0) var<storage, read_write> parameter_partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> grad_parameter: array<f32>;
@group(0) @binding(2) var<uniform> parameter_params: Params;

// workgroup.x is the channel.
@compute @workgroup_size(SUM_LANES)
fn backward_parameter(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let stride = parameter_params.partials;
  var own = 0.0;
  for (var i = lane; i < parameter_params.samples * stride; i += SUM_LANES) {
    let row = (i / stride) * parameter_params.channels + group.x;
    own += parameter_partials[(2u * row + parameter_params.column) * stride + i % stride];
  }
  var result = summed(vec2f(own, 0.0), lane).x;
  if (lane == 0u) {
    if (ACCUMULATE != 0u) {
      result += grad_parameter[group.x];
    }
    grad_parameter[group.x] = result;
  }
}
