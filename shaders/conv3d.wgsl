// 3D convolution through workgroup memory: the family for GPUs, and the fallback that runs everywhere.
//
//   convolve         output[n,o,z,y,x] (+)= bias[o] + sum over i, kz, ky, kx of
//                      input[n,i,q] * weight[o,i,kz,ky,kx]   with q = (z,y,x) * STRIDE + (kz,ky,kx) - padding
//                    dilation 2 reads the input as if a zero lay between neighbours (q odd is zero, even is q/2):
//                    with flipped, transposed weights that is the input gradient of stride 2.
//   sum_parts        output[n] (+)= bias + sum over p of parts[n,p], in this order: where the tiles are too few for a
//                    GPU, convolve runs once a range of input channels and writes parts[n,p] instead
//   weight_partial   partial[n,s,o,i,kz,ky,kx] = sum over the positions of slice s of
//                      grad_output[n,o,z,y,x] * input[n,i,q]
//   weight_reduce    grad_weight (+)= sum over n and s of partial, in this order
//   bias_partial     partial[n,s,o] = sum over slice s of grad_output[n,o]
//
// Layouts: activations dense [batch, channels, depth, height, width]; weights are addressed by strides, so that the
// parameter [out, in, K, K, K] serves forward and (transposed, flipped) the input gradient without a copy.
//
// convolve: a workgroup of 128 owns 16 output channels x 4x4x8 voxels. Lanes lie along x (8) and y (4), so loads and
// stores are coalesced; the four quarters of the workgroup own 4 output channels each, so a weight vec4 is one
// broadcast; an invocation accumulates 4 voxels along z x 4 channels and reads 6 inputs for 12 products of 4. CI input
// channels are staged between two barriers.
// weight_partial: a workgroup of 16 K^2 invocations = 4 output-channel quads x CIW input channels x K*K (kz, ky); each
// accumulates 4 channels x K taps along x. 64 positions (2x4x8) are staged between two barriers.

// What activations and their gradients are stored as: `Input` what a kernel convolves, `Output` what it writes or the
// gradient of that. Everything is computed in f32.
alias Input = f32; // @spec
alias Output = f32; // @spec

const K = 3u; // @spec
const STRIDE = 1u; // @spec
const CI = 4u; // @spec
const TAPS = K * K * K;

const X = 8u;
const Y = 4u;
const Z = 4u;
const OUT = 16u;
const IN_X = (X - 1u) * STRIDE + K;
const IN_Y = (Y - 1u) * STRIDE + K;
const IN_Z = (Z - 1u) * STRIDE + K;
const COLUMN = IN_Z;
const PATCH = IN_X * IN_Y * IN_Z;
const THREADS = 128u;

struct Params {
  in_channels: u32,
  out_channels: u32,
  in_depth: u32,
  in_height: u32,
  in_width: u32,
  out_depth: u32,
  out_height: u32,
  out_width: u32,
  padding: u32,
  dilation: u32,
  // weight[first + o * by_out + i * by_in + (flip ? TAPS - 1 - t : t)]
  weight_first: u32,
  weight_by_out: u32,
  weight_by_in: u32,
  weight_flip: u32,
  has_bias: u32,
  bias_first: u32,
  accumulate: u32,
  tiles_x: u32,
  blocks: u32,
  // K and CI again: a bound that the compiler does not know, so that it leaves these loops rolled.
  rows: u32,
  staged: u32,
  // Ranges of input channels, and channels of one: a multiple of CI.
  parts: u32,
  per_part: u32,
}

@group(0) @binding(0) var<storage, read_write> input: array<Input>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<Output>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> patch_tile: array<f32, CI * PATCH>;
var<workgroup> weight_tile: array<vec4f, CI * TAPS * 4u>;

fn padded_input(sample: u32, channel: u32, z: i32, y: i32, x: i32) -> f32 {
  let d = i32(params.dilation);
  let inside = (channel < params.in_channels) & (z >= 0) & (y >= 0) & (x >= 0)
    & (z < i32(params.in_depth) * d) & (y < i32(params.in_height) * d) & (x < i32(params.in_width) * d);
  if (!inside | ((d == 2) & (((z | y | x) & 1) != 0))) {
    return 0.0;
  }
  let plane = (sample * params.in_channels + channel) * params.in_depth + u32(z / d);
  return f32(input[(plane * params.in_height + u32(y / d)) * params.in_width + u32(x / d)]);
}

