// Every stride-th voxel: targets at the resolution of a coarser output.
//
//   forward   output[n, c, z, y, x] = input[n, c, stride_z z, stride_y y, stride_x x]
//
// Layout: [batch, channels, depth, height, width]. Mapping: workgroup.y is the channel, workgroup.z the sample; a lane
// owns one voxel of the output. No barriers; targets have no gradient.

const LANES = 64u;

struct Params {
  channels: u32,
  input_depth: u32,
  input_height: u32,
  input_width: u32,
  depth: u32,
  height: u32,
  width: u32,
  stride_z: u32,
  stride_y: u32,
  stride_x: u32,
}

@group(0) @binding(0) var<storage, read_write> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = params;
  let row = group.z * p.channels + group.y;
  let i = group.x * LANES + lane;
  let size = p.depth * p.height * p.width;
  if (i < size) {
    let x = i % p.width;
    let y = (i / p.width) % p.height;
    let z = i / (p.width * p.height);
    let line = (row * p.input_depth + z * p.stride_z) * p.input_height + y * p.stride_y;
    output[row * size + i] = input[line * p.input_width + x * p.stride_x];
  }
}
