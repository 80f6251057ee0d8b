// Cross-stitch unit (Misra et al. 2016), one task's side of it: a learned blend of two tasks' activations a channel.
//
//   forward         output = weight[0, c] * own + weight[1, c] * other
//   backward_input  grad_own (+)= grad_output * weight[0, c], grad_other (+)= grad_output * weight[1, c] (ROW says which; `Own` stands for either)
//   backward_sums   partial sums of grad_output * own and grad_output * other, one pair a lane
//   finish_sums     grad_weight[row, c] (+)= their total, in fixed order
//
// Layout: activations [batch, channels, voxels] walked as `real`, vec4f where voxels is a multiple of 4; weight
// [2, channels]. Mapping: workgroup.y is the channel (from first_channel on), workgroup.z the sample; lanes are neighbours in memory. No
// barriers: the lanes' partial sums go through memory, and one lane a weight adds them up.

alias real = f32; // @spec
// What each activation and its gradient are stored as, as many elements as `real` holds.
alias Own = real; // @spec
alias Other = real; // @spec
alias Output = real; // @spec
const WIDTH = 1u; // @spec
const LANES = 64u;
// 1: gradients are added to what is there.
const ACCUMULATE = 0u; // @spec

struct Params {
  items: u32,     // of `real`, in one channel of one sample
  channels: u32,
  samples: u32,
  per_lane: u32,  // items of a lane
  partials: u32,  // lanes of backward_sums in one channel of one sample
  row: u32,       // of weight: 0 own, 1 other
  first_channel: u32, // that workgroup.y = 0 stands for: activations and partials may be bound from a later one on
}

@group(0) @binding(0) var<storage, read_write> own: array<Own>;
@group(0) @binding(1) var<storage, read_write> other: array<Other>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<Output>;
@group(0) @binding(4) var<uniform> forward_params: Params;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = forward_params;
  let base = (group.z * p.channels + group.y) * p.items;
  let keep = weight[p.first_channel + group.y];
  let share = weight[p.channels + p.first_channel + group.y];
  let end = min(p.items, (group.x + 1u) * p.per_lane * LANES);
  for (var i = group.x * p.per_lane * LANES + lane; i < end; i += LANES) {
    output[base + i] = Output(keep * real(own[base + i]) + share * real(other[base + i]));
  }
}

@group(0) @binding(0) var<storage, read_write> input_grad_output: array<Output>;
@group(0) @binding(1) var<storage, read> input_weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<Own>;
@group(0) @binding(3) var<uniform> input_params: Params;

@compute @workgroup_size(LANES)
fn backward_input(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = input_params;
  let base = (group.z * p.channels + group.y) * p.items;
  let factor = input_weight[p.row * p.channels + p.first_channel + group.y];
  let end = min(p.items, (group.x + 1u) * p.per_lane * LANES);
  for (var i = group.x * p.per_lane * LANES + lane; i < end; i += LANES) {
    var result = factor * real(input_grad_output[base + i]);
    if (ACCUMULATE != 0u) {
      result += real(grad_input[base + i]);
    }
    grad_input[base + i] = Own(result);
  }
}

@group(0) @binding(0) var<storage, read_write> sum_own: array<Own>;
@group(0) @binding(1) var<storage, read_write> sum_other: array<Other>;
@group(0) @binding(2) var<storage, read_write> sum_grad_output: array<Output>;
// [samples, channels, 2, partials]
@group(0) @binding(3) var<storage, read_write> partial_sums: array<f32>;
@group(0) @binding(4) var<uniform> sum_params: Params;

// Sum over the components; a scalar is splatted, so the mean of its copies is the scalar itself, exactly.
fn component_sum(v: real) -> f32 {
  return dot(vec4f(v), vec4f(0.25)) * f32(WIDTH);
}

@compute @workgroup_size(LANES)
fn backward_sums(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = sum_params;
  let plane = group.z * p.channels + group.y;
  let base = plane * p.items;
  let end = min(p.items, (group.x + 1u) * p.per_lane * LANES);
  var kept = real(0.0);
  var shared_ = real(0.0);
  for (var i = group.x * p.per_lane * LANES + lane; i < end; i += LANES) {
    let g = real(sum_grad_output[base + i]);
    kept += g * real(sum_own[base + i]);
    shared_ += g * real(sum_other[base + i]);
  }
  let at = plane * 2u * p.partials + group.x * LANES + lane;
  partial_sums[at] = component_sum(kept);
  partial_sums[at + p.partials] = component_sum(shared_);
}

@group(0) @binding(0) var<storage, read_write> all_partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> grad_weight: array<f32>;
@group(0) @binding(2) var<uniform> finish_params: Params;

@compute @workgroup_size(LANES)
fn finish_sums(@builtin(global_invocation_id) id: vec3u) {
  let p = finish_params;
  if (id.x >= 2u * p.channels) {
    return;
  }
  let row = id.x / p.channels;
  let channel = id.x % p.channels;
  var sum = 0.0;
  for (var sample = 0u; sample < p.samples; sample++) {
    let at = ((sample * p.channels + channel) * 2u + row) * p.partials;
    for (var k = 0u; k < p.partials; k++) {
      sum += all_partials[at + k];
    }
  }
  if (ACCUMULATE != 0u) {
    sum += grad_weight[id.x];
  }
  grad_weight[id.x] = sum;
}