fn weight_at(out_channel: u32, in_channel: u32, tap: u32) -> f32 {
  if ((out_channel >= params.out_channels) | (in_channel >= params.in_channels)) {
    return 0.0;
  }
  let t = select(tap, TAPS - 1u - tap, params.weight_flip != 0u);
  return weight[params.weight_first + out_channel * params.weight_by_out + in_channel * params.weight_by_in + t];
}

@compute @workgroup_size(THREADS)
fn convolve(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let x0 = (group.x % params.tiles_x) * X;
  let y0 = (group.x / params.tiles_x) * Y;
  let z0 = (group.y / params.blocks) * Z;
  let o0 = (group.y % params.blocks) * OUT;
  let lane_x = lane % X;
  let lane_y = (lane / X) % Y;
  let quad = lane / (X * Y);
  let pad = i32(params.padding);

  var sum: array<vec4f, Z>;
  for (var v = 0u; v < Z; v++) { // @unroll
    sum[v] = vec4f(0.0);
  }
  let sample = group.z / params.parts;
  let first = (group.z % params.parts) * params.per_part;
  let last = min(first + params.per_part, params.in_channels);
  for (var i0 = first; i0 < last; i0 += CI) {
    workgroupBarrier();
    for (var p = lane; p < params.staged * PATCH; p += THREADS) {
      let x = i32(x0 * STRIDE + p % IN_X) - pad;
      let y = i32(y0 * STRIDE + (p / IN_X) % IN_Y) - pad;
      let z = i32(z0 * STRIDE + (p / (IN_X * IN_Y)) % IN_Z) - pad;
      patch_tile[p] = padded_input(sample, i0 + p / PATCH, z, y, x);
    }
    for (var p = lane; p < params.staged * TAPS * 4u; p += THREADS) {
      let i = i0 + p / (TAPS * 4u);
      let tap = (p / 4u) % TAPS;
      let o = o0 + (p % 4u) * 4u;
      weight_tile[p] = vec4f(
        weight_at(o, i, tap), weight_at(o + 1u, i, tap), weight_at(o + 2u, i, tap), weight_at(o + 3u, i, tap));
    }
    workgroupBarrier();
    for (var i = 0u; i < params.staged; i++) {
      for (var ky = 0u; ky < params.rows; ky++) {
        for (var kx = 0u; kx < params.rows; kx++) {
          let corner = i * PATCH + (lane_y * STRIDE + ky) * IN_X + lane_x * STRIDE + kx;
          var column: array<f32, COLUMN>;
          for (var z = 0u; z < COLUMN; z++) { // @unroll
            column[z] = patch_tile[corner + z * IN_X * IN_Y];
          }
          for (var kz = 0u; kz < K; kz++) { // @unroll
            let w = weight_tile[(i * TAPS + (kz * K + ky) * K + kx) * 4u + quad];
            for (var v = 0u; v < Z; v++) { // @unroll
              sum[v] += column[v * STRIDE + kz] * w;
            }
          }
        }
      }
    }
  }
  let x = x0 + lane_x;
  let y = y0 + lane_y;
  for (var c = 0u; c < 4u; c++) { // @unroll
    let o = o0 + quad * 4u + c;
    var start = 0.0;
    if (params.has_bias != 0u && o < params.out_channels) {
      start = bias[params.bias_first + o];
    }
    for (var v = 0u; v < Z; v++) { // @unroll
      let z = z0 + v;
      if ((o < params.out_channels) & (z < params.out_depth) & (y < params.out_height) & (x < params.out_width)) {
        let plane = (group.z * params.out_channels + o) * params.out_depth + z;
        let at = (plane * params.out_height + y) * params.out_width + x;
        output[at] = Output(start + sum[v][c] + select(0.0, f32(output[at]), params.accumulate != 0u));
      }
    }
  }
}

struct SumParams {
  voxels: u32,
  channels: u32,
  parts: u32,
  has_bias: u32,
  bias_first: u32,
  accumulate: u32,
  groups_x: u32,
}

