// Statistics of a channel of a patch inside the brain, where values are not exactly 0.
//
//   scratch[2 V + 8 slot ...] = count, mean, deviation (sqrt of the mean square about the mean), smallest, largest
//
// V = depth * height * width voxels; a channel that is 0 everywhere has count 1 and zeros. Values start at element `first`
// of their binding. One workgroup: lane i takes voxels i, i + LANES, ..., and the lanes' results are put together in a
// tree, so the order of sums is fixed. Two walks: the mean, then squares about it.

const LANES = 256u;

struct Params {
  depth: u32,
  height: u32,
  width: u32,
  first: u32,
  slot: u32,
}

@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@group(0) @binding(1) var<storage, read_write> scratch: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

// Sum, count, smallest, largest.
var<workgroup> parts: array<vec4f, LANES>;

fn put_together(lane: u32) {
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (lane < step) {
      let a = parts[lane];
      let b = parts[lane + step];
      parts[lane] = vec4f(a.x + b.x, a.y + b.y, min(a.z, b.z), max(a.w, b.w));
    }
  }
  workgroupBarrier();
}

@compute @workgroup_size(LANES)
fn statistics(@builtin(local_invocation_index) lane: u32) {
  let voxels = params.depth * params.height * params.width;
  var part = vec4f(0.0, 0.0, 3e38, -3e38);
  for (var i = lane; i < voxels; i += LANES) {
    let v = values[params.first + i];
    if (v != 0.0) {
      part = vec4f(part.x + v, part.y + 1.0, min(part.z, v), max(part.w, v));
    }
  }
  parts[lane] = part;
  put_together(lane);
  let whole = parts[0];
  workgroupBarrier();
  let count = max(whole.y, 1.0);
  let mean = whole.x / count;
  var squares = 0.0;
  for (var i = lane; i < voxels; i += LANES) {
    let v = values[params.first + i];
    squares += select((v - mean) * (v - mean), 0.0, v == 0.0);
  }
  parts[lane] = vec4f(squares, 0.0, 0.0, 0.0);
  put_together(lane);
  if (lane == 0u) {
    let at = 2u * voxels + 8u * params.slot;
    scratch[at] = count;
    scratch[at + 1u] = mean;
    scratch[at + 2u] = sqrt(parts[0].x / count);
    scratch[at + 3u] = select(whole.z, 0.0, whole.y == 0.0);
    scratch[at + 4u] = select(whole.w, 0.0, whole.y == 0.0);
  }
}
