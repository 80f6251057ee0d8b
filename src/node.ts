/**
 * What voxelgrad needs Node for: a GPU through Dawn with a bundled software driver to fall back on, folders of the
 * disk with their locks, signals, and Slurm. Everything else is in `voxelgrad`.
 *
 * @module
 */

export { SLURM_FOLDER, type SubmittedJob } from './pipeline/slurm/slurm-jobs.ts';
export { parseSlurmOptions } from './pipeline/slurm/slurm-options.ts';
export type { RunSlurm } from './pipeline/slurm/slurm-queue.ts';
export { LOGS } from './pipeline/slurm/slurm-script.ts';
export { type SlurmRequest, type Submission, submitUnits } from './pipeline/slurm/slurm-submit.ts';
export { type SlurmProgress, type WaitOptions, waitForUnits } from './pipeline/slurm/slurm-wait.ts';
export type { AdapterEntry } from './platform/adapters.ts';
export { dcm2niix } from './platform/dcm2niix.node.ts';
export { listAdapters, type NodeGpuOptions, openNodeGpu, openNullGpu } from './platform/node.ts';
export { NodeFolder } from './platform/node-files.ts';
export { describeHolder, type HeldFolder, lockFolder, tryLockFolder } from './platform/run-lock.ts';
export { openSlurm } from './platform/slurm.ts';
export { type StopWatch, watchStopSignals } from './platform/stop-signals.ts';
