// Dropout (Srivastava et al. 2014), in the form that needs nothing when predicting: what is kept is scaled up.
//
//   apply   target (+)= kept(unit) ? source / (1 - p) : 0      forward, and with gradients backward
//
// A unit is an element, or with PER_CHANNEL a channel of a sample (Tompson et al. 2015). Nothing is stored: the random
// number of a unit is a hash of its index, the layer's stream and the step's seed, so backward finds the mask again,
// and a step that is repeated or resumed has the same one, whatever the width or the slice in which it is walked.
// The hash is pcg4d; its four words serve four units.
// A unit is kept if its word is at least p * 2^32.
//
// Any layout: elements are walked flat, in fours by apply_vec4 if their number is a multiple of 4. A lane handles ITEMS
// items, a workgroup apart, so that neighbouring lanes touch neighbouring addresses. No barriers.

// What each binding is stored as, one by one and in fours.
alias Source = f32; // @spec
alias Target = f32; // @spec
alias Source4 = vec4f; // @spec
alias Target4 = vec4f; // @spec
const PER_CHANNEL = 0u; // @spec
// Items of a lane.
const ITEMS = 8u;
const LANES = 64u;
// 1: gradients are added to what is there.
const ACCUMULATE = 0u; // @spec

struct Params {
  items: u32,       // elements, or fours of them
  first: u32,       // elements before this part of the tensor
  per_channel: u32, // elements of a channel
  stream: u32,      // of the layer
  threshold: u32,   // p * 2^32
  scale: f32,       // 1 / (1 - p)
  groups_x: u32,
}

//!include common/pcg4d.wgsl

@group(0) @binding(0) var<storage, read_write> source: array<Source>;
// Two words that change with each step.
@group(0) @binding(1) var<storage, read_write> seed: array<u32>;
@group(0) @binding(2) var<storage, read_write> target_values: array<Target>;
@group(0) @binding(3) var<uniform> params: Params;

// The random words of units 4 * quarter to 4 * quarter + 3.
fn words(quarter: u32) -> vec4u {
  return pcg4d(vec4u(quarter, params.stream, seed[0], seed[1]));
}

// What element `at` is multiplied by.
fn factor(at: u32) -> f32 {
  let unit = select(at, at / params.per_channel, PER_CHANNEL != 0u);
  return select(0.0, params.scale, words(unit / 4u)[unit % 4u] >= params.threshold);
}

@compute @workgroup_size(LANES)
fn apply(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (group.y * params.groups_x + group.x) * LANES * ITEMS;
  let end = min(params.items, start + LANES * ITEMS);
  for (var i = start + lane; i < end; i += LANES) {
    var result = factor(params.first + i) * f32(source[i]);
    if (ACCUMULATE != 0u) {
      result += f32(target_values[i]);
    }
    target_values[i] = Target(result);
  }
}

@group(0) @binding(0) var<storage, read_write> source4: array<Source4>;
@group(0) @binding(2) var<storage, read_write> target4: array<Target4>;

// The factors of four elements from `at` on.
fn factors(at: u32) -> vec4f {
  if (PER_CHANNEL != 0u) {
    return vec4f(factor(at), factor(at + 1u), factor(at + 2u), factor(at + 3u));
  }
  return select(vec4f(0.0), vec4f(params.scale), words(at / 4u) >= vec4u(params.threshold));
}

@compute @workgroup_size(LANES)
fn apply_vec4(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (group.y * params.groups_x + group.x) * LANES * ITEMS;
  let end = min(params.items, start + LANES * ITEMS);
  for (var i = start + lane; i < end; i += LANES) {
    var result = factors(params.first + 4u * i) * vec4f(source4[i]);
    if (ACCUMULATE != 0u) {
      result += vec4f(target4[i]);
    }
    target4[i] = Target4(result);
  }
}
