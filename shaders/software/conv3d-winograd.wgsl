// 3x3x3 convolution of stride 1 by Winograd's minimal filtering F(4,3) over z and y, direct along x
// (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016): a tile of 4x4 outputs in z and y takes
// 36 products a tap along x where the plain formula takes 144.
//
//   transform_weights  U[u] = G w G^T for the 36 points u = uz * 6 + uy, each tap along x by itself
//   transform_input    V[u] = B^T d B of the 6x6 inputs in z and y of each tile
//   multiply           M[u][o] = sum over i and kx of V[u][i][x + kx - padding] * U[u][o][i][kx]
//   transform_output   output (+)= bias + A^T M A
//
// A row is one tile (sample, z, y) over the whole extent along x; a slab of rows passes through scratch at a time:
//   V [u][channel][row][x], M [u][channel][row][x], with strides that keep the 36 points out of one cache set.
// In multiply, lanes are output channels: the inputs along x are loaded flat over the lanes and spread by shuffles, as
// in conv3d-direct.wgsl. Sources that are convolved as if concatenated lie behind one another in V.
enable subgroups;

//!include common/winograd.wgsl

const LANES = 8u; // @spec
const VECTORS = 4u; // @spec
const RUN = 16u; // @spec
const ROWS = 1u; // @spec
// Lanes of a workgroup of 64 that lie along x; the others are the next channels.
const WIDTH = 64u; // @spec

const QUADS = (3u * VECTORS + 3u) / 4u;
const WINDOW = RUN + 2u;
const LOADS = (WINDOW + LANES - 1u) / LANES;

struct WeightsParams {
  // Channels of the source, of all sources, and the first of this source among them.
  in_channels: u32,
  all_channels: u32,
  channel_first: u32,
  out_channels: u32,
  blocks: u32,
  // weight[first + o * by_out + i * by_in + (flip ? 26 - t : t)]
  weight_first: u32,
  weight_by_out: u32,
  weight_by_in: u32,
  weight_flip: u32,
}

@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<f32>;
@group(0) @binding(2) var<uniform> weights_params: WeightsParams;

// Panel: [u][block of VECTORS x LANES output channels][input channel][quad][lane] vec4, where component e of quad q
// belongs to q * 4 + e = kx * VECTORS + vector.
@compute @workgroup_size(64)
fn transform_weights(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let o = group.x * 64u + lane;
  let block = o / (VECTORS * LANES);
  if (block >= weights_params.blocks) {
    return;
  }
  let inside = o < weights_params.out_channels;
  let origin = weights_params.weight_first + select(0u, o, inside) * weights_params.weight_by_out
    + group.y * weights_params.weight_by_in;
  let vector = (o / LANES) % VECTORS;
  let channel = weights_params.channel_first + group.y;
  for (var kx = 0u; kx < 3u; kx++) {
    var rows: array<f32, 18>;
    for (var ky = 0u; ky < 3u; ky++) {
      var g: array<f32, 3>;
      for (var kz = 0u; kz < 3u; kz++) { // @unroll
        let tap = kz * 9u + ky * 3u + kx;
        g[kz] = select(0.0, weight[origin + select(tap, 26u - tap, weights_params.weight_flip != 0u)], inside);
      }
      let points = weight_points(g);
      for (var uz = 0u; uz < 6u; uz++) { // @unroll
        rows[uz * 3u + ky] = points[uz];
      }
    }
    let q = kx * VECTORS + vector;
    for (var uz = 0u; uz < 6u; uz++) {
      let points = weight_points(array<f32, 3>(rows[uz * 3u], rows[uz * 3u + 1u], rows[uz * 3u + 2u]));
      for (var uy = 0u; uy < 6u; uy++) { // @unroll
        let at = ((uz * 6u + uy) * weights_params.blocks + block) * weights_params.all_channels + channel;
        packed[((at * QUADS + q / 4u) * LANES + o % LANES) * 4u + q % 4u] = points[uy];
      }
    }
  }
}

