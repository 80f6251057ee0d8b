// Global average pooling: the mean of each channel of each sample.
//
//   forward    output[n, c] = sum over v of input[n, c, v] / voxels
//   backward   grad_input[n, c, v] (+)= grad_output[n, c] / voxels
//
// Layout: input [batch, channels, voxels], walked as `real`, vec4f where the voxels divide by 4; output [batch, channels].
// Mapping: workgroup.y is the channel, workgroup.z the sample. Forward: one workgroup per channel; each lane adds up
// every LANES-th item, then the first lane adds the lanes' sums in order (one barrier), so the order is fixed. Networks
// pool globally where their volumes are smallest, so one workgroup per channel is enough. Backward: a lane writes PER_LANE items, a
// workgroup apart. No barriers there.

alias real = f32; // @spec
// What the input and the output, and their gradients, store: as many elements as `real` holds, and one.
alias Input = real; // @spec
alias Output = f32; // @spec
const WIDTH = 1u; // @spec
// 1: gradients are added to what is there.
const ACCUMULATE = 0u; // @spec
const PER_LANE = 8u;
const LANES = 64u;

struct Params {
  items: u32,     // of `real`, in one channel
  channels: u32,
}

@group(0) @binding(0) var<storage, read_write> input: array<Input>;
@group(0) @binding(1) var<storage, read_write> output: array<Output>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> lane_sums: array<f32, LANES>;

// Sum over the components; a scalar is splatted, so the mean of its copies is the scalar itself, exactly.
fn component_sum(v: real) -> f32 {
  return dot(vec4f(v), vec4f(0.25)) * f32(WIDTH);
}

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.z * params.channels + group.y;
  var sum = real(0.0);
  for (var i = lane; i < params.items; i += LANES) {
    sum += real(input[row * params.items + i]);
  }
  lane_sums[lane] = component_sum(sum);
  workgroupBarrier();
  if (lane == 0u) {
    var total = 0.0;
    for (var k = 0u; k < LANES; k++) {
      total += lane_sums[k];
    }
    output[row] = Output(total / f32(params.items * WIDTH));
  }
}

@group(0) @binding(0) var<storage, read_write> grad_output: array<Output>;
@group(0) @binding(1) var<storage, read_write> grad_input: array<Input>;

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.z * params.channels + group.y;
  let share = real(f32(grad_output[row]) / f32(params.items * WIDTH));
  let end = min(params.items, (group.x + 1u) * PER_LANE * LANES);
  for (var i = group.x * PER_LANE * LANES + lane; i < end; i += LANES) {
    var result = share;
    if (ACCUMULATE != 0u) {
      result += real(grad_input[row * params.items + i]);
    }
    grad_input[row * params.items + i] = Input(result);
  }
}
