/**
 * What voxelgrad needs Node for: a GPU through Dawn with a bundled software driver to fall back on, and folders of
 * the disk. Everything else is in `voxelgrad`.
 *
 * @module
 */
export { type NodeGpuOptions, openNodeGpu, openNullGpu } from './platform/node.ts';
export { NodeFolder } from './platform/node-files.ts';
