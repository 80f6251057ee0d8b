/**
 * What voxelgrad needs Node for: a GPU through Dawn with a bundled software driver to fall back on, folders of the
 * disk with their locks, signals, and Slurm. Everything else is in `voxelgrad`.
 *
 * @module
 */
export { SLURM_FOLDER, type SubmittedJob } from './experiment/slurm-jobs.ts';
export { parseSlurmOptions } from './experiment/slurm-options.ts';
export type { RunSlurm } from './experiment/slurm-queue.ts';
export { LOGS } from './experiment/slurm-script.ts';
export { type SlurmRequest, type Submission, submitUnits } from './experiment/slurm-submit.ts';
export { type SlurmProgress, type WaitOptions, waitForUnits } from './experiment/slurm-wait.ts';
export { type NodeGpuOptions, openNodeGpu, openNullGpu } from './platform/node.ts';
export { NodeFolder } from './platform/node-files.ts';
export { type HeldFolder, lockFolder, tryLockFolder } from './platform/run-lock.ts';
export { openSlurm } from './platform/slurm.ts';
export { type StopWatch, watchStopSignals } from './platform/stop-signals.ts';
