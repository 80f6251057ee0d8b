// 3D convolution through workgroup memory: the family for GPUs, and the fallback that runs everywhere.
//
//   convolve         output[n,o,z,y,x] (+)= bias[o] + sum over i, kz, ky, kx of
//                      input[n,i,q] * weight[o,i,kz,ky,kx]   with q = (z,y,x) * stride + (kz,ky,kx) * dilation - padding
//                    input_dilation 2 reads the input as if a zero lay between neighbours (q odd is zero, even is
//                    input[q / 2]): with flipped, transposed weights that is the input gradient of stride 2.
//   sum_parts        output[n] (+)= bias + sum over p of parts[n,p], in this order: where the tiles are too few for a
//                    GPU, convolve runs once a range of input channels and writes parts[n,p] instead
//   weight_partial   partial[n,s,o,i,kz,ky,kx] = sum over the positions of slice s of
//                      grad_output[n,o,z,y,x] * input[n,i,q]
//   weight_reduce    grad_weight (+)= sum over n and s of partial, in this order
//   bias_partial     partial[n,s,o] = sum over slice s of grad_output[n,o]
//
// Layouts: activations dense [batch, channels, depth, height, width]; weights are addressed by strides, so that the
// parameter [out, in, KZ, KY, KX] serves forward and (transposed, flipped) the input gradient without a copy.
//
// Phases: along each axis the outputs `phase + period * t` read inputs of one lattice, `start + spacing * (E * t + j)`
// for the taps `first + U * j`. So a tile of outputs of one phase reads a dense patch of the lattice, whatever the
// stride and the dilations are: a dilated kernel stages no more than a plain one, and no product with the zeros of
// an input dilation is computed. Without stride and dilation there is one phase, and all of these are 1 (or 0).
//
// convolve: a workgroup of 128 owns 16 output channels x Z x 4 x 8 voxels of one phase. Lanes lie along x (8) and y (4),
// so loads and stores are coalesced; the four quarters of the workgroup own 4 output channels each, so a weight vec4 is
// one broadcast; an invocation accumulates Z voxels along z x 4 channels. CI input channels are staged between two
// barriers.
// weight_partial: a workgroup = 4 output-channel quads x CIW input channels x KZ x KY; each invocation accumulates 4
// channels x KX taps along x. 64 positions (2x4x8) of one phase are staged between two barriers.

// What activations and their gradients are stored as: `Input` what a kernel convolves, `Output` what it writes or the
// gradient of that. Everything is computed in f32.
alias Input = f32; // @spec
alias Output = f32; // @spec

// Taps of the kernel, E and U along each axis.
const KZ = 3u; // @spec
const KY = 3u; // @spec
const KX = 3u; // @spec
const EZ = 1u; // @spec
const EY = 1u; // @spec
const EX = 1u; // @spec
const UZ = 1u; // @spec
const UY = 1u; // @spec
const UX = 1u; // @spec
const CI = 4u; // @spec
const TAPS = KZ * KY * KX;
// Taps that the outputs of one phase may have.
const JZ = (KZ + UZ - 1u) / UZ;
const JY = (KY + UY - 1u) / UY;
const JX = (KX + UX - 1u) / UX;
const STAGED = JZ * JY * JX;

const X = 8u;
const Y = 4u;
const Z = 4u; // @spec
const OUT = 16u;
const IN_X = (X - 1u) * EX + JX;
const IN_Y = (Y - 1u) * EY + JY;
const IN_Z = (Z - 1u) * EZ + JZ;
const COLUMN = IN_Z;
const PATCH = IN_X * IN_Y * IN_Z;
const THREADS = 128u;

