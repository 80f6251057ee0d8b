import type { Recipe } from './recipe.ts';

/**
 * What nnU-Net has shown to work on most tasks: instance norm and deep supervision, Dice + cross entropy, strong
 * augmentation, and a learning rate that falls to 0. The rate is one for Adam; nnU-Net's own is for SGD.
 */
export const robust: Recipe = {
  name: 'robust',
  title: "nnU-Net's network, loss, augmentation and schedule",
  settings: {
    network: 'nnunet',
    loss: 'dice-ce',
    lr: 1e-3,
    schedule: 'polynomial',
    augment: [
      'mirror',
      'rotation',
      'scaling',
      'elastic',
      'bias-field',
      'noise',
      'blur',
      'brightness',
      'contrast',
      'low-resolution',
      'thick-slices',
      'gibbs',
      'gamma',
      'modality-dropout',
    ],
  },
};
