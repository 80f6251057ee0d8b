/**
 * Layers, networks and the trainer under short names: `import { nn } from 'voxelgrad'`, then `nn.conv3d(8, { kernel: 3 })`.
 *
 * @module
 */

export { he, ones, zeros } from '../nn/init.ts';
export { sequential } from '../nn/layer.ts';
export * from '../nn/layers/index.ts';
export { Trainer, trainer } from './trainer.ts';
