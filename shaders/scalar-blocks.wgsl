// A matrix of numbers as blocks: each number times the identity of `size` channels.
//
//   forward    weight[r * size + i, q * size + j] = matrix[r, q] where i = j, else 0
//   backward   grad matrix[r, q] (+)= sum over i of grad weight[r * size + i, q * size + i], in the order of i
//
// Mapping: an element of the weight, and a number of the matrix, per lane.

const LANES = 64u;
// 1: gradients are added to what is there.
const ACCUMULATE = 0u; // @spec

struct ForwardParams {
  elements: u32, // of the weight
  columns: u32,  // of the matrix
  size: u32,
}

@group(0) @binding(0) var<storage, read_write> matrix: array<f32>;
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(2) var<uniform> forward_params: ForwardParams;

@compute @workgroup_size(LANES)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let p = forward_params;
  if (id.x >= p.elements) {
    return;
  }
  let width = p.columns * p.size;
  let row = id.x / width;
  let column = id.x % width;
  let value = matrix[row / p.size * p.columns + column / p.size];
  weight[id.x] = select(0.0, value, row % p.size == column % p.size);
}

struct BackwardParams {
  numbers: u32,  // of the matrix
  columns: u32,
  size: u32,
}

@group(0) @binding(0) var<storage, read_write> grad_weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> grad_matrix: array<f32>;
@group(0) @binding(2) var<uniform> backward_params: BackwardParams;

@compute @workgroup_size(LANES)
fn backward(@builtin(global_invocation_id) id: vec3u) {
  let p = backward_params;
  if (id.x >= p.numbers) {
    return;
  }
  let width = p.columns * p.size;
  let first = id.x / p.columns * p.size * width + id.x % p.columns * p.size;
  var sum = 0.0;
  for (var i = 0u; i < p.size; i++) {
    sum += grad_weight[first + i * (width + 1u)];
  }
  if (ACCUMULATE != 0u) {
    sum += grad_matrix[id.x];
  }
  grad_matrix[id.x] = sum;
}
