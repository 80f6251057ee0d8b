// Transposed convolution with strides 1 or 2 and kernels of stride to 3 taps along each axis: the kernels that run on
// every adapter, and the reductions.
//
//   forward          output[co, o] = bias[co] + sum over ci, t with o = stride * i - padding + t of
//                      input[ci, i] weight[ci, co, t]
//   backward_input   grad_input[ci, i] = sum over co, t of grad_output[co, stride * i - padding + t] weight[ci, co, t]
//   backward_weight  grad_weight[ci, co, t] = sum over i of input[ci, i] grad_output[co, stride * i - padding + t], in
//                    partial sums; `finish` adds these in fixed order
//   backward_bias    sums of grad_output over one sample, for `finish`
//
// Layout: activations [batch, channels, depth, height, width], weight [Cin, Cout, KZ, KY, KX] as in PyTorch.
// Mapping of forward: a lane owns a cell b, the SZ x SY x SX outputs o with o + padding = stride * b + r, 0 <= r < stride
// along each axis, for CO output channels. Along an axis, output r takes the taps t = r, r + S, ... of the inputs b, b - 1,
// ...: with stride 2, the even output takes tap 0 of input b and, with 3 taps, tap 2 of input b - 1; the odd one takes
// tap 1 of input b. So a cell needs each of its few inputs and each weight once, and never a test of parity.
// Mapping of backward_input: a lane owns an input voxel, for CI channels. Neighbouring lanes are neighbours along x.
// Barriers: one in each of backward_weight and backward_bias, to add up the lanes.

// What the input, the output and the gradient of each are stored as; everything is computed in f32.
alias Input = f32; // @spec
alias Output = f32; // @spec

// Taps and stride along each axis.
const KZ = 2u; // @spec
const KY = 2u; // @spec
const KX = 2u; // @spec
const SZ = 2u; // @spec
const SY = 2u; // @spec
const SX = 2u; // @spec
// Register tiles: output channels of a lane in forward, input channels in backward_input and backward_weight.
const CO = 4u; // @spec
const CI = 4u; // @spec
const TAPS = KZ * KY * KX;
const LANES = 64u;
// Outputs of a cell, and the inputs along each axis that it needs.
const CELL = SZ * SY * SX;
const RZ = (KZ + SZ - 1u) / SZ;
const RY = (KY + SY - 1u) / SY;
const RX = (KX + SX - 1u) / SX;
const NEIGHBOURS = RZ * RY * RX;

// Vectors are x, y, z.
struct Params {
  in_extent: vec3u,
  accumulate: u32,
  out_extent: vec3u,
  blocks: u32,        // of channels in forward and backward_input; of partial sums a sample in backward_weight
  cells: vec3u,       // of forward
  in_channels: u32,
  padding: vec3u,
  out_channels: u32,
  bias: u32,          // whether there is one
  slices: u32,        // of partial sums in finish
  elements: u32,      // of the result of finish
  stride: u32,        // elements, rounded up to what a binding's offset must be a multiple of
  groups_x: u32,
  // Weight (or result of finish) of channels in, out and tap t: weight_first + in * weight_by_in + out * TAPS + t.
  weight_first: u32,
  weight_by_in: u32,
  bias_first: u32,
  inner: u32,         // elements of finish that lie together
}

fn place(i: u32, cells: vec3u) -> vec3u {
  let row = i / cells.x;
  let z = row / cells.y;
  return vec3u(i - row * cells.x, row - z * cells.y, z);
}

fn index_of(p: vec3u, extent: vec3u) -> u32 {
  return (p.z * extent.y + p.y) * extent.x + p.x;
}

