// Transposed convolution whose kernel is as wide as its stride, 1 or 2 along each axis, for GPUs: each output has one tap, so
// all three passes are matrix products over channels and taps. Uses no subgroup operations: right for any size.
//
//   forward          output[co, S i + t] (+)= bias[co] + sum over ci of input[ci, i] weight[ci, co, t]
//   backward_input   grad_input[ci, i] (+)= sum over co, t of grad_output[co, S i + t] weight[ci, co, t]
//   backward_weight  partial[p, ci, co, t] = sum over the voxels of part p of input[ci, i] grad_output[co, S i + t]; sum-partials.wgsl
//                    adds these up
//
// Mapping of forward and backward_input: a workgroup of up to 256 owns 64 V input voxels x up to 64 columns, which are (co, t)
// or ci. Each 64 lanes are neighbours along the voxels and own V of them, 64 apart, for 16 columns. 16 rows of weights (ci,
// or co and t) lie in workgroup memory and reach the lanes as vectors, the same for all: 4 / V bytes per multiply-add. Voxels
// are loaded as they are needed; the groups of 64 ask for the same ones.
// Mapping of backward_weight: a workgroup of 64 owns 32 input channels x 128 pairs of output channel and tap. 16 voxels are
// staged between two barriers; each half of the lanes takes 8 of them and keeps 8 x 16 sums: 6 vectors of workgroup memory for
// 128 multiply-adds. Each half writes a part of its own.
//
// Layouts: activations [batch, channels, depth, height, width], weight [ci, co, t], t along x first.

// What the input, the output and the gradient of each are stored as; everything is computed in f32.
alias Input = f32; // @spec
alias Output = f32; // @spec

// Stride along each axis.
const SZ = 2u; // @spec
const SY = 2u; // @spec
const SX = 2u; // @spec
// Voxels of a lane in forward and backward_input.
const V = 8u; // @spec
const TAPS = SZ * SY * SX;
// Groups of lanes with 16 columns each.
const GROUPS = 4u; // @spec
const LANES = 64u;
const THREADS = LANES * GROUPS;
const COLUMNS = 16u * GROUPS;
const QUADS = 4u;
const ROWS = 16u;
// Rows that are written out, so that loads of one overlap with another's products.
const UNROLLED = 4u;

struct Params {
  // Vectors are x, y, z; of the input.
  extent: vec3u,
  accumulate: u32,
  in_channels: u32,
  out_channels: u32,
  // Rows of the product, and columns.
  rows: u32,
  columns: u32,
  has_bias: u32,
  bias_first: u32,
  // weight[first + ci * by_in + co * TAPS + t]
  weight_first: u32,
  weight_by_in: u32,
  // ROWS again: a bound that the compiler does not know, so that it leaves the loop rolled.
  staged: u32,
  // Of backward_weight: parts a sample, and chunks of 16 voxels of one.
  slices: u32,
  chunks: u32,
}

fn volume_of(extent: vec3u) -> u32 {
  return extent.x * extent.y * extent.z;
}

// Where tap 0 of an input voxel lies in a channel of the output.
fn corner_of(voxel: u32, extent: vec3u) -> u32 {
  let row = voxel / extent.x;
  let z = row / extent.y;
  let y = row - z * extent.y;
  return ((z * SZ * extent.y + y) * SY * extent.x + (voxel - row * extent.x)) * SX;
}

// How far tap t lies behind tap 0.
fn tap_offset(t: u32, extent: vec3u) -> u32 {
  return ((t / (SX * SY)) * extent.y * SY + (t / SX) % SY) * extent.x * SX + t % SX;
}

struct Sums {
  quad: array<array<vec4f, QUADS>, V>,
}

fn multiply(row: u32, group: u32, values: ptr<function, array<f32, V>>, sums: ptr<function, Sums>) {
  for (var q = 0u; q < QUADS; q++) { // @unroll
    let w = weight_tile[row][group][q];
    for (var v = 0u; v < V; v++) { // @unroll
      (*sums).quad[v][q] = fma(vec4f((*values)[v]), w, (*sums).quad[v][q]);
    }
  }
}

var<workgroup> weight_tile: array<array<array<vec4f, QUADS>, GROUPS>, ROWS>;

// ---- forward

@group(0) @binding(0) var<storage, read_write> input: array<Input>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<Output>;
@group(0) @binding(4) var<uniform> params: Params;

fn forward_weight(row: u32, column: u32) -> f32 {
  let there = (row < params.rows) & (column < params.columns);
  let at = params.weight_first + row * params.weight_by_in + column;
  return select(0.0, weight[select(0u, at, there)], there);
}

