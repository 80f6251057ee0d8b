// Second pass of the sums of labels: adds what the lanes of the first pass left, in a fixed order.
//
//   total_sums   totals[n, value] = sum over i of partial_values[n, value, i]
//
// Layout: partial_values [N, values, partials], totals [N, values]. Mapping: one workgroup per value (x) and item (z); each
// lane adds up every LANES-th partial, then the first lane adds the lanes' sums in order: a tree's barriers cost more on
// software drivers.

const LANES = 64u;

struct Params {
  values: u32,
  partials: u32,
}

@group(0) @binding(0) var<storage, read_write> partial_values: array<f32>;
@group(0) @binding(1) var<storage, read_write> totals: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> lane_sums: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn total_sums(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let value = group.z * params.values + group.x;
  var sum = 0.0;
  for (var i = lane; i < params.partials; i += LANES) {
    sum += partial_values[value * params.partials + i];
  }
  lane_sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < LANES; i++) {
      sum += lane_sums[i];
    }
    totals[value] = sum;
  }
}
