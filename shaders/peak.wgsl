// Peak arithmetic of the adapter: independent chains of multiply-adds that live in registers.
//
//   x_k = fma(x_k, factor, offset)      k = 0 .. CHAINS-1, rounds * LINKS times
//
// The probe is fixed so that figures can be compared: CHAINS scalar chains a lane (enough to hide the latency of one
// link, few enough to stay in sixteen registers), LINKS written out a round, no memory but one store a lane at the
// end. A multiply-add counts as two operations whether the device fuses it or not:
//   GFLOP/s = 2 * lanes * rounds * LINKS * CHAINS / seconds / 1e9
// with the best of several submissions by wall clock. Factor and offset come from the uniform block, or a compiler
// could work the result out; factor < 1 keeps every value finite. Workgroups are counted along x only.
//
// The figure beside it, GB/s of copies, needs no shader: bytes read plus bytes written by a buffer-to-buffer copy.

struct Params {
  factor: f32,
  offset: f32,
  rounds: u32,
}

const CHAINS = 10u;
const LINKS = 8u;
const LANES = 64u;

@group(0) @binding(0) var<storage, read_write> output: array<f32>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn multiply_add(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var x: array<f32, CHAINS>;
  for (var k = 0u; k < CHAINS; k++) { // @unroll
    x[k] = f32(lane + k);
  }
  let factor = params.factor;
  let offset = params.offset;
  for (var r = 0u; r < params.rounds; r++) {
    for (var link = 0u; link < LINKS; link++) { // @unroll
      for (var k = 0u; k < CHAINS; k++) { // @unroll
        x[k] = fma(x[k], factor, offset);
      }
    }
  }
  var sum = 0.0;
  for (var k = 0u; k < CHAINS; k++) { // @unroll
    sum += x[k];
  }
  output[group.x * LANES + lane] = sum;
}