struct InputParams {
  channels: u32,
  // Where this source begins in V.
  channel_first: u32,
  in_depth: u32,
  in_height: u32,
  in_width: u32,
  padding: u32,
  tiles_z: u32,
  tiles_y: u32,
  row_first: u32,
  pitch: u32,
  channel_stride: u32,
  point_stride: u32,
}

@group(0) @binding(0) var<storage, read_write> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> transformed: array<f32>;
@group(0) @binding(2) var<uniform> input_params: InputParams;

@compute @workgroup_size(64)
fn transform_input(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let x = group.x * WIDTH + lane % WIDTH;
  let channel = group.z * (64u / WIDTH) + lane / WIDTH;
  if (channel >= input_params.channels) {
    return;
  }
  let tile = tile_of(input_params.row_first + group.y, input_params.tiles_z, input_params.tiles_y);
  let z0 = i32(tile.y * 4u) - i32(input_params.padding);
  let y0 = i32(tile.z * 4u) - i32(input_params.padding);
  let plane = (tile.x * input_params.channels + channel) * input_params.in_depth;
  let x_inside = min(x, input_params.in_width - 1u);
  var columns: array<f32, 36>;
  for (var k = 0u; k < 6u; k++) {
    let z = z0 + i32(k);
    let inside_z = (z >= 0) & (z < i32(input_params.in_depth));
    let base = (plane + select(0u, u32(z), inside_z)) * input_params.in_height;
    var d: array<f32, 6>;
    for (var j = 0u; j < 6u; j++) { // @unroll
      let y = y0 + i32(j);
      let inside = inside_z & (y >= 0) & (y < i32(input_params.in_height));
      d[j] = select(0.0, input[(base + select(0u, u32(y), inside)) * input_params.in_width + x_inside], inside);
    }
    let points = input_points(d);
    for (var u = 0u; u < 6u; u++) { // @unroll
      columns[u * 6u + k] = points[u];
    }
  }
  let at = (input_params.channel_first + channel) * input_params.channel_stride + group.y * input_params.pitch + x;
  for (var uy = 0u; uy < 6u; uy++) {
    var d: array<f32, 6>;
    for (var k = 0u; k < 6u; k++) { // @unroll
      d[k] = columns[uy * 6u + k];
    }
    let points = input_points(d);
    for (var uz = 0u; uz < 6u; uz++) { // @unroll
      transformed[at + (uz * 6u + uy) * input_params.point_stride] = points[uz];
    }
  }
}

struct MultiplyParams {
  channels: u32,
  in_width: u32,
  padding: u32,
  blocks: u32,
  pitch: u32,
  channel_stride: u32,
  point_stride: u32,
  out_pitch: u32,
  out_channel_stride: u32,
  out_point_stride: u32,
}

@group(0) @binding(0) var<storage, read_write> slab_points: array<f32>;
@group(0) @binding(1) var<storage, read_write> panel: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> products: array<f32>;
@group(0) @binding(3) var<uniform> multiply_params: MultiplyParams;

