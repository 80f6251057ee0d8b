// Training passes of batch normalisation for GPUs: two dispatches forward and two backward, or one each if a workgroup can
// hold a channel. The maths is that of batch-norm.wgsl, M = batch * voxels values per channel:
//
//   statistics     count, mean and sum of squared deviations of what each workgroup reads
//   forward        adds these up; output = f((input - mean) * invstd * weight + bias), f(y) = y > 0 ? y : slope * y. One
//                  workgroup per channel also keeps mean and invstd and moves the running statistics
//   sums           sum(g) and sum(g * d) of what each workgroup reads, g = grad_output * f'(y), d = input - mean
//   backward       adds these up; grad_input (+)= weight * invstd * (g - sum(g) / M - xhat * sum(g * xhat) / M). One workgroup
//                  per channel also writes grad_weight = sum(g * xhat) and grad_bias = sum(g)
//   whole_forward, whole_backward   the same in one dispatch: a workgroup per channel, whose values stay in registers
//
// Parts: a convolution that runs as ranges of input channels side by side leaves `parts` tensors, [samples, parts, channels,
// voxels]. These kernels then read their sum, in order, and keep it in `sum_out` if something else needs it.
//
// Layout: activations [batch, channels, voxels] walked as `real`, vec4f if voxels is a multiple of 4.
// Mapping: workgroups of 256, workgroup.y is the channel, workgroup.z the sample; lanes are neighbours in memory, four loads in
// flight. A channel has at most about 32 partial results, which each workgroup of the next pass adds up by itself: cheaper
// than a dispatch of its own between two drains of the chip.
// Order: lanes, then a tree over the workgroup, then the partial results in order. Uses no subgroup operations.
// Stability: four items at a time are centred on their own mean; all else is combined by Chan's formula.

alias real = f32; // @spec
// What the input, the output and the gradient of each are stored as, as many elements as `real` holds; parts are of 32 bits.
alias Input = real; // @spec
alias Output = real; // @spec
alias Source = real; // @spec
const WIDTH = 1u; // @spec
const LANES = 256u;
// Items of a lane in the passes that hold a channel.
const HELD = 8u; // @spec
// 1: grad_input is added to what is there.
const ACCUMULATE = 0u; // @spec

struct Params {
  items: u32,       // of `real`, in one channel of one sample
  channels: u32,
  samples: u32,
  per_group: u32,   // items of a workgroup
  groups: u32,      // workgroups of the reducing pass in one channel of one sample
  parts: u32,       // of what is reduced; 1: it is whole
  keep_sum: u32,    // whether their sum goes to sum_out
  weight_grad: u32, // 0 not wanted, 1 written, 2 added to what is there
  bias_grad: u32,
  count: f32,       // M
  slope: f32,
  eps: f32,
  momentum: f32,
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

var<workgroup> lane_statistics: array<vec3f, LANES>;
var<workgroup> lane_sums: array<vec2f, LANES>;

// The statistics of all lanes together, for every lane.
fn total_statistics(own: vec3f, lane: u32) -> vec3f {
  lane_statistics[lane] = own;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      lane_statistics[lane] = combine(lane_statistics[lane], lane_statistics[lane + half]);
    }
    workgroupBarrier();
  }
  return lane_statistics[0];
}

fn total_sums(own: vec2f, lane: u32) -> vec2f {
  lane_sums[lane] = own;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      lane_sums[lane] += lane_sums[lane + half];
    }
    workgroupBarrier();
  }
  return lane_sums[0];
}

// ---- statistics

@group(0) @binding(0) var<storage, read_write> source: array<Source>;
@group(0) @binding(1) var<storage, read_write> sum_out: array<Input>;
// [channels, samples, groups]: count, mean, sum of squared deviations.
@group(0) @binding(2) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

// Item i of a channel of a sample, and where it lies in the sum.
fn reduced_item(sample: u32, channel: u32, i: u32) -> real {
  var at = (sample * params.parts * params.channels + channel) * params.items + i;
  var value = real(source[at]);
  if (params.parts > 1u) {
    for (var part = 1u; part < params.parts; part++) {
      at += params.channels * params.items;
      value += real(source[at]);
    }
    // As it is stored, rounded.
    let stored = Input(value);
    value = real(stored);
    if (params.keep_sum != 0u) {
      sum_out[(sample * params.channels + channel) * params.items + i] = stored;
    }
  }
  return value;
}

