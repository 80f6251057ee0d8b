/**
 * What voxelgrad needs Node for: a GPU through Dawn with a bundled software driver to fall back on, folders of the
 * disk with their locks, signals, and Slurm. Everything else is in `voxelgrad`.
 *
 * @module
 */

export type { AdapterEntry } from './platform/adapters.ts';
export { dcm2niix } from './platform/dcm2niix.node.ts';
export { listAdapters, type NodeGpuOptions, openNodeGpu, openNullGpu } from './platform/node.ts';
export { NodeFolder } from './platform/node-files.ts';
export { describeHolder, type HeldFolder, lockFolder, tryLockFolder } from './platform/run-lock.ts';
export { openSlurm } from './platform/slurm.ts';
export { type StopWatch, watchStopSignals } from './platform/stop-signals.ts';
export { SLURM_FOLDER, type SubmittedJob } from './study/slurm/slurm-jobs.ts';
export { parseSlurmOptions } from './study/slurm/slurm-options.ts';
export type { RunSlurm } from './study/slurm/slurm-queue.ts';
export { LOGS } from './study/slurm/slurm-script.ts';
export { type SlurmRequest, type Submission, submitUnits } from './study/slurm/slurm-submit.ts';
export { type SlurmProgress, type WaitOptions, waitForUnits } from './study/slurm/slurm-wait.ts';
