// Max pooling, kernel = stride; extents are divided by the kernel's, rounding down.
//
//   forward   output[window] = max of the window's inputs
//   backward  the gradient goes to the window's first largest value in memory order, as in PyTorch; the rest,
//             and what no window covers, gets 0 (or keeps its value if gradients accumulate); parts of a gradient that
//             a convolution left are added up as they are read
//
// Layout: [batch, channels, depth, height, width]. The winner is found again from the input: no index is stored.
// Mapping: workgroup.y is the channel, workgroup.z the sample; a lane owns a window (forward and backward write
// everything of it, so nothing overlaps). No barriers. For the kernel 2x2x2 `forward` and `backward` are written out,
// and if the width is a multiple of 8, a lane owns four windows along x: then every load and store is a vec4f. Other
// kernels loop over their taps, for ITEMS windows of a lane that lie a workgroup apart.

//!include common/window.wgsl

// What the input, the output and the gradient of each are stored as, one by one and in fours.
alias Input = f32; // @spec
alias Output = f32; // @spec
alias Input4 = vec4f; // @spec
alias Output4 = vec4f; // @spec
const LANES = 64u;
// Windows of a lane, for kernels other than 2x2x2.
const ITEMS = 8u;
// 1: gradients are added to what is there.
const ACCUMULATE = 0u; // @spec
// Parts of the output's gradient, which add up to it: [batch, PARTS, channels, ...].
const PARTS = 1u; // @spec

@group(0) @binding(0) var<storage, read_write> input: array<Input>;
@group(0) @binding(1) var<storage, read_write> output: array<Output>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let plane = params.height * params.width;
  let row = group.z * params.channels + group.y;
  let base = row * params.depth * plane;
  let i = group.x * LANES + lane;
  if (i < params.items) {
    let w = place_of(i, params);
    var a = base + ((2u * w.z) * params.height + 2u * w.y) * params.width + 2u * w.x;
    var b = a + params.width;
    let near = max(max(f32(input[a]), f32(input[a + 1u])), max(f32(input[b]), f32(input[b + 1u])));
    a += plane;
    b += plane;
    let far = max(max(f32(input[a]), f32(input[a + 1u])), max(f32(input[b]), f32(input[b + 1u])));
    output[row * params.items + i] = Output(max(near, far));
  }
}

@group(0) @binding(0) var<storage, read_write> input4: array<Input4>;
@group(0) @binding(1) var<storage, read_write> output4: array<Output4>;

fn largest_pairs(at: u32) -> vec4f {
  let p = vec4f(input4[at]);
  let q = vec4f(input4[at + 1u]);
  return max(vec4f(p.xz, q.xz), vec4f(p.yw, q.yw));
}

@compute @workgroup_size(LANES)
fn forward_vec4(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let line = params.width / 4u;
  let plane = params.height * line;
  let row = group.z * params.channels + group.y;
  let base = row * params.depth * plane;
  let i = group.x * LANES + lane;
  if (i < params.items) {
    let w = place_of(i, params);
    let at = base + ((2u * w.z) * params.height + 2u * w.y) * line + 2u * w.x;
    output4[row * params.items + i] = Output4(max(
      max(largest_pairs(at), largest_pairs(at + line)),
      max(largest_pairs(at + plane), largest_pairs(at + plane + line)),
    ));
  }
}

@group(0) @binding(0) var<storage, read_write> back_input: array<Input>;
@group(0) @binding(1) var<storage, read_write> grad_output: array<Output>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<Input>;
@group(0) @binding(3) var<uniform> back_params: Params;

// Gradient of an output, `at` in its channel.
fn gradient_at(group: vec3u, at: u32) -> f32 {
  let size = back_params.out_depth * back_params.out_height * back_params.out_width;
  var place = (group.z * PARTS * back_params.channels + group.y) * size + at;
  var sum = f32(grad_output[place]);
  for (var p = 1u; p < PARTS; p++) {
    place += back_params.channels * size;
    sum += f32(grad_output[place]);
  }
  return sum;
}

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let plane = back_params.height * back_params.width;
  let row = group.z * back_params.channels + group.y;
  let base = row * back_params.depth * plane;
  let extent = vec3u(back_params.width, back_params.height, back_params.depth);
  let out_extent = vec3u(back_params.out_width, back_params.out_height, back_params.out_depth);
  let i = group.x * LANES + lane;
  if (i < back_params.items) {
    let w = place_of(i, back_params);
    let at = base + ((2u * w.z) * back_params.height + 2u * w.y) * back_params.width + 2u * w.x;
    var winner = 8u;
    var gradient = 0.0;
    if (all(w < out_extent)) {
      var largest = f32(back_input[at]);
      winner = 0u;
      for (var t = 1u; t < 8u; t++) { // @unroll
        let x = f32(back_input[at + (t >> 2u) * plane + ((t >> 1u) & 1u) * back_params.width + (t & 1u)]);
        winner = select(winner, t, x > largest);
        largest = max(largest, x);
      }
      gradient = gradient_at(group, output_at(w, back_params));
    }
    for (var t = 0u; t < 8u; t++) { // @unroll
      let offset = vec3u(t & 1u, (t >> 1u) & 1u, t >> 2u);
      if (all(2u * w + offset < extent)) {
        let target_at = at + offset.z * plane + offset.y * back_params.width + offset.x;
        var result = select(0.0, gradient, winner == t);
        if (ACCUMULATE != 0u) {
          result += f32(grad_input[target_at]);
        }
        grad_input[target_at] = Input(result);
      }
    }
  }
}

@group(0) @binding(0) var<storage, read_write> back_input4: array<Input4>;
@group(0) @binding(1) var<storage, read_write> grad_output4: array<Output4>;
@group(0) @binding(2) var<storage, read_write> grad_input4: array<Input4>;