@compute @workgroup_size(THREADS)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let volume = volume_of(params.extent);
  let sample = group.z;
  let block = group.y * COLUMNS;
  let own = lane / LANES;
  let first = group.x * LANES * V + lane % LANES;
  var at: array<u32, V>;
  for (var v = 0u; v < V; v++) { // @unroll
    at[v] = min(first + v * LANES, volume - 1u);
  }
  var sums: Sums;
  for (var row0 = 0u; row0 < params.rows; row0 += ROWS) {
    workgroupBarrier();
    let column = block + lane % (4u * GROUPS) * 4u;
    let row = row0 + lane / (4u * GROUPS);
    weight_tile[lane / (4u * GROUPS)][lane / 4u % GROUPS][lane % 4u] = vec4f(
      forward_weight(row, column), forward_weight(row, column + 1u), forward_weight(row, column + 2u),
      forward_weight(row, column + 3u));
    workgroupBarrier();
    for (var r = 0u; r < params.staged; r += UNROLLED) {
      for (var u = 0u; u < UNROLLED; u++) { // @unroll
        // Rows beyond the last have no weight.
        let base = (sample * params.rows + min(row0 + r + u, params.rows - 1u)) * volume;
        var values: array<f32, V>;
        for (var v = 0u; v < V; v++) { // @unroll
          values[v] = f32(input[base + at[v]]);
        }
        multiply(r + u, own, &values, &sums);
      }
    }
  }
  let out_volume = volume * TAPS;
  for (var v = 0u; v < V; v++) { // @unroll
    let voxel = first + v * LANES;
    if (voxel < volume) {
      let corner = corner_of(voxel, params.extent);
      for (var q = 0u; q < QUADS; q++) { // @unroll
        for (var c = 0u; c < 4u; c++) { // @unroll
          let column = block + own * 16u + q * 4u + c;
          if (column < params.columns) {
            let co = column / TAPS;
            let to = (sample * params.out_channels + co) * out_volume + corner + tap_offset(column % TAPS, params.extent);
            var value = sums.quad[v][q][c];
            if (params.has_bias != 0u) {
              value += bias[params.bias_first + co];
            }
            if (params.accumulate != 0u) {
              value += f32(output[to]);
            }
            output[to] = Output(value);
          }
        }
      }
    }
  }
}

// ---- backward_input

@group(0) @binding(0) var<storage, read_write> grad_output: array<Output>;
@group(0) @binding(1) var<storage, read> back_weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<Input>;
@group(0) @binding(3) var<uniform> back_params: Params;

// Where tap 0 of a sample's first voxel lies for a row: output channel and tap.
fn row_place(sample: u32, row: u32, volume: u32) -> u32 {
  return (sample * back_params.out_channels + row / TAPS) * volume * TAPS + tap_offset(row % TAPS, back_params.extent);
}

fn backward_weight_of(row: u32, column: u32) -> f32 {
  let there = (row < back_params.rows) & (column < back_params.columns);
  let at = back_params.weight_first + column * back_params.weight_by_in + row;
  return select(0.0, back_weight[select(0u, at, there)], there);
}

@compute @workgroup_size(THREADS)
fn backward_input(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let volume = volume_of(back_params.extent);
  let sample = group.z;
  let block = group.y * COLUMNS;
  let own = lane / LANES;
  let first = group.x * LANES * V + lane % LANES;
  var at: array<u32, V>;
  for (var v = 0u; v < V; v++) { // @unroll
    at[v] = corner_of(min(first + v * LANES, volume - 1u), back_params.extent);
  }
  var sums: Sums;
  for (var row0 = 0u; row0 < back_params.rows; row0 += ROWS) {
    workgroupBarrier();
    let column = block + lane % (4u * GROUPS) * 4u;
    let row = row0 + lane / (4u * GROUPS);
    weight_tile[lane / (4u * GROUPS)][lane / 4u % GROUPS][lane % 4u] = vec4f(
      backward_weight_of(row, column), backward_weight_of(row, column + 1u), backward_weight_of(row, column + 2u),
      backward_weight_of(row, column + 3u));
    workgroupBarrier();
    for (var r = 0u; r < back_params.staged; r += UNROLLED) {
      // With 4 taps and more, rows are a multiple of 4, and the taps of 4 of them begin at a multiple of 4.
      let begin = row_place(sample, min(row0 + r, back_params.rows - 1u), volume);
      for (var u = 0u; u < UNROLLED; u++) { // @unroll
        var base = begin + tap_offset(u, back_params.extent);
        if (TAPS < UNROLLED) {
          base = row_place(sample, min(row0 + r + u, back_params.rows - 1u), volume);
        }
        var values: array<f32, V>;
        for (var v = 0u; v < V; v++) { // @unroll
          values[v] = f32(grad_output[base + at[v]]);
        }
        multiply(r + u, own, &values, &sums);
      }
    }
  }
  for (var q = 0u; q < QUADS; q++) { // @unroll
    for (var c = 0u; c < 4u; c++) { // @unroll
      let ci = block + own * 16u + q * 4u + c;
      if (ci < back_params.columns) {
        let base = (sample * back_params.columns + ci) * volume;
        for (var v = 0u; v < V; v++) { // @unroll
          let voxel = first + v * LANES;
          if (voxel < volume) {
            var value = sums.quad[v][q][c];
            if (back_params.accumulate != 0u) {
              value += f32(grad_input[base + voxel]);
            }
            grad_input[base + voxel] = Input(value);
          }
        }
      }
    }
  }
}

