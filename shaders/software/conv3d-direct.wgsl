// 3x3x3 convolution of stride 1 with one subgroup a workgroup: the family for software Vulkan, where a load costs as
// much as 25 multiply-adds, and so do workgroup memory and barriers.
//
//   pack             panel = weights in the order that convolve reads them, behind each block's bias
//   convolve         output[n,o,z,y,x] (+)= bias[o] + sum over i, kz, ky, kx of
//                      input[n, i, z + kz - padding, ...] * weight[o,i,kz,ky,kx]      (flipped and transposed weights
//                    make it the input gradient)
//   weight_partial   partial[n,s,o,i,kz,ky,kx] = sum over the rows of slice s of
//                      grad_output[n,o,z,y,x] * input[n, i, z + kz - padding, ...]
//
// Lanes are output channels; LANES is the subgroup's exact size. The halo patch of the input is loaded once, flat over
// the lanes, and each of its values is spread to all lanes by a shuffle from a constant lane: one load feeds LANES x 9
// x VECTORS products. A lane keeps VECTORS x PLANES x 4x4 sums in registers (32 are best; 64 spill). Weights come
// from a uniform block, the cheapest memory after registers. Activations are dense [batch, channels, depth, height,
// width], edges are masked at the load; channels beyond the last are zeros in the panel and not stored. No barriers.
//
// Panel: blocks of VECTORS x LANES output channels, each HEAD x LANES vec4 of bias, then [i][kz][quad][lane] vec4,
// where component e of quad q belongs to q * 4 + e = tap * VECTORS + vector, tap = ky * 3 + kx.
enable subgroups;

const LANES = 8u; // @spec
const VECTORS = 2u; // @spec
const PLANES = 1u; // @spec
const X = 4u; // @spec
const Y = 4u; // @spec
const PATCH_X = X + 2u;
const PATCH = PATCH_X * (Y + 2u);
const LOADS = (PATCH + LANES - 1u) / LANES;
const QUADS = (9u * VECTORS + 3u) / 4u;
const HEAD = (VECTORS + 3u) / 4u;

struct PackParams {
  // Channels of the source, and of it in one slice of the panel.
  in_channels: u32,
  per_slice: u32,
  out_channels: u32,
  // vec4 of a block, and blocks of a slice.
  block_size: u32,
  blocks: u32,
  // weight[first + o * by_out + i * by_in + (flip ? 26 - t : t)]
  weight_first: u32,
  weight_by_out: u32,
  weight_by_in: u32,
  weight_flip: u32,
  has_bias: u32,
  bias_first: u32,
}

@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> packed: array<vec4f>;
@group(0) @binding(3) var<uniform> pack_params: PackParams;

@compute @workgroup_size(64)
fn pack(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let at = group.x * 64u + index;
  if (at >= pack_params.block_size) {
    return;
  }
  let lane = at % LANES;
  let o0 = group.y * VECTORS * LANES + lane;
  var value = vec4f(0.0);
  if (at < HEAD * LANES) {
    for (var e = 0u; e < 4u; e++) {
      let vector = (at / LANES) * 4u + e;
      let o = o0 + vector * LANES;
      if (pack_params.has_bias != 0u && group.z == 0u && vector < VECTORS && o < pack_params.out_channels) {
        value[e] = bias[pack_params.bias_first + o];
      }
    }
  } else {
    let row = at / LANES - HEAD;
    let quad = row % QUADS;
    let kz = (row / QUADS) % 3u;
    let i_slice = row / (QUADS * 3u);
    let i = group.z * pack_params.per_slice + i_slice;
    for (var e = 0u; e < 4u; e++) {
      let q = quad * 4u + e;
      let o = o0 + (q % VECTORS) * LANES;
      let tap = kz * 9u + q / VECTORS;
      if (q < 9u * VECTORS && o < pack_params.out_channels && i_slice < pack_params.per_slice
        && i < pack_params.in_channels) {
        let t = select(tap, 26u - tap, pack_params.weight_flip != 0u);
        value[e] = weight[pack_params.weight_first + o * pack_params.weight_by_out + i * pack_params.weight_by_in + t];
      }
    }
  }
  let block = group.z * pack_params.blocks + group.y;
  packed[block * pack_params.block_size + at] = value;
}