@compute @workgroup_size(LANES)
fn statistics(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let end = min(params.items, (group.x + 1u) * params.per_group);
  var n = 0.0;
  var mean = real(0.0);
  var deviation = real(0.0);
  var i = group.x * params.per_group + lane;
  for (; i + 3u * LANES < end; i += 4u * LANES) {
    let a = reduced_item(group.z, group.y, i);
    let b = reduced_item(group.z, group.y, i + LANES);
    let c = reduced_item(group.z, group.y, i + 2u * LANES);
    let d = reduced_item(group.z, group.y, i + 3u * LANES);
    let own = ((a + b) + (c + d)) * 0.25;
    let apart = own - mean;
    let share = 4.0 / (n + 4.0);
    mean += apart * share;
    deviation += ((a - own) * (a - own) + (b - own) * (b - own)) + ((c - own) * (c - own) + (d - own) * (d - own))
      + apart * apart * (n * share);
    n += 4.0;
  }
  for (; i < end; i += LANES) {
    let apart = reduced_item(group.z, group.y, i) - mean;
    let share = 1.0 / (n + 1.0);
    mean += apart * share;
    deviation += apart * apart * (n * share);
    n += 1.0;
  }
  // The components of a lane, each of n values.
  let centre = component_mean(mean);
  let spread = mean - centre;
  let own = vec3f(n * f32(WIDTH), centre, component_mean(deviation + spread * spread * n) * f32(WIDTH));
  let total = total_statistics(own, lane);
  if (lane == 0u) {
    partials[(group.y * params.samples + group.z) * params.groups + group.x] = vec4f(total, 0.0);
  }
}

// ---- forward

@group(0) @binding(0) var<storage, read_write> input: array<Input>;
@group(0) @binding(1) var<storage, read_write> forward_partials: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<Output>;
@group(0) @binding(5) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(6) var<storage, read_write> running_var: array<f32>;
// [channels, 2]: mean, 1 / sqrt(var + eps).
@group(0) @binding(7) var<storage, read_write> saved_statistics: array<f32>;
@group(0) @binding(8) var<uniform> forward_params: Params;

var<workgroup> shared_statistics: vec3f;

// Of one lane per channel: moves the running statistics and keeps those of the batch.
fn keep_statistics(total: vec3f, channel: u32) {
  let momentum = forward_params.momentum;
  let count = forward_params.count;
  running_mean[channel] = (1.0 - momentum) * running_mean[channel] + momentum * total.y;
  running_var[channel] = (1.0 - momentum) * running_var[channel] + momentum * (total.z / (count - 1.0));
  saved_statistics[channel * 2u] = total.y;
  saved_statistics[channel * 2u + 1u] = 1.0 / sqrt(total.z / count + forward_params.eps);
}

fn activated(value: real, total: vec3f, channel: u32) -> Output {
  let scale = 1.0 / sqrt(total.z / forward_params.count + forward_params.eps) * weight[channel];
  let y = (value - total.y) * scale + bias[channel];
  return Output(select(y * forward_params.slope, y, y > real(0.0)));
}

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let channel = group.y;
  let number = forward_params.samples * forward_params.groups;
  var own = vec3f(0.0);
  for (var i = lane; i < number; i += LANES) {
    own = combine(own, forward_partials[channel * number + i].xyz);
  }
  lane_statistics[lane] = own;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < min(number, LANES); i++) {
      own = combine(own, lane_statistics[i]);
    }
    shared_statistics = own;
    if ((group.x == 0u) & (group.z == 0u)) {
      keep_statistics(own, channel);
    }
  }
  workgroupBarrier();
  let total = shared_statistics;
  let base = (group.z * forward_params.channels + channel) * forward_params.items;
  let end = min(forward_params.items, (group.x + 1u) * forward_params.per_group);
  for (var i = group.x * forward_params.per_group + lane; i < end; i += LANES) {
    output[base + i] = activated(real(input[base + i]), total, channel);
  }
}

// ---- both in one

@group(0) @binding(0) var<storage, read_write> whole_source: array<Source>;
@group(0) @binding(1) var<storage, read_write> whole_sum: array<Input>;

