/**
 * What `voxelgrad` is on Node: the same, with a GPU through Dawn. package.json chooses it by the condition `node`.
 *
 * @module
 */

export * from './index.ts';
export { openGpu } from './platform/open-gpu.node.ts';