@group(0) @binding(0) var<storage, read_write> input: array<Input>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<Output>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let sample = group.z / params.blocks;
  let first = (group.z % params.blocks) * CO;
  let volume = params.in_extent.x * params.in_extent.y * params.in_extent.z;
  let i = (group.y * params.groups_x + group.x) * LANES + lane;
  if (i >= params.cells.x * params.cells.y * params.cells.z) {
    return;
  }
  let cell = place(i, params.cells);
  var at: array<u32, NEIGHBOURS>;
  var present: array<bool, NEIGHBOURS>;
  for (var j = 0u; j < NEIGHBOURS; j++) { // @unroll
    let p = cell - vec3u(j % RX, j / RX % RY, j / (RX * RY));
    present[j] = all(p < params.in_extent);
    at[j] = select(0u, index_of(p, params.in_extent), present[j]);
  }
  var sum: array<f32, CELL * CO>;
  for (var c = 0u; c < CO; c++) { // @unroll
    var start = 0.0;
    if (params.bias != 0u) {
      start = bias[params.bias_first + min(first + c, params.out_channels - 1u)];
    }
    for (var r = 0u; r < CELL; r++) { // @unroll
      sum[c * CELL + r] = start;
    }
  }
  for (var ci = 0u; ci < params.in_channels; ci++) {
    let base = (sample * params.in_channels + ci) * volume;
    var x: array<f32, NEIGHBOURS>;
    for (var j = 0u; j < NEIGHBOURS; j++) { // @unroll
      x[j] = select(0.0, f32(input[base + at[j]]), present[j]);
    }
    for (var c = 0u; c < CO; c++) { // @unroll
      let w = params.weight_first + ci * params.weight_by_in + min(first + c, params.out_channels - 1u) * TAPS;
      for (var t = 0u; t < TAPS; t++) { // @unroll
        sum[c * CELL + ((t / (KX * KY)) % SZ * SY + (t / KX % KY) % SY) * SX + (t % KX) % SX] +=
          x[((t / (KX * KY)) / SZ * RY + (t / KX % KY) / SY) * RX + (t % KX) / SX] * weight[w + t];
      }
    }
  }
  let out_volume = params.out_extent.x * params.out_extent.y * params.out_extent.z;
  for (var c = 0u; c < CO; c++) { // @unroll
    if (first + c < params.out_channels) {
      let base = (sample * params.out_channels + first + c) * out_volume;
      for (var r = 0u; r < CELL; r++) { // @unroll
        // Below the padding this wraps round, and fails the test.
        let p = vec3u(SX, SY, SZ) * cell + vec3u(r % SX, r / SX % SY, r / (SX * SY)) - params.padding;
        if (all(p < params.out_extent)) {
          let at = base + index_of(p, params.out_extent);
          if (params.accumulate != 0u) {
            sum[c * CELL + r] += f32(output[at]);
          }
          output[at] = Output(sum[c * CELL + r]);
        }
      }
    }
  }
}

@group(0) @binding(0) var<storage, read_write> grad_output: array<Output>;
@group(0) @binding(1) var<storage, read> back_weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<Input>;
@group(0) @binding(3) var<uniform> back_params: Params;

@compute @workgroup_size(LANES)
fn backward_input(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let sample = group.z / back_params.blocks;
  let first = (group.z % back_params.blocks) * CI;
  let volume = back_params.in_extent.x * back_params.in_extent.y * back_params.in_extent.z;
  let out_extent = back_params.out_extent;
  let out_volume = out_extent.x * out_extent.y * out_extent.z;
  let i = (group.y * back_params.groups_x + group.x) * LANES + lane;
  if (i >= volume) {
    return;
  }
  let corner = vec3u(SX, SY, SZ) * place(i, back_params.in_extent) - back_params.padding;
  var sum: array<f32, CI>;
  for (var co = 0u; co < back_params.out_channels; co++) {
    let base = (sample * back_params.out_channels + co) * out_volume;
    for (var t = 0u; t < TAPS; t++) { // @unroll
      let p = corner + vec3u(t % KX, t / KX % KY, t / (KX * KY));
      let present = all(p < out_extent);
      let g = select(0.0, f32(grad_output[base + select(0u, index_of(p, out_extent), present)]), present);
      for (var c = 0u; c < CI; c++) { // @unroll
        let ci = min(first + c, back_params.in_channels - 1u);
        sum[c] += g * back_weight[back_params.weight_first + ci * back_params.weight_by_in + co * TAPS + t];
      }
    }
  }
  for (var c = 0u; c < CI; c++) { // @unroll
    if (first + c < back_params.in_channels) {
      let at = (sample * back_params.in_channels + first + c) * volume + i;
      var result = sum[c];
      if (back_params.accumulate != 0u) {
        result += f32(grad_input[at]);
      }
      grad_input[at] = Input(result);
    }
  }
}

