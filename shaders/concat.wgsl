// Concatenation along channels, one dispatch per source.
//
//   forward    output[n, first + c, v] = source[n, c, v]
//   backward   grad_source[n, c, v] (+)= grad_output[n, first + c, v]
//
// Layout: activations [batch, channels, voxels], walked as `real`, vec4f where the voxels divide by 4.
// Mapping: workgroup.y is the source's channel, workgroup.z the sample; a lane copies PER_LANE items of a channel, a
// workgroup apart, so that neighbouring lanes touch neighbouring addresses. No barriers.

alias real = f32; // @spec
// What the source and the output, and their gradients, store: as many elements as `real` holds.
alias Source = real; // @spec
alias Output = real; // @spec
// 1: gradients are added to what is there.
const ACCUMULATE = 0u; // @spec
const PER_LANE = 8u;
const LANES = 64u;

struct Params {
  items: u32,            // of `real`, in one channel
  source_channels: u32,
  output_channels: u32,
  first: u32,            // the source's first channel in the output
}

@group(0) @binding(0) var<storage, read_write> source: array<Source>;
@group(0) @binding(1) var<storage, read_write> output: array<Output>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = params;
  let from_base = (group.z * p.source_channels + group.y) * p.items;
  let to_base = (group.z * p.output_channels + p.first + group.y) * p.items;
  let end = min(p.items, (group.x + 1u) * PER_LANE * LANES);
  for (var i = group.x * PER_LANE * LANES + lane; i < end; i += LANES) {
    output[to_base + i] = Output(real(source[from_base + i]));
  }
}

@group(0) @binding(0) var<storage, read_write> grad_output: array<Output>;
@group(0) @binding(1) var<storage, read_write> grad_source: array<Source>;

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = params;
  let from_base = (group.z * p.output_channels + p.first + group.y) * p.items;
  let to_base = (group.z * p.source_channels + group.y) * p.items;
  let end = min(p.items, (group.x + 1u) * PER_LANE * LANES);
  for (var i = group.x * PER_LANE * LANES + lane; i < end; i += LANES) {
    var result = real(grad_output[from_base + i]);
    if (ACCUMULATE != 0u) {
      result += real(grad_source[to_base + i]);
    }
    grad_source[to_base + i] = Source(result);
  }
}