@compute @workgroup_size(LANES)
fn multiply(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let u = quotient(group.z, multiply_params.blocks);
  let block = group.z - u * multiply_params.blocks;
  let x0 = group.x * RUN;
  let row = group.y * ROWS;
  let base = u * multiply_params.point_stride + row * multiply_params.pitch;
  let weights = group.z * multiply_params.channels * QUADS * LANES + lane;
  var offset: array<u32, LOADS>;
  var inside: array<bool, LOADS>;
  for (var j = 0u; j < LOADS; j++) { // @unroll
    let x = i32(x0 + lane + j * LANES) - i32(multiply_params.padding);
    inside[j] = (x >= 0) & (x < i32(multiply_params.in_width));
    offset[j] = base + select(0u, u32(x), inside[j]);
  }
  var sum: array<f32, VECTORS * ROWS * RUN>;
  for (var v = 0u; v < VECTORS * ROWS * RUN; v++) { // @unroll
    sum[v] = 0.0;
  }
  for (var i = 0u; i < multiply_params.channels; i++) {
    var loaded: array<f32, ROWS * LOADS>;
    for (var r = 0u; r < ROWS; r++) { // @unroll
      for (var j = 0u; j < LOADS; j++) { // @unroll
        loaded[r * LOADS + j] = select(0.0,
          slab_points[offset[j] + i * multiply_params.channel_stride + r * multiply_params.pitch], inside[j]);
      }
    }
    var w: array<vec4f, QUADS>;
    for (var q = 0u; q < QUADS; q++) { // @unroll
      w[q] = panel[weights + (i * QUADS + q) * LANES];
    }
    for (var r = 0u; r < ROWS; r++) { // @unroll
      var s: array<f32, WINDOW>;
      for (var p = 0u; p < WINDOW; p++) { // @unroll
        s[p] = subgroupShuffle(loaded[r * LOADS + p / LANES], p % LANES);
      }
      for (var c = 0u; c < VECTORS; c++) { // @unroll
        for (var t = 0u; t < 3u; t++) { // @unroll
          for (var x = 0u; x < RUN; x++) { // @unroll
            sum[(c * ROWS + r) * RUN + x] += s[x + t] * w[(t * VECTORS + c) / 4u][(t * VECTORS + c) % 4u];
          }
        }
      }
    }
  }
  let o = block * VECTORS * LANES + lane;
  for (var c = 0u; c < VECTORS; c++) { // @unroll
    let at = u * multiply_params.out_point_stride + (o + c * LANES) * multiply_params.out_channel_stride
      + row * multiply_params.out_pitch + x0;
    for (var r = 0u; r < ROWS; r++) { // @unroll
      for (var x = 0u; x < RUN; x++) { // @unroll
        products[at + r * multiply_params.out_pitch + x] = sum[(c * ROWS + r) * RUN + x];
      }
    }
  }
}

struct OutputParams {
  channels: u32,
  out_depth: u32,
  out_height: u32,
  out_width: u32,
  tiles_z: u32,
  tiles_y: u32,
  row_first: u32,
  pitch: u32,
  channel_stride: u32,
  point_stride: u32,
  has_bias: u32,
  bias_first: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read_write> summed: array<f32>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(3) var<uniform> output_params: OutputParams;

@compute @workgroup_size(64)
fn transform_output(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let x = group.x * WIDTH + lane % WIDTH;
  let channel = group.z * (64u / WIDTH) + lane / WIDTH;
  if ((channel >= output_params.channels) | (x >= output_params.out_width)) {
    return;
  }
  let at = channel * output_params.channel_stride + group.y * output_params.pitch + x;
  var columns: array<f32, 24>;
  for (var uz = 0u; uz < 6u; uz++) {
    var m: array<f32, 6>;
    for (var uy = 0u; uy < 6u; uy++) { // @unroll
      m[uy] = summed[at + (uz * 6u + uy) * output_params.point_stride];
    }
    let values = output_values(m);
    for (var y = 0u; y < 4u; y++) { // @unroll
      columns[y * 6u + uz] = values[y];
    }
  }
  var start = 0.0;
  if (output_params.has_bias != 0u) {
    start = bias[output_params.bias_first + channel];
  }
  let tile = tile_of(output_params.row_first + group.y, output_params.tiles_z, output_params.tiles_y);
  let z0 = tile.y * 4u;
  let plane = (tile.x * output_params.channels + channel) * output_params.out_depth;
  for (var j = 0u; j < 4u; j++) {
    var m: array<f32, 6>;
    for (var uz = 0u; uz < 6u; uz++) { // @unroll
      m[uz] = columns[j * 6u + uz];
    }
    let values = output_values(m);
    let y = tile.z * 4u + j;
    for (var k = 0u; k < 4u; k++) { // @unroll
      if ((z0 + k < output_params.out_depth) & (y < output_params.out_height)) {
        let to = ((plane + z0 + k) * output_params.out_height + y) * output_params.out_width + x;
        if (output_params.accumulate != 0u) {
          output[to] += start + values[k];
        } else {
          output[to] = start + values[k];
        }
      }
    }
  }
}