@group(0) @binding(0) var<storage, read_write> sums_input: array<Input>;
@group(0) @binding(1) var<storage, read_write> sums_grad_output: array<Output>;
// [samples, blocks, stride], of which in_channels * out_channels * TAPS hold sums
@group(0) @binding(2) var<storage, read_write> partial_sums: array<f32>;
@group(0) @binding(3) var<uniform> sums_params: Params;

const SUMS = CI * TAPS;
var<workgroup> lane_sums: array<f32, SUMS * LANES>;

@compute @workgroup_size(LANES)
fn backward_weight(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let sample = group.z / sums_params.blocks;
  let block = group.z % sums_params.blocks;
  let first = group.x * CI;
  let co = group.y;
  let volume = sums_params.in_extent.x * sums_params.in_extent.y * sums_params.in_extent.z;
  let out_extent = sums_params.out_extent;
  let base = (sample * sums_params.out_channels + co) * out_extent.x * out_extent.y * out_extent.z;
  var sum: array<f32, SUMS>;
  for (var i = block * LANES + lane; i < volume; i += sums_params.blocks * LANES) {
    let corner = vec3u(SX, SY, SZ) * place(i, sums_params.in_extent) - sums_params.padding;
    var x: array<f32, CI>;
    for (var c = 0u; c < CI; c++) { // @unroll
      let ci = min(first + c, sums_params.in_channels - 1u);
      x[c] = f32(sums_input[(sample * sums_params.in_channels + ci) * volume + i]);
    }
    for (var t = 0u; t < TAPS; t++) { // @unroll
      let p = corner + vec3u(t % KX, t / KX % KY, t / (KX * KY));
      let present = all(p < out_extent);
      let g = select(0.0, f32(sums_grad_output[base + select(0u, index_of(p, out_extent), present)]), present);
      for (var c = 0u; c < CI; c++) { // @unroll
        sum[c * TAPS + t] += x[c] * g;
      }
    }
  }
  for (var j = 0u; j < SUMS; j++) { // @unroll
    lane_sums[j * LANES + lane] = sum[j];
  }
  workgroupBarrier();
  let ci = first + lane / TAPS;
  if (lane < SUMS && ci < sums_params.in_channels) {
    var total = 0.0;
    for (var l = 0u; l < LANES; l++) {
      total += lane_sums[lane * LANES + l];
    }
    let at = (ci * sums_params.out_channels + co) * TAPS + lane % TAPS;
    partial_sums[group.z * sums_params.stride + at] = total;
  }
}

@group(0) @binding(0) var<storage, read_write> bias_grad_output: array<Output>;
// [samples, stride], of which out_channels hold sums
@group(0) @binding(1) var<storage, read_write> bias_sums: array<f32>;
@group(0) @binding(2) var<uniform> bias_params: Params;

var<workgroup> lane_bias: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn backward_bias(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.z * bias_params.out_channels + group.x;
  let volume = bias_params.out_extent.x * bias_params.out_extent.y * bias_params.out_extent.z;
  var total = 0.0;
  // Blocks of 64 are added up by themselves first: the error grows with the number of blocks, not of voxels.
  for (var start = lane; start < volume; start += LANES * 64u) {
    var sum = 0.0;
    for (var i = start; i < min(start + LANES * 64u, volume); i += LANES) {
      sum += f32(bias_grad_output[row * volume + i]);
    }
    total += sum;
  }
  lane_bias[lane] = total;
  workgroupBarrier();
  if (lane == 0u) {
    total = 0.0;
    for (var l = 0u; l < LANES; l++) {
      total += lane_bias[l];
    }
    bias_sums[group.z * bias_params.stride + group.x] = total;
  }
}

// result[first + row * by_in + j] (+)= sum over slices of partials[slice, row * inner + j]
@group(0) @binding(0) var<storage, read_write> finish_partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> finish_result: array<f32>;
@group(0) @binding(2) var<uniform> finish_params: Params;

@compute @workgroup_size(LANES)
fn finish(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * finish_params.groups_x + group.x) * LANES + lane;
  if (i < finish_params.elements) {
    var total = 0.0;
    for (var slice = 0u; slice < finish_params.slices; slice++) {
      total += finish_partials[slice * finish_params.stride + i];
    }
    let at = finish_params.weight_first + i / finish_params.inner * finish_params.weight_by_in + i % finish_params.inner;
    if (finish_params.accumulate != 0u) {
      total += finish_result[at];
    }
    finish_result[at] = total;
  }
}
