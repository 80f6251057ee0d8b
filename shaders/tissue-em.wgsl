// Tissue segmentation by expectation and maximisation: Gaussian mixture, Markov random field, bias field.
//
//   correct      z[c, v] = y[c, v] * exp(-field_c(v)), field_c(v) = sum_ijk a[c, k, j, i] C_i(x) C_j(y) C_k(z)
//   expectation  r[g, v] ~ mix_g N(z[v]; mean_g, cov_g) * prior[t(g), v] * exp(BETA * sum_n w_n p[t(g), n]), n the
//                six face neighbours; p'[t, v] = sum over the Gaussians g of tissue t of r[g, v]
//   refine       p'[GM], p'[WM] = (p[GM] + p[WM]) (1 - s, s): s is the white share of y, a mean of z[0] over the voxel
//                (twice) and its six neighbours weighted by exp(-(dz)^2 / (2 (3 sigma)^2)), between the intensities
//                of pure grey and white matter; p'[CSF] = p[CSF]
//   moments      sums of r, r d and r d d^T over voxels, d = z - mean, a Gaussian a workgroup.y
//   field_rows   per row (y, z): sum_x W C_a(x), a < 7, and sum_x W e C_a(x), a < 4, for each channel:
//                W = m^2 sum_g r/var_g, m = sum_g (r mean_g/var_g) / sum_g r/var_g, e = log y - log m
//   field_planes per plane z: the same times C_b(y), summed over y
//
// C_k(i) = cos(pi k (i + 1/2) / n). Products of two cosines are sums of cosines, so the normal equations of a
// cosine field of degree 3 need sums up to degree 6 only (the host adds up the planes and solves).
// Layout: only the brain's voxels are kept, in memory order: y, z [CHANNELS, voxels]; r [GAUSSIANS, voxels]; p and
// prior [3, stride] with p = 0 at index `voxels`, which stands for neighbours outside the brain. Gaussians are sorted by
// tissue (GM, WM, CSF). `model` holds for each Gaussian: mean [CHANNELS], 1 / variance [CHANNELS], the precision
// matrix, log(mix) - log(det cov) / 2.
// Slabs: a brain that is too large to bind is cut along z; a slab's lists hold the plane before and after it, too. Those
// voxels keep r = 0 and are in no row, so they count in no sum; their p is copied from the slab that owns them.
// Mapping: one voxel (or row, or sum) a lane, neighbours in memory; no barriers. Every sum has one order.

const CHANNELS = 1u; // @spec
const GM_GAUSSIANS = 2u; // @spec
const WM_GAUSSIANS = 1u; // @spec
const GAUSSIANS = 5u; // @spec
// 1: the prior counts.
const PRIOR = 0u; // @spec
const SQUARE = CHANNELS * CHANNELS;
const MODEL = CHANNELS + CHANNELS + SQUARE + 1u;
const MOMENTS = 1u + CHANNELS + SQUARE;
const LANES = 64u;
const DEGREE = 4u;
const DOUBLE_DEGREE = 7u;
const ROW_SUMS = 11u;
const PLANE_SUMS = 65u;

struct Params {
  voxels: u32,
  stride: u32,
  groups: u32,  // workgroups in x, for passes that fold into y
  lanes: u32,   // lanes of the moments pass
  nx: u32,
  ny: u32,
  nz: u32,
  rows: u32,
  beta: f32,
  weight_x: f32,
  weight_y: f32,
  weight_z: f32,
  first: u32,   // voxels [first, end) are the slab's own; the rest are of the planes around it
  end: u32,
}

fn tissue_of(g: u32) -> u32 {
  return u32(g >= GM_GAUSSIANS) + u32(g >= GM_GAUSSIANS + WM_GAUSSIANS);
}

