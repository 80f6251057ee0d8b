// Several jobs of one kernel in a dispatch. A shader that includes this declares `jobs` as the last binding.
//
// A row of four vectors per job: its first workgroup, where its source and its target begin (elements), and 13 words of
// the kernel's own. Rows are in the order of their workgroups.

struct Jobs {
  // Jobs, workgroups along x.
  head: vec4u,
  rows: array<vec4u, 128>,
}

// The job that a workgroup belongs to; workgroups beyond the last belong to the last.
fn job_of(group: u32) -> u32 {
  var job = 0u;
  while (job + 1u < jobs.head.x && jobs.rows[(job + 1u) * 4u].x <= group) {
    job++;
  }
  return job;
}