struct Params {
  // Channels of the source, the first of this dispatch and their number.
  source_channels: u32,
  in_first: u32,
  in_channels: u32,
  out_channels: u32,
  in_depth: u32,
  in_height: u32,
  in_width: u32,
  out_depth: u32,
  out_height: u32,
  out_width: u32,
  padding: u32,
  accumulate: u32,
  tiles_x: u32,
  // Blocks of output channels in this dispatch, the first of them, and vec4 of the panel a block.
  blocks: u32,
  block_first: u32,
  block_size: u32,
}

@group(0) @binding(0) var<storage, read_write> input: array<f32>;
@group(0) @binding(1) var<uniform> panel: array<vec4f, 4096>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn convolve(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let x0 = (group.x % params.tiles_x) * X;
  let y0 = (group.x / params.tiles_x) * Y;
  let z0 = (group.y / params.blocks) * PLANES;
  let block = group.y % params.blocks;
  let o0 = (params.block_first + block) * VECTORS * LANES + lane;
  let pad = i32(params.padding);
  let in_area = params.in_height * params.in_width;
  let out_area = params.out_height * params.out_width;
  let head = block * params.block_size + lane;

  var offset: array<u32, LOADS>;
  var inside: array<bool, LOADS>;
  for (var j = 0u; j < LOADS; j++) { // @unroll
    let p = lane + j * LANES;
    let y = i32(y0 + p / PATCH_X) - pad;
    let x = i32(x0 + p % PATCH_X) - pad;
    inside[j] = (p < PATCH) & (y >= 0) & (x >= 0) & (y < i32(params.in_height)) & (x < i32(params.in_width));
    offset[j] = select(0u, u32(y) * params.in_width + u32(x), inside[j]);
  }
  var sum: array<f32, VECTORS * PLANES * X * Y>;
  for (var c = 0u; c < VECTORS; c++) { // @unroll
    let start = panel[head + (c / 4u) * LANES][c % 4u];
    for (var v = 0u; v < PLANES * X * Y; v++) { // @unroll
      sum[c * PLANES * X * Y + v] = start;
    }
  }
  // One plane: taps outside the volume are left out. More planes: the loads outside give zeros.
  var kz_first = 0u;
  var kz_last = 3u;
  if (PLANES == 1u) {
    kz_first = u32(max(0, pad - i32(z0)));
    kz_last = u32(clamp(i32(params.in_depth) + pad - i32(z0), 0, 3));
  }
  var patches: array<f32, PLANES * LOADS>;
  for (var i = 0u; i < params.in_channels; i++) {
    let channel = (group.z * params.source_channels + params.in_first + i) * params.in_depth;
    for (var plane = 0u; plane < PLANES - 1u; plane++) { // @unroll
      let z = i32(z0 + plane) - pad;
      let inside_z = (z >= 0) & (z < i32(params.in_depth));
      let base = (channel + select(0u, u32(z), inside_z)) * in_area;
      for (var j = 0u; j < LOADS; j++) { // @unroll
        patches[plane * LOADS + j] = select(0.0, input[base + offset[j]], inside[j] & inside_z);
      }
    }
    for (var kz = kz_first; kz < kz_last; kz++) {
      let z = i32(z0 + kz + PLANES - 1u) - pad;
      let inside_z = (PLANES == 1u) | ((z >= 0) & (z < i32(params.in_depth)));
      let base = (channel + select(0u, u32(z), inside_z)) * in_area;
      for (var j = 0u; j < LOADS; j++) { // @unroll
        patches[(PLANES - 1u) * LOADS + j] = select(0.0, input[base + offset[j]], inside[j] & inside_z);
      }
      let first = head + (HEAD + (i * 3u + kz) * QUADS) * LANES;
      var w: array<vec4f, QUADS>;
      for (var q = 0u; q < QUADS; q++) { // @unroll
        w[q] = panel[first + q * LANES];
      }
      for (var plane = 0u; plane < PLANES; plane++) { // @unroll
        var s: array<f32, PATCH>;
        for (var p = 0u; p < PATCH; p++) { // @unroll
          s[p] = subgroupShuffle(patches[plane * LOADS + p / LANES], p % LANES);
        }
        for (var c = 0u; c < VECTORS; c++) { // @unroll
          for (var y = 0u; y < Y; y++) { // @unroll
            for (var t = 0u; t < 9u; t++) { // @unroll
              for (var x = 0u; x < X; x++) { // @unroll
                sum[((c * PLANES + plane) * Y + y) * X + x] +=
                  s[(y + t / 3u) * PATCH_X + x + t % 3u] * w[(t * VECTORS + c) / 4u][(t * VECTORS + c) % 4u];
              }
            }
          }
        }
      }
      for (var j = 0u; j < (PLANES - 1u) * LOADS; j++) { // @unroll
        patches[j] = patches[j + LOADS];
      }
    }
  }
  for (var c = 0u; c < VECTORS; c++) { // @unroll
    let o = o0 + c * LANES;
    if (o < params.out_channels) {
      let base = (group.z * params.out_channels + o) * params.out_depth * out_area;
      for (var plane = 0u; plane < PLANES; plane++) { // @unroll
        for (var y = 0u; y < Y; y++) { // @unroll
          if (z0 + plane < params.out_depth && y0 + y < params.out_height) {
            let row = base + (z0 + plane) * out_area + (y0 + y) * params.out_width + x0;
            for (var x = 0u; x < X; x++) { // @unroll
              if (x0 + x < params.out_width) {
                let value = sum[((c * PLANES + plane) * Y + y) * X + x];
                if (params.accumulate != 0u) {
                  output[row + x] += value;
                } else {
                  output[row + x] = value;
                }
              }
            }
          }
        }
      }
    }
  }
}