// Vectors are x, y, z.
struct Params {
  in_extent: vec3u,
  in_channels: u32,
  out_extent: vec3u,
  out_channels: u32,
  stride: vec3u,
  // weight[first + o * by_out + i * by_in + (flip ? TAPS - 1 - t : t)]
  weight_first: u32,
  dilation: vec3u,
  weight_by_out: u32,
  input_dilation: vec3u,
  weight_by_in: u32,
  padding: vec3i,
  weight_flip: u32,
  period: vec3u,
  has_bias: u32,
  spacing: vec3u,
  bias_first: u32,
  accumulate: u32,
  // Tiles along x of all phases.
  tiles_x: u32,
  blocks: u32,
  // CI again: a bound that the compiler does not know, so that it leaves the loop rolled.
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
var<workgroup> weight_tile: array<vec4f, CI * STAGED * 4u>;

fn padded_input(sample: u32, channel: u32, q: vec3i) -> f32 {
  let inside = (channel < params.in_channels) & all((q >= vec3i(0)) & (q < vec3i(params.in_extent)));
  if (!inside) {
    return 0.0;
  }
  let at = vec3u(q);
  let plane = (sample * params.in_channels + channel) * params.in_extent.z + at.z;
  return f32(input[(plane * params.in_extent.y + at.y) * params.in_extent.x + at.x]);
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
  let place = vec3u(group.x % params.tiles_x, group.x / params.tiles_x, group.y / params.blocks);
  let phase = place % params.period;
  // The first t of the tile.
  let t0 = (place / params.period) * vec3u(X, Y, Z);
  let o0 = (group.y % params.blocks) * OUT;
  let lane_x = lane % X;
  let lane_y = (lane / X) % Y;
  let quad = lane / (X * Y);

  // Where tap 0 of the phase's first output lies in the dilated input; with a zero there, the next tap may reach a value.
  let corner = vec3i(params.stride * phase) - params.padding;
  let off = vec3u(corner & vec3i(1)) & (params.input_dilation - vec3u(1u));
  let first_tap = off & params.dilation;
  let misses = any(off != first_tap);
  let taps = (vec3u(KX + UX - 1u, KY + UY - 1u, KZ + UZ - 1u) - first_tap) / vec3u(UX, UY, UZ);
  let start = (corner + vec3i(params.dilation * first_tap)) >> (params.input_dilation - vec3u(1u));
  let origin = start + vec3i(params.spacing * t0 * vec3u(EX, EY, EZ));

  var sum: array<vec4f, Z>;
  for (var v = 0u; v < Z; v++) { // @unroll
    sum[v] = vec4f(0.0);
  }
  let sample = group.z / params.parts;
  let first = (group.z % params.parts) * params.per_part;
  let last = select(min(first + params.per_part, params.in_channels), first, misses);
  for (var i0 = first; i0 < last; i0 += CI) {
    workgroupBarrier();
    for (var p = lane; p < params.staged * PATCH; p += THREADS) {
      let at = vec3u(p % IN_X, (p / IN_X) % IN_Y, (p / (IN_X * IN_Y)) % IN_Z);
      patch_tile[p] = padded_input(sample, i0 + p / PATCH, origin + vec3i(params.spacing * at));
    }
    for (var p = lane; p < params.staged * STAGED * 4u; p += THREADS) {
      let i = i0 + p / (STAGED * 4u);
      let j = (p / 4u) % STAGED;
      let k = first_tap + vec3u(j % JX, (j / JX) % JY, j / (JX * JY)) * vec3u(UX, UY, UZ);
      let tap = (k.z * KY + k.y) * KX + k.x;
      let o = o0 + (p % 4u) * 4u;
      weight_tile[p] = vec4f(
        weight_at(o, i, tap), weight_at(o + 1u, i, tap), weight_at(o + 2u, i, tap), weight_at(o + 3u, i, tap));
    }
    workgroupBarrier();
    for (var i = 0u; i < params.staged; i++) {
      for (var jy = 0u; jy < taps.y; jy++) {
        for (var jx = 0u; jx < taps.x; jx++) {
          let base = i * PATCH + (lane_y * EY + jy) * IN_X + lane_x * EX + jx;
          var column: array<f32, COLUMN>;
          for (var z = 0u; z < COLUMN; z++) { // @unroll
            column[z] = patch_tile[base + z * IN_X * IN_Y];
          }
          for (var jz = 0u; jz < JZ; jz++) { // @unroll
            if (UZ == 1u || jz < taps.z) {
              let w = weight_tile[(i * STAGED + (jz * JY + jy) * JX + jx) * 4u + quad];
              for (var v = 0u; v < Z; v++) { // @unroll
                sum[v] += column[v * EZ + jz] * w;
              }
            }
          }
        }
      }
    }
  }
  let x = phase.x + (t0.x + lane_x) * params.period.x;
  let y = phase.y + (t0.y + lane_y) * params.period.y;
  for (var c = 0u; c < 4u; c++) { // @unroll
    let o = o0 + quad * 4u + c;
    var value = 0.0;
    if (params.has_bias != 0u && o < params.out_channels) {
      value = bias[params.bias_first + o];
    }
    for (var v = 0u; v < Z; v++) { // @unroll
      let z = phase.z + (t0.z + v) * params.period.z;
      if ((o < params.out_channels) & all(vec3u(x, y, z) < params.out_extent)) {
        let plane = (group.z * params.out_channels + o) * params.out_extent.z + z;
        let at = (plane * params.out_extent.y + y) * params.out_extent.x + x;
        output[at] = Output(value + sum[v][c] + select(0.0, f32(output[at]), params.accumulate != 0u));
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
  // Channels of the first output, and whether the second is added to.
  first_channels: u32,
  other_accumulate: u32,
}

@group(0) @binding(0) var<storage, read_write> output_parts: array<f32>;
@group(0) @binding(1) var<storage, read> sum_bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> summed: array<Output>;
// The second output, whose channels follow on the first's; with one output something else, which is not written.
@group(0) @binding(3) var<storage, read_write> other_summed: array<Output>;
@group(0) @binding(4) var<uniform> sum_params: SumParams;

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
  let first_size = sum_params.voxels * sum_params.first_channels;
  if (index < first_size) {
    let at = group.z * first_size + index;
    summed[at] = Output(total + select(0.0, f32(summed[at]), sum_params.accumulate != 0u));
  } else {
    let at = group.z * (size - first_size) + index - first_size;
    other_summed[at] = Output(total + select(0.0, f32(other_summed[at]), sum_params.other_accumulate != 0u));
  }
}

// Weight gradient: no input dilation, so each phase has all taps.

const GX = 8u;
const GY = 4u;
const GZ = 2u;
const CIW = 4u; // @spec
const POSITIONS = GX * GY * GZ;
const WIN_X = (GX - 1u) * EX + KX;
const WIN_Y = (GY - 1u) * EY + KY;
const WIN_Z = (GZ - 1u) * EZ + KZ;
const WIN = WIN_X * WIN_Y * WIN_Z;
const WTHREADS = 4u * CIW * KZ * KY;

// Vectors are x, y, z.
struct WeightParams {
  in_extent: vec3u,
  in_channels: u32,
  out_extent: vec3u,
  out_channels: u32,
  stride: vec3u,
  slices: u32,
  padding: vec3i,
  // Tiles of all phases, and of these along x and y.
  tiles: u32,
  period: vec3u,
  tiles_x: u32,
  spacing: vec3u,
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

fn saved_at(sample: u32, channel: u32, q: vec3i) -> f32 {
  let extent = weight_params.in_extent;
  if ((channel >= weight_params.in_channels) | any((q < vec3i(0)) | (q >= vec3i(extent)))) {
    return 0.0;
  }
  let at = vec3u(q);
  let plane = (sample * weight_params.in_channels + channel) * extent.z + at.z;
  return f32(saved_input[(plane * extent.y + at.y) * extent.x + at.x]);
}

fn grad_at(sample: u32, channel: u32, at: vec3u) -> f32 {
  let extent = weight_params.out_extent;
  if ((channel >= weight_params.out_channels) | any(at >= extent)) {
    return 0.0;
  }
  let plane = (sample * weight_params.out_channels + channel) * extent.z + at.z;
  return f32(grad_output[(plane * extent.y + at.y) * extent.x + at.x]);
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
  let ky = row % KY;
  let kz = row / KY;
  let per_slice = (weight_params.tiles + weight_params.slices - 1u) / weight_params.slices;
  let last = min((slice + 1u) * per_slice, weight_params.tiles);

  var sum: array<vec4f, KX>;
  for (var kx = 0u; kx < KX; kx++) { // @unroll
    sum[kx] = vec4f(0.0);
  }
  for (var tile = slice * per_slice; tile < last; tile++) {
    let tile_row = tile / weight_params.tiles_x;
    let place = vec3u(
      tile - tile_row * weight_params.tiles_x, tile_row % weight_params.tiles_y, tile_row / weight_params.tiles_y);
    let phase = place % weight_params.period;
    let t0 = (place / weight_params.period) * vec3u(GX, GY, GZ);
    let origin = vec3i(weight_params.stride * phase + weight_params.spacing * t0 * vec3u(EX, EY, EZ))
      - weight_params.padding;
    workgroupBarrier();
    for (var p = lane; p < weight_params.staged * WIN; p += WTHREADS) {
      let at = vec3u(p % WIN_X, (p / WIN_X) % WIN_Y, (p / (WIN_X * WIN_Y)) % WIN_Z);
      window_tile[p] = saved_at(sample, i0 + p / WIN, origin + vec3i(weight_params.spacing * at));
    }
    for (var p = lane; p < weight_params.positions * 4u; p += WTHREADS) {
      let position = p % POSITIONS;
      let t = t0 + vec3u(position % GX, (position / GX) % GY, position / (GX * GY));
      let at = phase + t * weight_params.period;
      let o = o0 + (p / POSITIONS) * 4u;
      grad_tile[position * 4u + p / POSITIONS] = vec4f(
        grad_at(sample, o, at), grad_at(sample, o + 1u, at), grad_at(sample, o + 2u, at), grad_at(sample, o + 3u, at));
    }
    workgroupBarrier();
    for (var line = 0u; line < weight_params.lines; line++) {
      let corner = i * WIN + (((line / GY) * EZ + kz) * WIN_Y + (line % GY) * EY + ky) * WIN_X;
      var window: array<f32, WIN_X>;
      for (var x = 0u; x < WIN_X; x++) { // @unroll
        window[x] = window_tile[corner + x];
      }
      for (var x = 0u; x < GX; x++) { // @unroll
        let g = grad_tile[(line * GX + x) * 4u + quad];
        for (var kx = 0u; kx < KX; kx++) { // @unroll
          sum[kx] += g * window[x * EX + kx];
        }
      }
    }
  }
  for (var c = 0u; c < 4u; c++) { // @unroll
    let o = o0 + quad * 4u + c;
    if ((o < weight_params.out_channels) & (i0 + i < weight_params.in_channels)) {
      let at = ((group.z * weight_params.out_channels + o) * weight_params.in_channels + i0 + i) * TAPS + row * KX;
      for (var kx = 0u; kx < KX; kx++) { // @unroll
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
