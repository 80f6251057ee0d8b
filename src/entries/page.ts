/**
 * Everything that runs in a browser, in one module: `voxelgrad.js`, for pages without a bundler.
 *
 * @module
 */

export * from '../index.ts';
export * from './engine.ts';
export * from './evaluate.ts';
export * from './imaging.ts';
export * from './pipeline.ts';
export * from './study.ts';