@compute @workgroup_size(LANES)
fn whole_forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let channel = group.x;
  let items = forward_params.items;
  let all = forward_params.samples * items;
  var held: array<real, HELD>;
  var sum = real(0.0);
  for (var k = 0u; k < HELD; k++) { // @unroll
    let i = k * LANES + lane;
    if (i < all) {
      let sample = i / items;
      var at = ((sample * forward_params.parts) * forward_params.channels + channel) * items + i % items;
      var value = real(whole_source[at]);
      if (forward_params.parts > 1u) {
        for (var part = 1u; part < forward_params.parts; part++) {
          at += forward_params.channels * items;
          value += real(whole_source[at]);
        }
        let stored = Input(value);
        if (forward_params.keep_sum != 0u) {
          whole_sum[(sample * forward_params.channels + channel) * items + i % items] = stored;
        }
        value = real(stored);
      }
      held[k] = value;
      sum += value;
    }
  }
  let count = forward_params.count;
  let mean = total_sums(vec2f(component_mean(sum) * f32(WIDTH), 0.0), lane).x / count;
  // The tree is read by all before it is filled again.
  workgroupBarrier();
  var squares = real(0.0);
  for (var k = 0u; k < HELD; k++) { // @unroll
    if (k * LANES + lane < all) {
      squares += (held[k] - mean) * (held[k] - mean);
    }
  }
  let total = vec3f(count, mean, total_sums(vec2f(component_mean(squares) * f32(WIDTH), 0.0), lane).x);
  if (lane == 0u) {
    keep_statistics(total, channel);
  }
  for (var k = 0u; k < HELD; k++) { // @unroll
    let i = k * LANES + lane;
    if (i < all) {
      output[(i / items * forward_params.channels + channel) * items + i % items] = activated(held[k], total, channel);
    }
  }
}

// ---- sums

@group(0) @binding(0) var<storage, read_write> sums_source: array<Source>;
@group(0) @binding(1) var<storage, read_write> sums_sum: array<Output>;
@group(0) @binding(2) var<storage, read_write> sums_input: array<Input>;
@group(0) @binding(3) var<storage, read_write> sums_statistics: array<f32>;
@group(0) @binding(4) var<storage, read> sums_weight: array<f32>;
@group(0) @binding(5) var<storage, read> sums_bias: array<f32>;
// [channels, 1 + samples * groups]: mean, invstd, scale and offset, then sum(g), sum(g * d).
@group(0) @binding(6) var<storage, read_write> sums_partials: array<vec4f>;
@group(0) @binding(7) var<uniform> sums_params: Params;

fn reduced_gradient(sample: u32, channel: u32, i: u32) -> real {
  var at = (sample * sums_params.parts * sums_params.channels + channel) * sums_params.items + i;
  var value = real(sums_source[at]);
  if (sums_params.parts > 1u) {
    for (var part = 1u; part < sums_params.parts; part++) {
      at += sums_params.channels * sums_params.items;
      value += real(sums_source[at]);
    }
    let stored = Output(value);
    value = real(stored);
    if (sums_params.keep_sum != 0u) {
      sums_sum[(sample * sums_params.channels + channel) * sums_params.items + i] = stored;
    }
  }
  return value;
}

@compute @workgroup_size(LANES)
fn sums(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let channel = group.y;
  let mean = sums_statistics[channel * 2u];
  let invstd = sums_statistics[channel * 2u + 1u];
  let scale = invstd * sums_weight[channel];
  let offset = sums_bias[channel];
  let base = (group.z * sums_params.channels + channel) * sums_params.items;
  let end = min(sums_params.items, (group.x + 1u) * sums_params.per_group);
  var sum: array<real, 4>;
  var product: array<real, 4>;
  for (var i = group.x * sums_params.per_group + lane; i < end; i += 4u * LANES) {
    for (var k = 0u; k < 4u; k++) { // @unroll
      let at = i + k * LANES;
      if (at < end) {
        let d = real(sums_input[base + at]) - mean;
        let up = reduced_gradient(group.z, channel, at);
        let g = select(up * sums_params.slope, up, d * scale + offset > real(0.0));
        sum[k] += g;
        product[k] += g * d;
      }
    }
  }
  let own = vec2f(
    component_mean((sum[0] + sum[1]) + (sum[2] + sum[3])),
    component_mean((product[0] + product[1]) + (product[2] + product[3]))) * f32(WIDTH);
  let total = total_sums(own, lane);
  if (lane == 0u) {
    let row = channel * (1u + sums_params.samples * sums_params.groups);
    sums_partials[row + 1u + group.z * sums_params.groups + group.x] = vec4f(total, 0.0, 0.0);
    if ((group.x == 0u) & (group.z == 0u)) {
      sums_partials[row] = vec4f(mean, invstd, scale, offset);
    }
  }
}

// ---- backward

@group(0) @binding(0) var<storage, read_write> back_input: array<Input>;
@group(0) @binding(1) var<storage, read_write> back_grad_output: array<Output>;
@group(0) @binding(2) var<storage, read_write> back_partials: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> back_grad_input: array<Input>;
@group(0) @binding(4) var<storage, read_write> back_grad_weight: array<f32>;
@group(0) @binding(5) var<storage, read_write> back_grad_bias: array<f32>;
@group(0) @binding(6) var<uniform> back_params: Params;

