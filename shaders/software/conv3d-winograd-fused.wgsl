// 3x3x3 convolution of stride 1 and padding 1 by Winograd's F(4,3) over z and y, as in conv3d-winograd.wgsl, but all
// three stages in one kernel: for drivers whose memory is slow against their caches.
//
//   convolve  output (+)= bias + A^T ((G w G^T) * (B^T d B)) A
//
// Two sources are convolved as if concatenated; of one, its channels are all channels, and `other` is never read.
//
// A workgroup is one subgroup and walks `per_group` tiles one after the other. A tile is ROWS rows (a row: 4x4 outputs
// in z and y) x RUN voxels along x x VECTORS x LANES output channels. Its transformed inputs and products lie in the
// workgroup's own part of scratch, which stays in the cache:
//   V [u][channel][load / 4][lane][load % 4]     M [u][vector][row][x / 4][lane][x % 4]
// A lane reads from scratch only what it wrote itself, so no barrier is needed. In V, lanes are positions along x (HALO
// more on either side, where the volume goes on; rows behind each other); in M, output channels. The weights are those
// of conv3d-winograd.wgsl's transform_weights.
enable subgroups;

//!include common/winograd.wgsl

const LANES = 8u; // @spec
const VECTORS = 2u; // @spec
const RUN = 16u; // @spec
const ROWS = 1u; // @spec
const HALO = 1u; // @spec
// The inputs of this many outputs along x are spread to all lanes at once; 34 of them cost three times the whole.
const SEGMENT = 8u;

const QUADS = (3u * VECTORS + 3u) / 4u;
const ROW = RUN + 2u * HALO;
const LOADS = (ROWS * ROW + LANES - 1u) / LANES;
const LOAD_QUADS = (LOADS + 3u) / 4u;
const SUMS = VECTORS * ROWS * RUN;