@group(0) @binding(0) var<storage, read_write> raw: array<f32>;
@group(0) @binding(1) var<storage, read_write> corrected: array<f32>;
// x, y, z in ten bits each.
@group(0) @binding(2) var<storage, read_write> position: array<u32>;
// [axis][degree][extent], seven degrees an axis.
@group(0) @binding(3) var<storage, read_write> cosines: array<f32>;
// [channel][k][j]: coefficients of i = 0..3.
@group(0) @binding(4) var<storage, read_write> coefficients: array<vec4f>;
@group(0) @binding(5) var<uniform> correct_params: Params;

@compute @workgroup_size(LANES)
fn correct(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = correct_params;
  let v = (group.y * p.groups + group.x) * LANES + lane;
  if (v >= p.voxels) {
    return;
  }
  let at = position[v];
  let x = at & 1023u;
  let y = DOUBLE_DEGREE * p.nx + ((at >> 10u) & 1023u);
  let z = DOUBLE_DEGREE * (p.nx + p.ny) + (at >> 20u);
  let cx = vec4f(cosines[x], cosines[p.nx + x], cosines[2u * p.nx + x], cosines[3u * p.nx + x]);
  for (var c = 0u; c < CHANNELS; c++) {
    var field = 0.0;
    for (var k = 0u; k < DEGREE; k++) {
      var plane = 0.0;
      for (var j = 0u; j < DEGREE - k; j++) {
        plane += cosines[y + j * p.ny] * dot(coefficients[(c * DEGREE + k) * DEGREE + j], cx);
      }
      field += cosines[z + k * p.nz] * plane;
    }
    corrected[c * p.voxels + v] = raw[c * p.voxels + v] * exp(-field);
  }
}

@group(0) @binding(0) var<storage, read_write> intensity: array<f32>;
@group(0) @binding(1) var<storage, read_write> model: array<f32>;
@group(0) @binding(2) var<storage, read_write> neighbours: array<u32>;
@group(0) @binding(3) var<storage, read_write> log_prior: array<f32>;
@group(0) @binding(4) var<storage, read_write> posterior: array<f32>;
@group(0) @binding(5) var<storage, read_write> new_posterior: array<f32>;
@group(0) @binding(6) var<storage, read_write> responsibility: array<f32>;
@group(0) @binding(7) var<uniform> expectation_params: Params;

@compute @workgroup_size(LANES)
fn expectation(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = expectation_params;
  let v = p.first + (group.y * p.groups + group.x) * LANES + lane;
  if (v >= p.end) {
    return;
  }
  var around = array<f32, 3>(0.0, 0.0, 0.0);
  let weights = array<f32, 3>(p.weight_x, p.weight_y, p.weight_z);
  for (var axis = 0u; axis < 3u; axis++) { // @unroll
    let low = neighbours[2u * axis * p.voxels + v];
    let high = neighbours[(2u * axis + 1u) * p.voxels + v];
    for (var t = 0u; t < 3u; t++) { // @unroll
      around[t] += weights[axis] * (posterior[t * p.stride + low] + posterior[t * p.stride + high]);
    }
  }
  for (var t = 0u; t < 3u; t++) { // @unroll
    around[t] *= p.beta;
    if (PRIOR == 1u) {
      around[t] += log_prior[t * p.stride + v];
    }
  }
  var z: array<f32, CHANNELS>;
  for (var c = 0u; c < CHANNELS; c++) { // @unroll
    z[c] = intensity[c * p.voxels + v];
  }
  var density: array<f32, GAUSSIANS>;
  var highest = -1e30;
  for (var g = 0u; g < GAUSSIANS; g++) { // @unroll
    let base = g * MODEL;
    var square = 0.0;
    var d: array<f32, CHANNELS>;
    for (var c = 0u; c < CHANNELS; c++) { // @unroll
      d[c] = z[c] - model[base + c];
    }
    for (var c = 0u; c < CHANNELS; c++) { // @unroll
      for (var e = 0u; e < CHANNELS; e++) { // @unroll
        square += d[c] * d[e] * model[base + 2u * CHANNELS + c * CHANNELS + e];
      }
    }
    density[g] = model[base + MODEL - 1u] - 0.5 * square + around[tissue_of(g)];
    highest = max(highest, density[g]);
  }
  var sum = 0.0;
  for (var g = 0u; g < GAUSSIANS; g++) { // @unroll
    density[g] = exp(density[g] - highest);
    sum += density[g];
  }
  var tissues = array<f32, 3>(0.0, 0.0, 0.0);
  for (var g = 0u; g < GAUSSIANS; g++) { // @unroll
    let share = density[g] / sum;
    responsibility[g * p.voxels + v] = share;
    tissues[tissue_of(g)] += share;
  }
  for (var t = 0u; t < 3u; t++) { // @unroll
    new_posterior[t * p.stride + v] = tissues[t];
  }
}

