// Weight gradient of a 3x3x3 convolution of stride 1 for GPUs, with wide register tiles. Uses no subgroup operations.
//
//   weight_partial   partial[n,s,o,i,kz,ky,kx] = sum over the positions of slice s of
//                      grad_output[n,o,z,y,x] * input[n,i,z+kz-padding,y+ky-padding,x+kx-padding]
//   (sum-partials.wgsl adds the partials up, in order.) The input channels are those of one or two tensors, as if
//   concatenated.
//
// Thread mapping: a workgroup of 96 owns 16 output x 16 input channels. A lane owns 8 output channels, one input channel
// and one ky, keeps 8 x 9 sums (kz, kx) in registers and walks rows of 8 positions along x: from 30 inputs and 16 vectors
// of gradients it does 576 multiply-adds. GZ x 4 x 8 positions are staged between two barriers.
//
// Workgroup memory: rows of 12 inputs, 6 (GZ + 2) rows per channel; one more word per channel, so that the channels and ky of
// neighbouring lanes lie on different banks. Inner indexes are constants, which Tint need not clamp.
//
// Layouts: activations dense [batch, channels, depth, height, width].

// What activations and their gradients are stored as. Everything is computed in f32.
alias Input = f32; // @spec
alias Output = f32; // @spec

const GX = 8u;
const GY = 4u;
// Planes of positions staged between two barriers: with 2 the workgroup takes 22.6 kB, with 1 it fits any device.
const GZ = 1u; // @spec
const CHANNELS = 16u;
const TAPS = 27u;
const THREADS = 96u;
const IN_X = GX + 2u;
const IN_Y = GY + 2u;
const IN_Z = GZ + 2u;
const PATCH = IN_X * IN_Y * IN_Z;
// Inputs of a channel that a lane stages.
const STAGED = (PATCH + THREADS - 1u) / THREADS;
const QUADS = 2u;
const WINDOW = 3u * IN_X;

struct WeightParams {
  // Channels of the two sources; the second has none if there is one.
  in_channels: u32,
  other_channels: u32,
  // Blocks of input channels of the first source.
  first_blocks: u32,
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
}

@group(0) @binding(0) var<storage, read_write> saved_input: array<Input>;
@group(0) @binding(1) var<storage, read_write> grad_output: array<Output>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;
// The second source; with one source something else, which is not read.
@group(0) @binding(3) var<storage, read_write> other_input: array<Input>;
@group(0) @binding(4) var<uniform> weight_params: WeightParams;

struct Window {
  rows: array<array<f32, 12>, IN_Z * IN_Y>,
  padding: f32,
}
var<workgroup> window_tile: array<Window, CHANNELS>;
var<workgroup> grad_tile: array<array<array<vec4f, 4>, GX>, GY * GZ>;