struct Params {
  // Channels of both sources, and of the first.
  channels: u32,
  first_channels: u32,
  out_channels: u32,
  depth: u32,
  height: u32,
  width: u32,
  tiles_x: u32,
  tiles_y: u32,
  tiles_z: u32,
  // Blocks of VECTORS x LANES output channels.
  blocks: u32,
  // Rows of all samples.
  rows: u32,
  tiles: u32,
  per_group: u32,
  has_bias: u32,
  bias_first: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<storage, read_write> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> panel: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> scratch: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<storage, read_write> other: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn convolve(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let area = params.height * params.width;
  let points = 36u * params.channels * LOAD_QUADS * LANES;
  let own = group.x * (points + 9u * SUMS * LANES) + lane;
  let last = min((group.x + 1u) * params.per_group, params.tiles);
  var held: array<f32, SUMS>;
  for (var tile = group.x * params.per_group; tile < last; tile++) {
    let at_tile = quotient(tile, params.blocks);
    let block = tile - at_tile * params.blocks;
    let at_row = quotient(at_tile, params.tiles_x);
    let x0 = (at_tile - at_row * params.tiles_x) * RUN;
    let row0 = at_row * ROWS;
    // V = B^T d B, which the blocks of the same rows share.
    let is_new = (block == 0u) | (tile == group.x * params.per_group);
    let transforms = select(0u, params.channels * LOADS, is_new);
    for (var ij = 0u; ij < transforms; ij++) {
      let i = ij / LOADS;
      let j = ij % LOADS;
      let flat = lane + j * LANES;
      let row = row0 + flat / ROW;
      let x = i32(x0 + flat % ROW) - i32(HALO);
      let at = tile_of(min(row, params.rows - 1u), params.tiles_z, params.tiles_y);
      let inside_x = (x >= 0) & (x < i32(params.width)) & (row < params.rows);
      let y0 = i32(at.z * 4u) - 1;
      let z0 = i32(at.y * 4u) - 1;
      let is_first = i < params.first_channels;
      let plane = params.depth * select(
        at.x * (params.channels - params.first_channels) + i - params.first_channels,
        at.x * params.first_channels + i,
        is_first);
      var columns: array<f32, 36>;
      for (var k = 0u; k < 6u; k++) {
        let z = z0 + i32(k);
        let inside_z = inside_x & (z >= 0) & (z < i32(params.depth));
        let base = (plane + select(0u, u32(z), inside_z)) * area + select(0u, u32(x), inside_x);
        var d: array<f32, 6>;
        if (is_first) {
          for (var l = 0u; l < 6u; l++) { // @unroll
            let y = y0 + i32(l);
            let inside = inside_z & (y >= 0) & (y < i32(params.height));
            d[l] = select(0.0, input[base + select(0u, u32(y), inside) * params.width], inside);
          }
        } else {
          for (var l = 0u; l < 6u; l++) { // @unroll
            let y = y0 + i32(l);
            let inside = inside_z & (y >= 0) & (y < i32(params.height));
            d[l] = select(0.0, other[base + select(0u, u32(y), inside) * params.width], inside);
          }
        }
        let p = input_points(d);
        for (var u = 0u; u < 6u; u++) { // @unroll
          columns[u * 6u + k] = p[u];
        }
      }
      for (var uy = 0u; uy < 6u; uy++) {
        var d: array<f32, 6>;
        for (var k = 0u; k < 6u; k++) { // @unroll
          d[k] = columns[uy * 6u + k];
        }
        let p = input_points(d);
        for (var uz = 0u; uz < 6u; uz++) { // @unroll
          scratch[own + (((uz * 6u + uy) * params.channels + i) * LOAD_QUADS + j / 4u) * LANES][j % 4u] = p[uz];
        }
      }
    }
    // M = V * U, summed over input channels and taps along x
    for (var u = 0u; u < 36u; u++) {
      var sum: array<f32, SUMS>;
      for (var v = 0u; v < SUMS; v++) { // @unroll
        sum[v] = 0.0;
      }
      let weights = (u * params.blocks + block) * params.channels * QUADS * LANES + lane;
      let first = own + u * params.channels * LOAD_QUADS * LANES;
      for (var i = 0u; i < params.channels; i++) {
        var loaded: array<vec4f, LOAD_QUADS>;
        for (var j = 0u; j < LOAD_QUADS; j++) { // @unroll
          loaded[j] = scratch[first + (i * LOAD_QUADS + j) * LANES];
        }
        var w: array<vec4f, QUADS>;
        for (var q = 0u; q < QUADS; q++) { // @unroll
          w[q] = panel[weights + (i * QUADS + q) * LANES];
        }
        for (var r = 0u; r < ROWS; r++) { // @unroll
          for (var g = 0u; g < RUN / SEGMENT; g++) { // @unroll
            var s: array<f32, SEGMENT + 2u>;
            for (var p = 0u; p < SEGMENT + 2u; p++) { // @unroll
              // Without a halo both ends of the row are zero.
              if ((HALO == 0u) & ((g * SEGMENT + p == 0u) | (g * SEGMENT + p == RUN + 1u))) {
                s[p] = 0.0;
              } else {
                s[p] = subgroupShuffle(
                  loaded[min((max(r * ROW + g * SEGMENT + p + HALO, 1u) - 1u) / (4u * LANES), LOAD_QUADS - 1u)]
                    [(max(r * ROW + g * SEGMENT + p + HALO, 1u) - 1u) / LANES % 4u],
                  (r * ROW + g * SEGMENT + p + HALO + LANES - 1u) % LANES);
              }
            }
            for (var c = 0u; c < VECTORS; c++) { // @unroll
              for (var x = 0u; x < SEGMENT; x++) { // @unroll
                for (var t = 0u; t < 3u; t++) { // @unroll
                  sum[(c * ROWS + r) * RUN + g * SEGMENT + x] +=
                    s[x + t] * w[(t * VECTORS + c) / 4u][(t * VECTORS + c) % 4u];
                }
              }
            }
          }
        }
      }
      // By way of a loop: SUMS stores written out take as long to compile as all the rest.
      for (var v = 0u; v < SUMS; v++) { // @unroll
        held[v] = sum[v];
      }
      for (var v = 0u; v < SUMS / 4u; v++) {
        scratch[own + points + (u * (SUMS / 4u) + v) * LANES] =
          vec4f(held[v * 4u], held[v * 4u + 1u], held[v * 4u + 2u], held[v * 4u + 3u]);
      }
    }
    // A^T M A
    for (var v = 0u; v < SUMS; v++) {
      let c = v / (ROWS * RUN);
      let row = row0 + (v / RUN) % ROWS;
      let x = x0 + v % RUN;
      let o = (block * VECTORS + c) * LANES + lane;
      let at = tile_of(min(row, params.rows - 1u), params.tiles_z, params.tiles_y);
      var columns: array<f32, 24>;
      for (var uz = 0u; uz < 6u; uz++) {
        var m: array<f32, 6>;
        for (var uy = 0u; uy < 6u; uy++) { // @unroll
          m[uy] = scratch[own + points + ((uz * 6u + uy) * (SUMS / 4u) + v / 4u) * LANES][v % 4u];
        }
        let values = output_values(m);
        for (var y = 0u; y < 4u; y++) { // @unroll
          columns[y * 6u + uz] = values[y];
        }
      }
      if ((o < params.out_channels) & (x < params.width) & (row < params.rows)) {
        var start = 0.0;
        if (params.has_bias != 0u) {
          start = bias[params.bias_first + o];
        }
        let plane = (at.x * params.out_channels + o) * params.depth + at.y * 4u;
        for (var y = 0u; y < 4u; y++) {
          var m: array<f32, 6>;
          for (var uz = 0u; uz < 6u; uz++) { // @unroll
            m[uz] = columns[y * 6u + uz];
          }
          let values = output_values(m);
          for (var k = 0u; k < 4u; k++) { // @unroll
            if ((at.y * 4u + k < params.depth) & (at.z * 4u + y < params.height)) {
              let to = (plane + k) * area + (at.z * 4u + y) * params.width + x;
              var old = 0.0;
              if (params.accumulate != 0u) {
                old = output[to];
              }
              output[to] = old + start + values[k];
            }
          }
        }
      }
    }
  }
}
