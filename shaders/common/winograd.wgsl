// Winograd's F(4,3) in one dimension, at the points 0, 1, -1, 2, -2 and infinity: 4 outputs of a filter with 3 taps
// are A^T ((G g) * (B^T d)), with the constants of Lavin and Gray (2016); gradients use the transposed matrices.

// G g
fn weight_points(g: array<f32, 3>) -> array<f32, 6> {
  let even = (g[0] + g[2]) / -6.0;
  let far = g[0] / 24.0 + g[2] / 6.0;
  return array<f32, 6>(g[0] / 4.0, even - g[1] / 6.0, even + g[1] / 6.0, far + g[1] / 12.0, far - g[1] / 12.0, g[2]);
}

// G^T t
fn weight_values(t: array<f32, 6>) -> array<f32, 3> {
  let near = (t[1] + t[2]) / 6.0;
  let far = t[3] + t[4];
  return array<f32, 3>(
    t[0] / 4.0 - near + far / 24.0,
    (t[2] - t[1]) / 6.0 + (t[3] - t[4]) / 12.0,
    far / 6.0 - near + t[5]);
}

// B^T d
fn input_points(d: array<f32, 6>) -> array<f32, 6> {
  let a = d[4] - 4.0 * d[2];
  let b = d[3] - 4.0 * d[1];
  let c = d[4] - d[2];
  let e = 2.0 * (d[3] - d[1]);
  return array<f32, 6>(4.0 * (d[0] - d[2]) + c, a + b, a - b, c + e, c - e, d[5] - d[3] - 2.0 * e);
}

// A^T m
fn output_values(m: array<f32, 6>) -> array<f32, 4> {
  let a = m[1] + m[2];
  let b = m[1] - m[2];
  let c = m[3] + m[4];
  let e = m[3] - m[4];
  return array<f32, 4>(m[0] + a + c, b + 2.0 * e, a + 4.0 * c, b + 8.0 * e + m[5]);
}

// A y
fn gradient_points(y: array<f32, 4>) -> array<f32, 6> {
  let a = y[0] + y[2];
  let b = y[1] + y[3];
  let c = y[0] + 4.0 * y[2];
  let e = 2.0 * y[1] + 8.0 * y[3];
  return array<f32, 6>(y[0], a + b, a - b, c + e, c - e, y[3]);
}

// a / b, rounded down, for a below 2^21: a division of integers costs a software driver a scalar division a lane.
fn quotient(a: u32, b: u32) -> u32 {
  return u32((f32(a) + 0.5) / f32(b));
}

// Sample and tile along z and y of a row.
fn tile_of(row: u32, tiles_z: u32, tiles_y: u32) -> vec3u {
  let plane = quotient(row, tiles_y);
  let sample = quotient(plane, tiles_z);
  return vec3u(sample, plane - sample * tiles_z, row - plane * tiles_y);
}
