// The flat walk of a channel of a patch: a workgroup of PATCH_LANES lanes takes PATCH_VOXELS voxels.

const PATCH_LANES = 64u;
const PATCH_VOXELS = 1024u;

fn patch_start(group: u32) -> u32 {
  return group * PATCH_VOXELS;
}

fn patch_end(group: u32, voxels: u32) -> u32 {
  return min(voxels, (group + 1u) * PATCH_VOXELS);
}