// Weight gradient: a lane keeps WVECTORS output channels x WIN input channels x 9 taps of one kz in registers and
// walks the rows of its slice in runs of RUN voxels.

const WVECTORS = 2u; // @spec
const WIN = 4u; // @spec
const RUN = 8u;
const WINDOW_X = RUN + 2u;
const WINDOW = WINDOW_X * 3u;
const WLOADS = (WINDOW + LANES - 1u) / LANES;

struct WeightParams {
  in_channels: u32,
  out_channels: u32,
  in_depth: u32,
  in_height: u32,
  in_width: u32,
  out_depth: u32,
  out_height: u32,
  out_width: u32,
  padding: u32,
  slices: u32,
  rows_per_slice: u32,
}

@group(0) @binding(0) var<storage, read_write> saved_input: array<f32>;
@group(0) @binding(1) var<storage, read_write> grad_output: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;
@group(0) @binding(3) var<uniform> weight_params: WeightParams;

@compute @workgroup_size(LANES)
fn weight_partial(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let kz = group.x % 3u;
  let i0 = (group.x / 3u) * WIN;
  let o0 = group.y * WVECTORS * LANES + lane;
  let sample = group.z / weight_params.slices;
  let slice = group.z % weight_params.slices;
  let pad = i32(weight_params.padding);
  let width = weight_params.out_width;
  let in_size = weight_params.in_depth * weight_params.in_height * weight_params.in_width;
  let out_size = weight_params.out_depth * weight_params.out_height * width;
  // Rows of the slice whose plane z0 + kz - padding lies in the input.
  let below = u32(max(pad - i32(kz), 0));
  let above_z = i32(weight_params.in_depth + weight_params.padding) - i32(kz);
  let above = u32(clamp(above_z, 0, i32(weight_params.out_depth)));
  let row_first = max(slice * weight_params.rows_per_slice, below * weight_params.out_height);
  let row_last = min((slice + 1u) * weight_params.rows_per_slice, above * weight_params.out_height);

  // Channels beyond the last read the last one; their sums are not stored.
  var grad_base: array<u32, WVECTORS>;
  for (var c = 0u; c < WVECTORS; c++) { // @unroll
    let o = min(o0 + c * LANES, weight_params.out_channels - 1u);
    grad_base[c] = (sample * weight_params.out_channels + o) * out_size;
  }
  var in_base: array<u32, WIN>;
  for (var i = 0u; i < WIN; i++) { // @unroll
    in_base[i] = (sample * weight_params.in_channels + min(i0 + i, weight_params.in_channels - 1u)) * in_size;
  }
  var sum: array<f32, WVECTORS * WIN * 9u>;
  for (var a = 0u; a < WVECTORS * WIN * 9u; a++) { // @unroll
    sum[a] = 0.0;
  }
  // One loop, and no short-circuit in it: SwiftShader's compiler takes minutes over nested loops with branches.
  let runs = (width + RUN - 1u) / RUN;
  for (var at_run = row_first * runs; at_run < row_last * runs; at_run++) {
    let row = at_run / runs;
    let x0 = (at_run % runs) * RUN;
    let y0 = row % weight_params.out_height;
    let z0 = row / weight_params.out_height;
    let z = z0 + kz - weight_params.padding;
    var g: array<f32, WVECTORS * RUN>;
    for (var c = 0u; c < WVECTORS; c++) { // @unroll
      for (var x = 0u; x < RUN; x++) { // @unroll
        g[c * RUN + x] = select(0.0, grad_output[grad_base[c] + row * width + min(x0 + x, width - 1u)], x0 + x < width);
      }
    }
    var offset: array<u32, WLOADS>;
    var inside: array<bool, WLOADS>;
    for (var j = 0u; j < WLOADS; j++) { // @unroll
      let p = lane + j * LANES;
      let y = i32(y0 + p / WINDOW_X) - pad;
      let x = i32(x0 + p % WINDOW_X) - pad;
      inside[j] = (p < WINDOW) & (y >= 0) & (x >= 0) & (y < i32(weight_params.in_height))
        & (x < i32(weight_params.in_width));
      offset[j] = select(0u, (z * weight_params.in_height + u32(y)) * weight_params.in_width + u32(x), inside[j]);
    }
    for (var i = 0u; i < WIN; i++) { // @unroll
      var window: array<f32, WLOADS>;
      for (var j = 0u; j < WLOADS; j++) { // @unroll
        window[j] = select(0.0, saved_input[in_base[i] + offset[j]], inside[j]);
      }
      for (var ky = 0u; ky < 3u; ky++) { // @unroll
        var s: array<f32, WINDOW_X>;
        for (var x = 0u; x < WINDOW_X; x++) { // @unroll
          s[x] = subgroupShuffle(window[(ky * WINDOW_X + x) / LANES], (ky * WINDOW_X + x) % LANES);
        }
        for (var c = 0u; c < WVECTORS; c++) { // @unroll
          for (var kx = 0u; kx < 3u; kx++) { // @unroll
            for (var x = 0u; x < RUN; x++) { // @unroll
              sum[(c * WIN + i) * 9u + ky * 3u + kx] += g[c * RUN + x] * s[x + kx];
            }
          }
        }
      }
    }
  }
  for (var c = 0u; c < WVECTORS; c++) { // @unroll
    let o = o0 + c * LANES;
    for (var i = 0u; i < WIN; i++) { // @unroll
      if (o < weight_params.out_channels && i0 + i < weight_params.in_channels) {
        let at = ((group.z * weight_params.out_channels + o) * weight_params.in_channels + i0 + i) * 27u + kz * 9u;
        for (var t = 0u; t < 9u; t++) { // @unroll
          partial[at + t] = sum[(c * WIN + i) * 9u + t];
        }
      }
    }
  }
}