@group(0) @binding(0) var<storage, read_write> noisy: array<f32>;
@group(0) @binding(1) var<storage, read_write> noisy_neighbours: array<u32>;
@group(0) @binding(2) var<storage, read_write> levels: array<f32>;
@group(0) @binding(3) var<storage, read_write> unrefined: array<f32>;
@group(0) @binding(4) var<storage, read_write> refined: array<f32>;
@group(0) @binding(5) var<uniform> refine_params: Params;

// levels: intensity of which half counts as white matter, 1 / (white - grey), 1 / (2 (3 sigma)^2).
@compute @workgroup_size(LANES)
fn refine(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = refine_params;
  let v = p.first + (group.y * p.groups + group.x) * LANES + lane;
  if (v >= p.end) {
    return;
  }
  let weights = array<f32, 3>(p.weight_x, p.weight_y, p.weight_z);
  let z = noisy[v];
  var sum = 2.0 * z;
  var total = 2.0;
  for (var side = 0u; side < 6u; side++) { // @unroll
    let other = noisy_neighbours[side * p.voxels + v];
    let near = noisy[min(other, p.voxels - 1u)];
    let d = near - z;
    let weight = select(0.0, weights[side / 2u] * exp(-d * d * levels[2]), other < p.voxels);
    sum += weight * near;
    total += weight;
  }
  let share = clamp(0.5 + (sum / total - levels[0]) * levels[1], 0.0, 1.0);
  let rest = unrefined[v] + unrefined[p.stride + v];
  refined[v] = rest * (1.0 - share);
  refined[p.stride + v] = rest * share;
  refined[2u * p.stride + v] = unrefined[2u * p.stride + v];
}

@group(0) @binding(0) var<storage, read_write> moment_intensity: array<f32>;
@group(0) @binding(1) var<storage, read_write> moment_responsibility: array<f32>;
@group(0) @binding(2) var<storage, read_write> moment_model: array<f32>;
// [GAUSSIANS, MOMENTS, lanes]: sum of r, of r d, of r d d^T.
@group(0) @binding(3) var<storage, read_write> moment_sums: array<f32>;
@group(0) @binding(4) var<uniform> moment_params: Params;

@compute @workgroup_size(LANES)
fn moments(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = moment_params;
  let g = group.y;
  let first = group.x * LANES + lane;
  var mean: array<f32, CHANNELS>;
  for (var c = 0u; c < CHANNELS; c++) { // @unroll
    mean[c] = moment_model[g * MODEL + c];
  }
  var sums: array<f32, MOMENTS>;
  var d: array<f32, CHANNELS>;
  for (var v = first; v < p.voxels; v += p.lanes) {
    let r = moment_responsibility[g * p.voxels + v];
    for (var c = 0u; c < CHANNELS; c++) { // @unroll
      d[c] = moment_intensity[c * p.voxels + v] - mean[c];
    }
    sums[0] += r;
    for (var c = 0u; c < CHANNELS; c++) { // @unroll
      let rd = r * d[c];
      sums[1u + c] += rd;
      for (var e = 0u; e < CHANNELS; e++) { // @unroll
        sums[1u + CHANNELS + c * CHANNELS + e] += rd * d[e];
      }
    }
  }
  for (var m = 0u; m < MOMENTS; m++) { // @unroll
    moment_sums[(g * MOMENTS + m) * p.lanes + first] = sums[m];
  }
}

