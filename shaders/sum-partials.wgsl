// Sums of partial results for GPUs, of several tensors in one dispatch (see common/jobs.wgsl).
//
//   sum_partials   target[e / inner * by_row + e % inner] (+)= sum over p of source[p * stride + e]
//
// Thread mapping: a workgroup of 256 owns 32 elements; its 8 rows of lanes each add an eighth of the partials, four loads in
// flight, and one row adds the eighths up, in order. Lanes of a row are neighbours in memory.
// Order: within an eighth p = 0, 4, 8 ..., then 1, 5, ...; fixed by the number of partials alone.

//!include common/jobs.wgsl

const ELEMENTS = 32u;
const RANGES = 8u;

@group(0) @binding(0) var<storage, read_write> source: array<f32>;
@group(0) @binding(1) var<storage, read_write> target_sums: array<f32>;
@group(0) @binding(2) var<uniform> jobs: Jobs;

var<workgroup> range_sums: array<array<f32, ELEMENTS>, RANGES>;

@compute @workgroup_size(256)
fn sum_partials(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let flat = group.y * jobs.head.y + group.x;
  let row = job_of(flat) * 4u;
  let place = jobs.rows[row];
  let elements = place.w;
  let partials = jobs.rows[row + 1u].x;
  let stride = jobs.rows[row + 1u].y;
  let element = (flat - place.x) * ELEMENTS + lane % ELEMENTS;
  let range = lane / ELEMENTS;
  let share = (partials + RANGES - 1u) / RANGES;
  let first = min(range * share, partials);
  let last = min(first + share, partials);
  var sum = vec4f(0.0);
  if (element < elements) {
    var at = place.y + first * stride + element;
    var p = first;
    for (; p + 4u <= last; p += 4u) {
      sum += vec4f(source[at], source[at + stride], source[at + 2u * stride], source[at + 3u * stride]);
      at += 4u * stride;
    }
    for (; p < last; p++) {
      sum.x += source[at];
      at += stride;
    }
  }
  range_sums[range][lane % ELEMENTS] = (sum.x + sum.y) + (sum.z + sum.w);
  workgroupBarrier();
  if ((range == 0u) & (element < elements)) {
    var total = 0.0;
    for (var r = 0u; r < RANGES; r++) { // @unroll
      total += range_sums[r][lane];
    }
    let inner = jobs.rows[row + 1u].z;
    let at = place.z + element / inner * jobs.rows[row + 1u].w + element % inner;
    target_sums[at] = total + select(0.0, target_sums[at], jobs.rows[row + 2u].x != 0u);
  }
}