// The same for four outputs along x, `at` in fours.
fn gradients_at(group: vec3u, at: u32) -> vec4f {
  let size = back_params.out_depth * back_params.out_height * back_params.columns;
  var place = (group.z * PARTS * back_params.channels + group.y) * size + at;
  var sum = vec4f(grad_output4[place]);
  for (var p = 1u; p < PARTS; p++) {
    place += back_params.channels * size;
    sum += vec4f(grad_output4[place]);
  }
  return sum;
}

fn store_pairs(at: u32, even: vec4f, odd: vec4f) {
  var p = vec4f(even.x, odd.x, even.y, odd.y);
  var q = vec4f(even.z, odd.z, even.w, odd.w);
  if (ACCUMULATE != 0u) {
    p += vec4f(grad_input4[at]);
    q += vec4f(grad_input4[at + 1u]);
  }
  grad_input4[at] = Input4(p);
  grad_input4[at + 1u] = Input4(q);
}

@compute @workgroup_size(LANES)
fn backward_vec4(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let line = back_params.width / 4u;
  let plane = back_params.height * line;
  let row = group.z * back_params.channels + group.y;
  let base = row * back_params.depth * plane;
  let i = group.x * LANES + lane;
  if (i < back_params.items) {
    let w = place_of(i, back_params);
    let at = base + ((2u * w.z) * back_params.height + 2u * w.y) * line + 2u * w.x;
    var winner = vec4u(8u);
    var gradient = vec4f(0.0);
    if (w.y < back_params.out_height && w.z < back_params.out_depth) {
      var largest = vec4f(0.0);
      for (var t = 0u; t < 4u; t++) { // @unroll
        let p = vec4f(back_input4[at + (t >> 1u) * plane + (t & 1u) * line]);
        let q = vec4f(back_input4[at + (t >> 1u) * plane + (t & 1u) * line + 1u]);
        let even = vec4f(p.xz, q.xz);
        let odd = vec4f(p.yw, q.yw);
        winner = select(winner, vec4u(2u * t), (even > largest) | vec4<bool>(t == 0u));
        largest = select(max(largest, even), even, t == 0u);
        winner = select(winner, vec4u(2u * t + 1u), odd > largest);
        largest = max(largest, odd);
      }
      gradient = gradients_at(group, (w.z * back_params.out_height + w.y) * back_params.columns + w.x);
    }
    for (var t = 0u; t < 4u; t++) { // @unroll
      if (2u * w.y + (t & 1u) < back_params.height && 2u * w.z + (t >> 1u) < back_params.depth) {
        store_pairs(
          at + (t >> 1u) * plane + (t & 1u) * line,
          select(vec4f(0.0), gradient, winner == vec4u(2u * t)),
          select(vec4f(0.0), gradient, winner == vec4u(2u * t + 1u)),
        );
      }
    }
  }
}

@compute @workgroup_size(LANES)
fn forward_any(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.z * params.channels + group.y;
  let base = row * params.depth * params.height * params.width;
  let end = min(params.items, (group.x + 1u) * LANES * ITEMS);
  for (var i = group.x * LANES * ITEMS + lane; i < end; i += LANES) {
    let first = place_of(i, params) * vec3u(KERNEL_X, KERNEL_Y, KERNEL_Z);
    var largest = f32(input[base + input_at(first, params)]);
    for (var z = 0u; z < KERNEL_Z; z++) {
      for (var y = 0u; y < KERNEL_Y; y++) {
        let at = base + input_at(first + vec3u(0u, y, z), params);
        for (var x = 0u; x < KERNEL_X; x++) {
          largest = max(largest, f32(input[at + x]));
        }
      }
    }
    output[row * params.items + i] = Output(largest);
  }
}

@compute @workgroup_size(LANES)
fn backward_any(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.z * back_params.channels + group.y;
  let extent = vec3u(back_params.width, back_params.height, back_params.depth);
  let out_extent = vec3u(back_params.out_width, back_params.out_height, back_params.out_depth);
  let base = row * extent.x * extent.y * extent.z;
  let end = min(back_params.items, (group.x + 1u) * LANES * ITEMS);
  for (var i = group.x * LANES * ITEMS + lane; i < end; i += LANES) {
    let window = place_of(i, back_params);
    let first = window * vec3u(KERNEL_X, KERNEL_Y, KERNEL_Z);
    // No input: an incomplete window at an end has no winner.
    var winner = 0xffffffffu;
    var gradient = 0.0;
    if (all(window < out_extent)) {
      winner = base + input_at(first, back_params);
      var largest = f32(back_input[winner]);
      for (var z = 0u; z < KERNEL_Z; z++) {
        for (var y = 0u; y < KERNEL_Y; y++) {
          let at = base + input_at(first + vec3u(0u, y, z), back_params);
          for (var x = 0u; x < KERNEL_X; x++) {
            let value = f32(back_input[at + x]);
            winner = select(winner, at + x, value > largest);
            largest = max(largest, value);
          }
        }
      }
      gradient = gradient_at(group, output_at(window, back_params));
    }
    let last = min(first + vec3u(KERNEL_X, KERNEL_Y, KERNEL_Z), extent);
    for (var z = first.z; z < last.z; z++) {
      for (var y = first.y; y < last.y; y++) {
        let at = base + input_at(vec3u(0u, y, z), back_params);
        for (var x = first.x; x < last.x; x++) {
          var result = select(0.0, gradient, at + x == winner);
          if (ACCUMULATE != 0u) {
            result += f32(grad_input[at + x]);
          }
          grad_input[at + x] = Input(result);
        }
      }
    }
  }
}