// ---- backward_weight

@group(0) @binding(0) var<storage, read_write> saved_input: array<Input>;
@group(0) @binding(1) var<storage, read_write> saved_grad: array<Output>;
// [samples, slices, 2, in_channels, out_channels * TAPS]
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;
@group(0) @binding(3) var<uniform> sums_params: Params;

const CHUNK = 16u;
const IN = 32u;
const PAIRS = 128u;

var<workgroup> input_tile: array<array<array<vec4f, 2>, IN / 8u>, CHUNK>;
var<workgroup> grad_tile: array<array<array<vec4f, 4>, PAIRS / 16u>, CHUNK>;

@compute @workgroup_size(LANES)
fn backward_weight(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let extent = sums_params.extent;
  let volume = volume_of(extent);
  let sample = group.z / sums_params.slices;
  let slice = group.z % sums_params.slices;
  let ci0 = group.x * IN;
  let pair0 = group.y * PAIRS;
  let pairs = sums_params.out_channels * TAPS;
  let share = (sums_params.chunks + sums_params.slices - 1u) / sums_params.slices;
  let last = min((slice + 1u) * share, sums_params.chunks);
  // What a lane stages: voxel `place` of each chunk, a quarter of the vectors.
  let place = lane % CHUNK;
  let quarter = lane / CHUNK;
  // Channels and pairs beyond the last read something else; their sums are not stored.
  let input_base = (sample * sums_params.in_channels + ci0 + quarter * 4u) * volume;
  var pair_at: array<u32, 4>;
  for (var c = 0u; c < 4u; c++) { // @unroll
    let pair = pair0 + quarter * 4u + c;
    pair_at[c] = (sample * sums_params.out_channels + pair / TAPS) * volume * TAPS + tap_offset(pair % TAPS, extent);
  }
  // What it multiplies: 8 input channels, 16 pairs, half of the voxels.
  let own_in = lane % 4u;
  let own_pairs = lane / 4u % 8u;
  let half = lane / 32u;
  var sums: array<array<vec4f, 4>, 8>;
  for (var chunk = slice * share; chunk < last; chunk++) {
    let voxel = chunk * CHUNK + place;
    let inside = voxel < volume;
    let corner = corner_of(min(voxel, volume - 1u), extent);
    workgroupBarrier();
    for (var k = 0u; k < IN / 16u; k++) { // @unroll
      var value: array<f32, 4>;
      for (var c = 0u; c < 4u; c++) { // @unroll
        value[c] = f32(saved_input[input_base + (k * 16u + c) * volume + min(voxel, volume - 1u)]);
      }
      input_tile[place][(k * 4u + quarter) / 2u][quarter % 2u] =
        select(vec4f(0.0), vec4f(value[0], value[1], value[2], value[3]), inside);
    }
    for (var k = 0u; k < PAIRS / 16u; k++) { // @unroll
      var value: array<f32, 4>;
      for (var c = 0u; c < 4u; c++) { // @unroll
        value[c] = f32(saved_grad[corner + pair_at[c] + k * (16u / TAPS) * volume * TAPS]);
      }
      grad_tile[place][k][quarter] = vec4f(value[0], value[1], value[2], value[3]);
    }
    workgroupBarrier();
    for (var p = 0u; p < CHUNK / 2u; p++) {
      let at = half * (CHUNK / 2u) + p;
      for (var q = 0u; q < 4u; q++) { // @unroll
        let g = grad_tile[at][own_pairs][q];
        for (var i = 0u; i < 8u; i++) { // @unroll
          sums[i][q] = fma(g, vec4f(input_tile[at][own_in][i / 4u][i % 4u]), sums[i][q]);
        }
      }
    }
  }
  let part = (group.z * 2u + half) * sums_params.in_channels;
  for (var i = 0u; i < 8u; i++) { // @unroll
    let ci = ci0 + own_in * 8u + i;
    if (ci < sums_params.in_channels) {
      for (var q = 0u; q < 4u; q++) { // @unroll
        for (var c = 0u; c < 4u; c++) { // @unroll
          let pair = pair0 + own_pairs * 16u + q * 4u + c;
          if (pair < pairs) {
            partials[(part + ci) * pairs + pair] = sums[i][q][c];
          }
        }
      }
    }
  }
}
