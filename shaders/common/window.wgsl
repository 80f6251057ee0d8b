// Windows of pooling, side by side: extents KERNEL_X, KERNEL_Y, KERNEL_Z, and steps of as much.

const KERNEL_Z = 2u; // @spec
const KERNEL_Y = 2u; // @spec
const KERNEL_X = 2u; // @spec

struct Params {
  channels: u32,
  depth: u32,
  height: u32,
  width: u32,
  out_depth: u32,
  out_height: u32,
  out_width: u32,
  rows: u32,       // of what is walked, along y
  columns: u32,    // along x
  items: u32,      // rows * columns * those along z
}

// x, y, z of an item.
fn place_of(i: u32, p: Params) -> vec3u {
  let row = i / p.columns;
  let z = row / p.rows;
  return vec3u(i - row * p.columns, row - z * p.rows, z);
}

// Index of an input from x, y, z in its channel.
fn input_at(place: vec3u, p: Params) -> u32 {
  return (place.z * p.height + place.y) * p.width + place.x;
}

// Index of an output in its channel.
fn output_at(window: vec3u, p: Params) -> u32 {
  return (window.z * p.out_height + window.y) * p.out_width + window.x;
}
