/**
 * What voxelgrad needs Node for: a GPU through Dawn with a bundled software driver to fall back on, folders of the
 * disk with their locks, and signals. Everything else is in `voxelgrad`.
 *
 * @module
 */
export { type NodeGpuOptions, openNodeGpu, openNullGpu } from './platform/node.ts';
export { NodeFolder } from './platform/node-files.ts';
export { lockFolder } from './platform/run-lock.ts';
export { type StopWatch, watchStopSignals } from './platform/stop-signals.ts';