@group(0) @binding(0) var<storage, read_write> output_parts: array<f32>;
@group(0) @binding(1) var<storage, read> sum_bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> summed: array<Output>;
@group(0) @binding(3) var<uniform> sum_params: SumParams;

@compute @workgroup_size(64)
fn sum_parts(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * sum_params.groups_x + group.x) * 64u + lane;
  let size = sum_params.voxels * sum_params.channels;
  if (index >= size) {
    return;
  }
  var total = 0.0;
  if (sum_params.has_bias != 0u) {
    total = sum_bias[sum_params.bias_first + index / sum_params.voxels];
  }
  for (var p = 0u; p < sum_params.parts; p++) {
    total += output_parts[(group.z * sum_params.parts + p) * size + index];
  }
  let at = group.z * size + index;
  summed[at] = Output(total + select(0.0, f32(summed[at]), sum_params.accumulate != 0u));
}

// Weight gradient.

const GX = 8u;
const GY = 4u;
const GZ = 2u;
const CIW = 4u;
const POSITIONS = GX * GY * GZ;
const WIN_X = (GX - 1u) * STRIDE + K;
const WIN_Y = (GY - 1u) * STRIDE + K;
const WIN_Z = (GZ - 1u) * STRIDE + K;
const WIN = WIN_X * WIN_Y * WIN_Z;
const WTHREADS = 4u * CIW * K * K;

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
  tiles: u32,
  tiles_x: u32,
  tiles_y: u32,
  // CIW, POSITIONS and GY * GZ again, as bounds that the compiler does not know.
  staged: u32,
  positions: u32,
  lines: u32,
}

@group(0) @binding(0) var<storage, read_write> saved_input: array<Input>;
@group(0) @binding(1) var<storage, read_write> grad_output: array<Output>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;
@group(0) @binding(3) var<uniform> weight_params: WeightParams;

var<workgroup> window_tile: array<f32, CIW * WIN>;
var<workgroup> grad_tile: array<vec4f, POSITIONS * 4u>;

fn saved_at(sample: u32, channel: u32, z: i32, y: i32, x: i32) -> f32 {
  if ((channel >= weight_params.in_channels) | (z < 0) | (y < 0) | (x < 0) | (z >= i32(weight_params.in_depth))
    | (y >= i32(weight_params.in_height)) | (x >= i32(weight_params.in_width))) {
    return 0.0;
  }
  let plane = (sample * weight_params.in_channels + channel) * weight_params.in_depth + u32(z);
  return f32(saved_input[(plane * weight_params.in_height + u32(y)) * weight_params.in_width + u32(x)]);
}

fn grad_at(sample: u32, channel: u32, z: u32, y: u32, x: u32) -> f32 {
  if ((channel >= weight_params.out_channels) | (z >= weight_params.out_depth) | (y >= weight_params.out_height)
    | (x >= weight_params.out_width)) {
    return 0.0;
  }
  let plane = (sample * weight_params.out_channels + channel) * weight_params.out_depth + z;
  return f32(grad_output[(plane * weight_params.out_height + y) * weight_params.out_width + x]);
}