@compute @workgroup_size(THREADS)
fn weight_partial(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let second = group.x >= weight_params.first_blocks;
  let channels = select(weight_params.in_channels, weight_params.other_channels, second);
  let i0 = (group.x - select(0u, weight_params.first_blocks, second)) * CHANNELS;
  let o0 = group.y * CHANNELS;
  let sample = group.z / weight_params.slices;
  let slice = group.z % weight_params.slices;
  let half = lane % 2u;
  let ky = (lane / 2u) % 3u;
  let i = lane / 6u;
  let volume = weight_params.in_depth * weight_params.in_height * weight_params.in_width;
  let grad_volume = weight_params.out_depth * weight_params.out_height * weight_params.out_width;
  let window_base = (sample * channels + i0) * volume;
  let grad_base = (sample * weight_params.out_channels + o0) * grad_volume;
  let per_slice = (weight_params.tiles + weight_params.slices - 1u) / weight_params.slices;
  let last = min((slice + 1u) * per_slice, weight_params.tiles);

  var sum: array<array<vec4f, QUADS>, 9>;
  for (var tile = slice * per_slice; tile < last; tile++) {
    let x0 = (tile % weight_params.tiles_x) * GX;
    let y0 = ((tile / weight_params.tiles_x) % weight_params.tiles_y) * GY;
    let z0 = (tile / (weight_params.tiles_x * weight_params.tiles_y)) * GZ;
    workgroupBarrier();
    for (var k = 0u; k < STAGED; k++) { // @unroll
      let p = lane + k * THREADS;
      // Below zero wraps round to beyond the volume.
      let x = x0 + p % IN_X - weight_params.padding;
      let y = y0 + (p / IN_X) % IN_Y - weight_params.padding;
      let z = z0 + p / (IN_X * IN_Y) - weight_params.padding;
      let inside = (x < weight_params.in_width) & (y < weight_params.in_height) & (z < weight_params.in_depth);
      let at = window_base + select(0u, (z * weight_params.in_height + y) * weight_params.in_width + x, inside);
      var place: array<u32, CHANNELS>;
      for (var c = 0u; c < CHANNELS; c++) { // @unroll
        place[c] = select(0u, at + c * volume, i0 + c < channels);
      }
      var value: array<f32, CHANNELS>;
      if (second) {
        for (var c = 0u; c < CHANNELS; c++) { // @unroll
          value[c] = f32(other_input[place[c]]);
        }
      } else {
        for (var c = 0u; c < CHANNELS; c++) { // @unroll
          value[c] = f32(saved_input[place[c]]);
        }
      }
      if (p < PATCH) {
        for (var c = 0u; c < CHANNELS; c++) { // @unroll
          window_tile[c].rows[p / IN_X][p % IN_X] = select(0.0, value[c], inside & (i0 + c < channels));
        }
      }
    }
    for (var p = lane; p < GX * GY * GZ * 4u; p += THREADS) {
      let position = p % (GX * GY * GZ);
      let quad = p / (GX * GY * GZ);
      let x = x0 + position % GX;
      let y = y0 + (position / GX) % GY;
      let z = z0 + position / (GX * GY);
      let inside = (x < weight_params.out_width) & (y < weight_params.out_height) & (z < weight_params.out_depth);
      let at = grad_base + (z * weight_params.out_height + y) * weight_params.out_width + x + quad * 4u * grad_volume;
      var g = vec4f(0.0);
      for (var c = 0u; c < 4u; c++) { // @unroll
        let there = inside & (o0 + quad * 4u + c < weight_params.out_channels);
        g[c] = select(0.0, f32(grad_output[select(0u, at + c * grad_volume, there)]), there);
      }
      grad_tile[position / GX][position % GX][quad] = g;
    }
    workgroupBarrier();
    for (var line = 0u; line < GY * GZ; line++) {
      let corner = line / GY * IN_Y + line % GY + ky;
      var window: array<f32, WINDOW>;
      for (var kz = 0u; kz < 3u; kz++) { // @unroll
        for (var x = 0u; x < IN_X; x++) { // @unroll
          window[kz * IN_X + x] = window_tile[i].rows[corner + kz * IN_Y][x];
        }
      }
      for (var x = 0u; x < GX; x++) { // @unroll
        for (var q = 0u; q < QUADS; q++) { // @unroll
          let g = grad_tile[line][x][half * QUADS + q];
          for (var t = 0u; t < 9u; t++) { // @unroll
            sum[t][q] = fma(g, vec4f(window[t / 3u * IN_X + x + t % 3u]), sum[t][q]);
          }
        }
      }
    }
  }
  let row = weight_params.in_channels + weight_params.other_channels;
  let column = i0 + i + select(0u, weight_params.in_channels, second);
  for (var q = 0u; q < QUADS; q++) { // @unroll
    for (var c = 0u; c < 4u; c++) { // @unroll
      let o = o0 + (half * QUADS + q) * 4u + c;
      if ((o < weight_params.out_channels) & (i0 + i < channels)) {
        let at = ((group.z * weight_params.out_channels + o) * row + column) * TAPS + ky * 3u;
        for (var t = 0u; t < 9u; t++) { // @unroll
          partial[at + t / 3u * 9u + t % 3u] = sum[t][q][c];
        }
      }
    }
  }
}
