// Average pooling, kernel = stride; extents are divided by the kernel's, rounding down.
//
//   forward   output[window] = sum of the window's inputs / number of them
//   backward  grad_input (+)= grad_output[its window] / number of inputs; 0 for what no window covers
//
// Layout: [batch, channels, depth, height, width]. Mapping: workgroup.y is the channel, workgroup.z the sample; a lane
// owns an output (forward) or an input (backward), ITEMS of them a workgroup apart. A window is summed in memory order.
// No barriers.

//!include common/window.wgsl

// What the input, the output and the gradient of each are stored as.
alias Input = f32; // @spec
alias Output = f32; // @spec
const LANES = 64u;
// Items of a lane.
const ITEMS = 8u;
// 1: gradients are added to what is there.
const ACCUMULATE = 0u; // @spec

@group(0) @binding(0) var<storage, read_write> input: array<Input>;
@group(0) @binding(1) var<storage, read_write> output: array<Output>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.z * params.channels + group.y;
  let base = row * params.depth * params.height * params.width;
  let end = min(params.items, (group.x + 1u) * LANES * ITEMS);
  for (var i = group.x * LANES * ITEMS + lane; i < end; i += LANES) {
    let first = place_of(i, params) * vec3u(KERNEL_X, KERNEL_Y, KERNEL_Z);
    var sum = 0.0;
    for (var z = 0u; z < KERNEL_Z; z++) {
      for (var y = 0u; y < KERNEL_Y; y++) {
        let at = base + input_at(first + vec3u(0u, y, z), params);
        for (var x = 0u; x < KERNEL_X; x++) {
          sum += f32(input[at + x]);
        }
      }
    }
    output[row * params.items + i] = Output(sum / f32(KERNEL_X * KERNEL_Y * KERNEL_Z));
  }
}

@group(0) @binding(0) var<storage, read_write> grad_output: array<Output>;
@group(0) @binding(1) var<storage, read_write> grad_input: array<Input>;
@group(0) @binding(2) var<uniform> back_params: Params;

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.z * back_params.channels + group.y;
  let out = vec3u(back_params.out_width, back_params.out_height, back_params.out_depth);
  let base = row * out.x * out.y * out.z;
  let end = min(back_params.items, (group.x + 1u) * LANES * ITEMS);
  for (var i = group.x * LANES * ITEMS + lane; i < end; i += LANES) {
    let window = place_of(i, back_params) / vec3u(KERNEL_X, KERNEL_Y, KERNEL_Z);
    var result = 0.0;
    if (all(window < out)) {
      result = f32(grad_output[base + output_at(window, back_params)]) / f32(KERNEL_X * KERNEL_Y * KERNEL_Z);
    }
    let at = row * back_params.items + i;
    if (ACCUMULATE != 0u) {
      result += f32(grad_input[at]);
    }
    grad_input[at] = Input(result);
  }
}
