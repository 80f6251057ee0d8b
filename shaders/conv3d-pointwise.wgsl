// 1x1x1 convolution of stride 1: every voxel by itself, so channels times voxels are the only loops.
//
//   pack             panel[i][quad] = 4 output channels of input channel i, behind the biases; zeros beyond the last
//   convolve         output[n,o,v] (+)= bias[o] + sum over i of input[n,i,v] * weight[o,i]
//   weight_partial   partial[n,p,o,i] = sum over the voxels of partial p of grad_output[n,o,v] * input[n,i,v]
//
// Lanes are voxels, so that loads and stores are coalesced and nothing is shared. convolve: an invocation owns
// VOXELS voxels, LANES apart, x 4 QUADS output channels; weights come from a uniform block (with transposed strides:
// the input gradient). weight_partial: an invocation sums 4 x 4 products over its own voxels and stores them as a
// partial of its own; weight_reduce of conv3d.wgsl adds them up in order. No barriers, no subgroups.

// What activations and their gradients are stored as; everything is computed in f32.
alias Input = f32; // @spec
alias Output = f32; // @spec

const QUADS = 1u; // @spec
const VOXELS = 4u; // @spec
const LANES = 64u;

struct PackParams {
  in_channels: u32,
  out_channels: u32,
  weight_first: u32,
  weight_by_out: u32,
  weight_by_in: u32,
  has_bias: u32,
  bias_first: u32,
  // First input channel and output channel of this block.
  in_first: u32,
  in_count: u32,
  out_first: u32,
}

@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> packed: array<vec4f>;
@group(0) @binding(3) var<uniform> pack_params: PackParams;

@compute @workgroup_size(64)
fn pack(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x / QUADS;
  if (row > pack_params.in_count) {
    return;
  }
  var value = vec4f(0.0);
  for (var e = 0u; e < 4u; e++) {
    let o = pack_params.out_first + (id.x % QUADS) * 4u + e;
    if (o < pack_params.out_channels) {
      if (row > 0u) {
        let i = pack_params.in_first + row - 1u;
        value[e] = weight[pack_params.weight_first + o * pack_params.weight_by_out + i * pack_params.weight_by_in];
      } else if (pack_params.has_bias != 0u) {
        value[e] = bias[pack_params.bias_first + o];
      }
    }
  }
  packed[id.x] = value;
}

struct Params {
  // Channels of the source, the first of this dispatch and their number.
  source_channels: u32,
  in_first: u32,
  in_channels: u32,
  out_channels: u32,
  out_first: u32,
  voxels: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read_write> input: array<Input>;
@group(0) @binding(1) var<uniform> panel: array<vec4f, 4096>;
@group(0) @binding(2) var<storage, read_write> output: array<Output>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn convolve(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = group.x * LANES * VOXELS + lane;
  let size = params.voxels;
  var sum: array<f32, QUADS * 4u * VOXELS>;
  for (var o = 0u; o < QUADS * 4u; o++) { // @unroll
    let start = panel[o / 4u][o % 4u];
    for (var v = 0u; v < VOXELS; v++) { // @unroll
      sum[o * VOXELS + v] = start;
    }
  }
  var at = (group.z * params.source_channels + params.in_first) * size;
  for (var i = 0u; i < params.in_channels; i++) {
    var values: array<f32, VOXELS>;
    for (var v = 0u; v < VOXELS; v++) { // @unroll
      values[v] = f32(input[at + min(first + v * LANES, size - 1u)]);
    }
    for (var q = 0u; q < QUADS; q++) { // @unroll
      let w = panel[(i + 1u) * QUADS + q];
      for (var e = 0u; e < 4u; e++) { // @unroll
        for (var v = 0u; v < VOXELS; v++) { // @unroll
          sum[(q * 4u + e) * VOXELS + v] += values[v] * w[e];
        }
      }
    }
    at += size;
  }
  for (var o = 0u; o < QUADS * 4u; o++) { // @unroll
    if (params.out_first + o < params.out_channels) {
      let base = (group.z * params.out_channels + params.out_first + o) * size;
      for (var v = 0u; v < VOXELS; v++) { // @unroll
        let voxel = first + v * LANES;
        if (voxel < size) {
          if (params.accumulate != 0u) {
            output[base + voxel] = Output(f32(output[base + voxel]) + sum[o * VOXELS + v]);
          } else {
            output[base + voxel] = Output(sum[o * VOXELS + v]);
          }
        }
      }
    }
  }
}

struct WeightParams {
  in_channels: u32,
  out_channels: u32,
  in_blocks: u32,
  voxels: u32,
  // Partials a sample: LANES x workgroups_y.
  partials: u32,
}

@group(0) @binding(0) var<storage, read_write> saved_input: array<Input>;
@group(0) @binding(1) var<storage, read_write> grad_output: array<Output>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;
@group(0) @binding(3) var<uniform> weight_params: WeightParams;

@compute @workgroup_size(LANES)
fn weight_partial(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i0 = (group.x % weight_params.in_blocks) * 4u;
  let o0 = (group.x / weight_params.in_blocks) * 4u;
  let size = weight_params.voxels;
  let part = group.y * LANES + lane;
  // Channels beyond the last read the last one; their sums are not stored.
  var in_base: array<u32, 4>;
  var grad_base: array<u32, 4>;
  for (var c = 0u; c < 4u; c++) { // @unroll
    in_base[c] = (group.z * weight_params.in_channels + min(i0 + c, weight_params.in_channels - 1u)) * size;
    grad_base[c] = (group.z * weight_params.out_channels + min(o0 + c, weight_params.out_channels - 1u)) * size;
  }
  var sum: array<f32, 16>;
  for (var a = 0u; a < 16u; a++) { // @unroll
    sum[a] = 0.0;
  }
  for (var voxel = part; voxel < size; voxel += weight_params.partials) {
    var x: array<f32, 4>;
    for (var c = 0u; c < 4u; c++) { // @unroll
      x[c] = f32(saved_input[in_base[c] + voxel]);
    }
    for (var o = 0u; o < 4u; o++) { // @unroll
      if (o0 + o < weight_params.out_channels) {
        let g = f32(grad_output[grad_base[o] + voxel]);
        for (var c = 0u; c < 4u; c++) { // @unroll
          sum[o * 4u + c] += g * x[c];
        }
      }
    }
  }
  for (var o = 0u; o < 4u; o++) { // @unroll
    for (var c = 0u; c < 4u; c++) { // @unroll
      if ((o0 + o < weight_params.out_channels) & (i0 + c < weight_params.in_channels)) {
        let row = (group.z * weight_params.partials + part) * weight_params.out_channels + o0 + o;
        partial[row * weight_params.in_channels + i0 + c] = sum[o * 4u + c];
      }
    }
  }
}