@compute @workgroup_size(WTHREADS)
fn weight_partial(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i0 = group.x * CIW;
  let o0 = group.y * OUT;
  let sample = group.z / weight_params.slices;
  let slice = group.z % weight_params.slices;
  let quad = lane % 4u;
  let i = (lane / 4u) % CIW;
  let row = lane / (4u * CIW);
  let ky = row % K;
  let kz = row / K;
  let pad = i32(weight_params.padding);
  let per_slice = (weight_params.tiles + weight_params.slices - 1u) / weight_params.slices;
  let last = min((slice + 1u) * per_slice, weight_params.tiles);

  var sum: array<vec4f, K>;
  for (var kx = 0u; kx < K; kx++) { // @unroll
    sum[kx] = vec4f(0.0);
  }
  for (var tile = slice * per_slice; tile < last; tile++) {
    let x0 = (tile % weight_params.tiles_x) * GX;
    let y0 = ((tile / weight_params.tiles_x) % weight_params.tiles_y) * GY;
    let z0 = (tile / (weight_params.tiles_x * weight_params.tiles_y)) * GZ;
    workgroupBarrier();
    for (var p = lane; p < weight_params.staged * WIN; p += WTHREADS) {
      let x = i32(x0 * STRIDE + p % WIN_X) - pad;
      let y = i32(y0 * STRIDE + (p / WIN_X) % WIN_Y) - pad;
      let z = i32(z0 * STRIDE + (p / (WIN_X * WIN_Y)) % WIN_Z) - pad;
      window_tile[p] = saved_at(sample, i0 + p / WIN, z, y, x);
    }
    for (var p = lane; p < weight_params.positions * 4u; p += WTHREADS) {
      let position = p % POSITIONS;
      let x = x0 + position % GX;
      let y = y0 + (position / GX) % GY;
      let z = z0 + position / (GX * GY);
      let o = o0 + (p / POSITIONS) * 4u;
      grad_tile[position * 4u + p / POSITIONS] = vec4f(grad_at(sample, o, z, y, x), grad_at(sample, o + 1u, z, y, x),
        grad_at(sample, o + 2u, z, y, x), grad_at(sample, o + 3u, z, y, x));
    }
    workgroupBarrier();
    for (var line = 0u; line < weight_params.lines; line++) {
      let corner = i * WIN + (((line / GY) * STRIDE + kz) * WIN_Y + (line % GY) * STRIDE + ky) * WIN_X;
      var window: array<f32, WIN_X>;
      for (var x = 0u; x < WIN_X; x++) { // @unroll
        window[x] = window_tile[corner + x];
      }
      for (var x = 0u; x < GX; x++) { // @unroll
        let g = grad_tile[(line * GX + x) * 4u + quad];
        for (var kx = 0u; kx < K; kx++) { // @unroll
          sum[kx] += g * window[x * STRIDE + kx];
        }
      }
    }
  }
  for (var c = 0u; c < 4u; c++) { // @unroll
    let o = o0 + quad * 4u + c;
    if ((o < weight_params.out_channels) & (i0 + i < weight_params.in_channels)) {
      let at = ((group.z * weight_params.out_channels + o) * weight_params.in_channels + i0 + i) * TAPS + row * K;
      for (var kx = 0u; kx < K; kx++) { // @unroll
        partial[at + kx] = sum[kx][c];
      }
    }
  }
}

struct ReduceParams {
  // Consecutive partials: values an output channel, output channels, number of partials.
  inner: u32,
  outer: u32,
  partials: u32,
  // grad[o * by_out + first + j]
  by_out: u32,
  first: u32,
  accumulate: u32,
  groups_x: u32,
}

@group(0) @binding(0) var<storage, read_write> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> grad: array<f32>;
@group(0) @binding(2) var<uniform> reduce_params: ReduceParams;

@compute @workgroup_size(64)
fn weight_reduce(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * reduce_params.groups_x + group.x) * 64u + lane;
  let size = reduce_params.inner * reduce_params.outer;
  if (index >= size) {
    return;
  }
  var total = 0.0;
  for (var p = 0u; p < reduce_params.partials; p++) {
    total += partials[p * size + index];
  }
  let at = (index / reduce_params.inner) * reduce_params.by_out + reduce_params.first + index % reduce_params.inner;
  grad[at] = total + select(0.0, grad[at], reduce_params.accumulate != 0u);
}

struct BiasParams {
  channels: u32,
  size: u32,
  slices: u32,
}

@group(0) @binding(0) var<storage, read_write> bias_grad_output: array<Output>;
@group(0) @binding(1) var<storage, read_write> bias_partials: array<f32>;
@group(0) @binding(2) var<uniform> bias_params: BiasParams;

// 64 lanes x slices partials a channel: [n, slices, 64, channels]; no barrier, weight_reduce adds them up.
@compute @workgroup_size(64)
fn bias_partial(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let sample = group.z;
  let base = (sample * bias_params.channels + group.x) * bias_params.size;
  let step = bias_params.slices * 64u;
  var total = 0.0;
  for (var p = group.y * 64u + lane; p < bias_params.size; p += step) {
    total += f32(bias_grad_output[base + p]);
  }
  bias_partials[((sample * bias_params.slices + group.y) * 64u + lane) * bias_params.channels + group.x] = total;
}
