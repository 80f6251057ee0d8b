// Weight gradient of a 3x3x3 convolution of stride 1 by Winograd's F(4,3) over z and y, direct along x; see
// conv3d-winograd.wgsl, whose transform_input serves here too.
//
//   transform_gradient         Y[u] = A g A^T of the 4x4 gradients of the output in z and y of each tile
//   multiply_gradient          P[u][i][kx][o] (+)= sum over rows and x of V[u][i][x + kx - padding] * Y[u][o][x]
//   transform_weight_gradient  grad_weight (+)= G^T P G
//
// Y [u][channel][row][x] is zero beyond the output's extents. In multiply_gradient lanes are output channels; a lane
// keeps VECTORS x IN x 3 sums in registers over all rows of a slab, and P carries them from slab to slab.
enable subgroups;

//!include common/winograd.wgsl

const LANES = 8u; // @spec
const VECTORS = 2u; // @spec
const IN = 8u; // @spec
const WIDTH = 64u; // @spec

const RUN = 8u;
const WINDOW_X = RUN + 2u;
const WINDOW = WINDOW_X * IN;
const LOADS = (WINDOW + LANES - 1u) / LANES;

struct GradientParams {
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
}

@group(0) @binding(0) var<storage, read_write> grad_output: array<f32>;
@group(0) @binding(1) var<storage, read_write> transformed: array<f32>;
@group(0) @binding(2) var<uniform> gradient_params: GradientParams;

@compute @workgroup_size(64)
fn transform_gradient(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let x = group.x * WIDTH + lane % WIDTH;
  let channel = group.z * (64u / WIDTH) + lane / WIDTH;
  if (channel >= gradient_params.channels) {
    return;
  }
  let tile = tile_of(gradient_params.row_first + group.y, gradient_params.tiles_z, gradient_params.tiles_y);
  let plane = (tile.x * gradient_params.channels + channel) * gradient_params.out_depth;
  let inside_x = x < gradient_params.out_width;
  var columns: array<f32, 24>;
  for (var k = 0u; k < 4u; k++) {
    let z = tile.y * 4u + k;
    let inside_z = inside_x & (z < gradient_params.out_depth);
    let base = (plane + select(0u, z, inside_z)) * gradient_params.out_height;
    var g: array<f32, 4>;
    for (var j = 0u; j < 4u; j++) { // @unroll
      let y = tile.z * 4u + j;
      let inside = inside_z & (y < gradient_params.out_height);
      let at = (base + select(0u, y, inside)) * gradient_params.out_width + select(0u, x, inside);
      g[j] = select(0.0, grad_output[at], inside);
    }
    let points = gradient_points(g);
    for (var u = 0u; u < 6u; u++) { // @unroll
      columns[u * 4u + k] = points[u];
    }
  }
  let to = channel * gradient_params.channel_stride + group.y * gradient_params.pitch + x;
  for (var uy = 0u; uy < 6u; uy++) {
    var g: array<f32, 4>;
    for (var k = 0u; k < 4u; k++) { // @unroll
      g[k] = columns[uy * 4u + k];
    }
    let points = gradient_points(g);
    for (var uz = 0u; uz < 6u; uz++) { // @unroll
      transformed[to + (uz * 6u + uy) * gradient_params.point_stride] = points[uz];
    }
  }
}