var<workgroup> shared_sums: vec2f;

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let channel = group.y;
  let number = back_params.samples * back_params.groups;
  let row = channel * (1u + number);
  let norm = back_partials[row];
  var own = vec2f(0.0);
  for (var i = lane; i < number; i += LANES) {
    own += back_partials[row + 1u + i].xy;
  }
  lane_sums[lane] = own;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < min(number, LANES); i++) {
      own += lane_sums[i];
    }
    shared_sums = own;
    if ((group.x == 0u) & (group.z == 0u)) {
      if (back_params.weight_grad != 0u) {
        back_grad_weight[channel] = own.y * norm.y + select(0.0, back_grad_weight[channel], back_params.weight_grad == 2u);
      }
      if (back_params.bias_grad != 0u) {
        back_grad_bias[channel] = own.x + select(0.0, back_grad_bias[channel], back_params.bias_grad == 2u);
      }
    }
  }
  workgroupBarrier();
  let mean_g = shared_sums.x / back_params.count;
  let slope_g = shared_sums.y * norm.y * norm.y / back_params.count;
  let base = (group.z * back_params.channels + channel) * back_params.items;
  let end = min(back_params.items, (group.x + 1u) * back_params.per_group);
  for (var i = group.x * back_params.per_group + lane; i < end; i += LANES) {
    let d = real(back_input[base + i]) - norm.x;
    let up = real(back_grad_output[base + i]);
    let g = select(up * back_params.slope, up, d * norm.z + norm.w > real(0.0));
    var result = (g - mean_g - d * slope_g) * norm.z;
    if (ACCUMULATE != 0u) {
      result += real(back_grad_input[base + i]);
    }
    back_grad_input[base + i] = Input(result);
  }
}

// ---- both in one

@group(0) @binding(0) var<storage, read_write> whole_grad_source: array<Source>;
@group(0) @binding(1) var<storage, read_write> whole_input: array<Input>;
@group(0) @binding(2) var<storage, read_write> whole_statistics: array<f32>;
@group(0) @binding(3) var<storage, read> whole_weight: array<f32>;
@group(0) @binding(4) var<storage, read> whole_bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> whole_grad_input: array<Input>;
@group(0) @binding(6) var<storage, read_write> whole_grad_weight: array<f32>;
@group(0) @binding(7) var<storage, read_write> whole_grad_bias: array<f32>;
@group(0) @binding(8) var<uniform> whole_params: Params;

@compute @workgroup_size(LANES)
fn whole_backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let channel = group.x;
  let items = whole_params.items;
  let all = whole_params.samples * items;
  let mean = whole_statistics[channel * 2u];
  let invstd = whole_statistics[channel * 2u + 1u];
  let scale = invstd * whole_weight[channel];
  let offset = whole_bias[channel];
  var gradient: array<real, HELD>;
  var distance: array<real, HELD>;
  var sum = real(0.0);
  var product = real(0.0);
  for (var k = 0u; k < HELD; k++) { // @unroll
    let i = k * LANES + lane;
    if (i < all) {
      let sample = i / items;
      var at = ((sample * whole_params.parts) * whole_params.channels + channel) * items + i % items;
      var up = real(whole_grad_source[at]);
      if (whole_params.parts > 1u) {
        for (var part = 1u; part < whole_params.parts; part++) {
          at += whole_params.channels * items;
          up += real(whole_grad_source[at]);
        }
        up = real(Output(up));
      }
      let d = real(whole_input[(sample * whole_params.channels + channel) * items + i % items]) - mean;
      let g = select(up * whole_params.slope, up, d * scale + offset > real(0.0));
      gradient[k] = g;
      distance[k] = d;
      sum += g;
      product += g * d;
    }
  }
  let total = total_sums(vec2f(component_mean(sum), component_mean(product)) * f32(WIDTH), lane);
  if (lane == 0u) {
    if (whole_params.weight_grad != 0u) {
      whole_grad_weight[channel] = total.y * invstd + select(0.0, whole_grad_weight[channel], whole_params.weight_grad == 2u);
    }
    if (whole_params.bias_grad != 0u) {
      whole_grad_bias[channel] = total.x + select(0.0, whole_grad_bias[channel], whole_params.bias_grad == 2u);
    }
  }
  let mean_g = total.x / whole_params.count;
  let slope_g = total.y * invstd * invstd / whole_params.count;
  for (var k = 0u; k < HELD; k++) { // @unroll
    let i = k * LANES + lane;
    if (i < all) {
      let at = (i / items * whole_params.channels + channel) * items + i % items;
      var result = (gradient[k] - mean_g - distance[k] * slope_g) * scale;
      if (ACCUMULATE != 0u) {
        result += real(whole_grad_input[at]);
      }
      whole_grad_input[at] = Input(result);
    }
  }
}
