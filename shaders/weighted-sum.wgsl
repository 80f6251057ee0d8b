// Weighted sum of scalars, one dispatch per term.
//
//   add   total (+)= weight * term
//
// One invocation: the terms are a few losses. The sum is taken in the order of the dispatches.

// 1: the term is added to what is there.
const ACCUMULATE = 0u; // @spec

struct Params {
  weight: f32,
}

@group(0) @binding(0) var<storage, read_write> term: array<f32>;
@group(0) @binding(1) var<storage, read_write> total: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(1)
fn add() {
  var result = params.weight * term[0];
  if (ACCUMULATE != 0u) {
    result += total[0];
  }
  total[0] = result;
}