struct MultiplyParams {
  in_channels: u32,
  out_channels: u32,
  in_width: u32,
  padding: u32,
  rows: u32,
  pitch: u32,
  channel_stride: u32,
  point_stride: u32,
  grad_pitch: u32,
  grad_channel_stride: u32,
  grad_point_stride: u32,
  // Output channels that P has room for, a multiple of VECTORS * LANES.
  room: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read_write> slab_points: array<f32>;
@group(0) @binding(1) var<storage, read_write> grad_points: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> products: array<f32>;
@group(0) @binding(3) var<uniform> multiply_params: MultiplyParams;

@compute @workgroup_size(LANES)
fn multiply_gradient(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let i0 = group.x * IN;
  let o0 = group.y * VECTORS * LANES + lane;
  let u = group.z;
  let pad = i32(multiply_params.padding);
  // Channels beyond the last read the last one; their sums are not used.
  var grad_base: array<u32, VECTORS>;
  for (var c = 0u; c < VECTORS; c++) { // @unroll
    let o = min(o0 + c * LANES, multiply_params.out_channels - 1u);
    grad_base[c] = u * multiply_params.grad_point_stride + o * multiply_params.grad_channel_stride;
  }
  var base: array<u32, LOADS>;
  var window_x: array<i32, LOADS>;
  for (var j = 0u; j < LOADS; j++) { // @unroll
    let p = lane + j * LANES;
    let i = min(i0 + p / WINDOW_X, multiply_params.in_channels - 1u);
    base[j] = u * multiply_params.point_stride + i * multiply_params.channel_stride;
    window_x[j] = i32(p % WINDOW_X) - pad;
  }
  var sum: array<f32, VECTORS * IN * 3u>;
  for (var a = 0u; a < VECTORS * IN * 3u; a++) { // @unroll
    sum[a] = 0.0;
  }
  // One loop over rows and runs along x: SwiftShader's compiler takes minutes over nested ones.
  var row = 0u;
  var x0 = 0u;
  while (row < multiply_params.rows) {
    var g: array<f32, VECTORS * RUN>;
    for (var c = 0u; c < VECTORS; c++) { // @unroll
      for (var q = 0u; q < RUN / 4u; q++) { // @unroll
        let quad = grad_points[(grad_base[c] + row * multiply_params.grad_pitch + x0) / 4u + q];
        for (var e = 0u; e < 4u; e++) { // @unroll
          g[c * RUN + q * 4u + e] = quad[e];
        }
      }
    }
    var window: array<f32, LOADS>;
    for (var j = 0u; j < LOADS; j++) { // @unroll
      let x = i32(x0) + window_x[j];
      let inside = (x >= 0) & (x < i32(multiply_params.in_width));
      let at = base[j] + row * multiply_params.pitch + select(0u, u32(x), inside);
      window[j] = select(0.0, slab_points[at], inside);
    }
    for (var i = 0u; i < IN; i++) { // @unroll
      var s: array<f32, WINDOW_X>;
      for (var x = 0u; x < WINDOW_X; x++) { // @unroll
        s[x] = subgroupShuffle(window[(i * WINDOW_X + x) / LANES], (i * WINDOW_X + x) % LANES);
      }
      for (var c = 0u; c < VECTORS; c++) { // @unroll
        for (var kx = 0u; kx < 3u; kx++) { // @unroll
          for (var x = 0u; x < RUN; x++) { // @unroll
            sum[(c * IN + i) * 3u + kx] += g[c * RUN + x] * s[x + kx];
          }
        }
      }
    }
    x0 += RUN;
    let wrap = x0 >= multiply_params.grad_pitch;
    row += select(0u, 1u, wrap);
    x0 = select(x0, 0u, wrap);
  }
  for (var i = 0u; i < IN; i++) { // @unroll
    if (i0 + i < multiply_params.in_channels) {
      for (var kx = 0u; kx < 3u; kx++) { // @unroll
        let at = ((u * multiply_params.in_channels + i0 + i) * 3u + kx) * multiply_params.room + o0;
        for (var c = 0u; c < VECTORS; c++) { // @unroll
          let value = sum[(c * IN + i) * 3u + kx];
          if (multiply_params.accumulate != 0u) {
            products[at + c * LANES] += value;
          } else {
            products[at + c * LANES] = value;
          }
        }
      }
    }
  }
}

struct WeightGradientParams {
  in_channels: u32,
  out_channels: u32,
  room: u32,
  // grad_weight[first + o * by_out + i * 27 + tap]
  by_out: u32,
  first: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read_write> summed: array<f32>;
@group(0) @binding(1) var<storage, read_write> grad_weight: array<f32>;
@group(0) @binding(2) var<uniform> weight_gradient_params: WeightGradientParams;

@compute @workgroup_size(64)
fn transform_weight_gradient(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let o = group.x * 64u + lane;
  if (o >= weight_gradient_params.out_channels) {
    return;
  }
  let i = group.y;
  for (var kx = 0u; kx < 3u; kx++) {
    var columns: array<f32, 18>;
    for (var uy = 0u; uy < 6u; uy++) {
      var t: array<f32, 6>;
      for (var uz = 0u; uz < 6u; uz++) { // @unroll
        let channel = (uz * 6u + uy) * weight_gradient_params.in_channels + i;
        t[uz] = summed[(channel * 3u + kx) * weight_gradient_params.room + o];
      }
      let values = weight_values(t);
      for (var kz = 0u; kz < 3u; kz++) { // @unroll
        columns[kz * 6u + uy] = values[kz];
      }
    }
    for (var kz = 0u; kz < 3u; kz++) {
      var t: array<f32, 6>;
      for (var uy = 0u; uy < 6u; uy++) { // @unroll
        t[uy] = columns[kz * 6u + uy];
      }
      let values = weight_values(t);
      for (var ky = 0u; ky < 3u; ky++) { // @unroll
        let at = weight_gradient_params.first + o * weight_gradient_params.by_out + i * 27u + kz * 9u + ky * 3u + kx;
        grad_weight[at] = values[ky] + select(0.0, grad_weight[at], weight_gradient_params.accumulate != 0u);
      }
    }
  }
}