@group(0) @binding(0) var<storage, read_write> row_raw: array<f32>;
@group(0) @binding(1) var<storage, read_write> row_responsibility: array<f32>;
@group(0) @binding(2) var<storage, read_write> row_model: array<f32>;
@group(0) @binding(3) var<storage, read_write> row_position: array<u32>;
// First voxel of each row (y, z) of the box, and the number of voxels after the last.
@group(0) @binding(4) var<storage, read_write> row_start: array<u32>;
@group(0) @binding(5) var<storage, read_write> row_cosines: array<f32>;
// [channel, ROW_SUMS, rows]
@group(0) @binding(6) var<storage, read_write> row_sums: array<f32>;
@group(0) @binding(7) var<uniform> row_params: Params;

@compute @workgroup_size(LANES)
fn field_rows(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = row_params;
  let row = group.x * LANES + lane;
  let c = group.y;
  if (row >= p.rows) {
    return;
  }
  var sums: array<f32, ROW_SUMS>;
  let end = row_start[row + 1u];
  for (var v = row_start[row]; v < end; v++) {
    var certainty = 0.0;
    var pull = 0.0;
    for (var g = 0u; g < GAUSSIANS; g++) {
      let share = row_responsibility[g * p.voxels + v] * row_model[g * MODEL + CHANNELS + c];
      certainty += share;
      pull += share * row_model[g * MODEL + c];
    }
    let expected = max(pull / certainty, 1e-3);
    let weight = certainty * expected * expected;
    let error = weight * (log(row_raw[c * p.voxels + v]) - log(expected));
    let x = row_position[v] & 1023u;
    for (var a = 0u; a < DEGREE; a++) { // @unroll
      let cosine = row_cosines[a * p.nx + x];
      sums[a] += weight * cosine;
      sums[DOUBLE_DEGREE + a] += error * cosine;
    }
    for (var a = DEGREE; a < DOUBLE_DEGREE; a++) { // @unroll
      sums[a] += weight * row_cosines[a * p.nx + x];
    }
  }
  for (var s = 0u; s < ROW_SUMS; s++) { // @unroll
    row_sums[(c * ROW_SUMS + s) * p.rows + row] = sums[s];
  }
}

@group(0) @binding(0) var<storage, read_write> plane_rows: array<f32>;
@group(0) @binding(1) var<storage, read_write> plane_cosines: array<f32>;
// [channel, nz, PLANE_SUMS]: W at [b * 7 + a], then W e at [49 + b * 4 + a].
@group(0) @binding(2) var<storage, read_write> plane_sums: array<f32>;
@group(0) @binding(3) var<uniform> plane_params: Params;

@compute @workgroup_size(LANES)
fn field_planes(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = plane_params;
  let z = group.x;
  let c = group.y;
  for (var s = lane; s < PLANE_SUMS; s += LANES) {
    let squared = s < DOUBLE_DEGREE * DOUBLE_DEGREE;
    let rest = s - select(DOUBLE_DEGREE * DOUBLE_DEGREE, 0u, squared);
    let degrees = select(DEGREE, DOUBLE_DEGREE, squared);
    let b = rest / degrees;
    let column = select(DOUBLE_DEGREE, 0u, squared) + rest % degrees;
    let rows = (c * ROW_SUMS + column) * p.rows + z * p.ny;
    let cosines_y = DOUBLE_DEGREE * p.nx + b * p.ny;
    var sum = 0.0;
    for (var y = 0u; y < p.ny; y++) {
      sum += plane_rows[rows + y] * plane_cosines[cosines_y + y];
    }
    plane_sums[(c * p.nz + z) * PLANE_SUMS + s] = sum;
  }
}
