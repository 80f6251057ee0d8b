// Trilinear upsampling by whole factors, PyTorch's align_corners=False.
//
//   forward    output[z, y, x] = sum over i, j, k of w_z(z, i) w_y(y, j) w_x(x, k) input[i, j, k]
//   backward   grad_input[i, j, k] (+)= sum over z, y, x of w_z(z, i) w_y(y, j) w_x(x, k) grad_output[z, y, x]
//
// with the weights of each axis w(o, i) = max(0, 1 - |s - i|), where s = (o + 1/2) / factor - 1/2, kept within the input,
// is where the voxel o lies in it. Only two inputs per axis have a weight for an output, and at most 2 factor outputs for an
// input (more at the ends), which backward gathers in order.
//
// Layout: [batch, channels, depth, height, width]. Mapping: workgroup.y is the channel, workgroup.z the sample; a lane
// owns one voxel of what is written. No barriers.

// What the input and the output, and their gradients, store.
alias Input = f32; // @spec
alias Output = f32; // @spec
// 1: gradients are added to what is there.
const ACCUMULATE = 0u; // @spec
const LANES = 64u;

struct Params {
  channels: u32,
  depth: u32,    // of the input
  height: u32,
  width: u32,
  factor_z: u32,
  factor_y: u32,
  factor_x: u32,
}

@group(0) @binding(0) var<storage, read_write> input: array<Input>;
@group(0) @binding(1) var<storage, read_write> output: array<Output>;
@group(0) @binding(2) var<uniform> params: Params;

// Where voxel o of the output lies in the input.
fn source_of(o: u32, factor: u32, extent: u32) -> f32 {
  return clamp((f32(o) + 0.5) / f32(factor) - 0.5, 0.0, f32(extent - 1u));
}

// The two voxels of the input around it, and the share of the second.
struct Pair {
  first: u32,
  second: u32,
  share: f32,
}

fn pair_of(o: u32, factor: u32, extent: u32) -> Pair {
  let s = source_of(o, factor, extent);
  let first = u32(s);
  return Pair(first, min(first + 1u, extent - 1u), s - f32(first));
}

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = params;
  let row = group.z * p.channels + group.y;
  let width = p.width * p.factor_x;
  let height = p.height * p.factor_y;
  let size = width * height * p.depth * p.factor_z;
  let i = group.x * LANES + lane;
  if (i < size) {
    let x = pair_of(i % width, p.factor_x, p.width);
    let y = pair_of((i / width) % height, p.factor_y, p.height);
    let z = pair_of(i / (width * height), p.factor_z, p.depth);
    let base = row * p.depth * p.height * p.width;
    var value = 0.0;
    for (var t = 0u; t < 4u; t++) { // @unroll
      let at_z = select(z.first, z.second, t >= 2u);
      let at_y = select(y.first, y.second, (t & 1u) == 1u);
      let weight = select(1.0 - z.share, z.share, t >= 2u) * select(1.0 - y.share, y.share, (t & 1u) == 1u);
      let line = base + (at_z * p.height + at_y) * p.width;
      value += weight * ((1.0 - x.share) * f32(input[line + x.first]) + x.share * f32(input[line + x.second]));
    }
    output[row * size + i] = Output(value);
  }
}

@group(0) @binding(0) var<storage, read_write> grad_output: array<Output>;
@group(0) @binding(1) var<storage, read_write> grad_input: array<Input>;

// The outputs that voxel i of an axis may have a weight for: from first to last, both inclusive.
fn reach(i: u32, factor: u32, extent: u32) -> vec2u {
  let first = max(2u * i, 1u) - 1u;
  return vec2u(first * factor / 2u, min((2u * i + 3u) * factor / 2u, extent * factor - 1u));
}

fn weight_of(o: u32, i: u32, factor: u32, extent: u32) -> f32 {
  return max(0.0, 1.0 - abs(source_of(o, factor, extent) - f32(i)));
}

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = params;
  let row = group.z * p.channels + group.y;
  let width = p.width * p.factor_x;
  let height = p.height * p.factor_y;
  let size = p.depth * p.height * p.width;
  let at = group.x * LANES + lane;
  if (at < size) {
    let i = vec3u(at % p.width, (at / p.width) % p.height, at / (p.width * p.height));
    let reach_x = reach(i.x, p.factor_x, p.width);
    let reach_y = reach(i.y, p.factor_y, p.height);
    let reach_z = reach(i.z, p.factor_z, p.depth);
    let base = row * size * p.factor_z * p.factor_y * p.factor_x;
    var sum = 0.0;
    for (var z = reach_z.x; z <= reach_z.y; z++) {
      let weight_z = weight_of(z, i.z, p.factor_z, p.depth);
      for (var y = reach_y.x; y <= reach_y.y; y++) {
        let weight = weight_z * weight_of(y, i.y, p.factor_y, p.height);
        let line = base + (z * height + y) * width;
        var along = 0.0;
        for (var x = reach_x.x; x <= reach_x.y; x++) {
          along += weight_of(x, i.x, p.factor_x, p.width) * f32(grad_output[line + x]);
        }
        sum += weight * along;
      }
    }
    if (ACCUMULATE != 0u) {
      sum += f32(grad_input[row * size + at]);
    }
    grad_input[row * size + at] = Input(sum);
  }
}
