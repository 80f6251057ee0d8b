import type { Recipe } from './recipe.ts';

/** The paper's training as it is printed: the usual settings. */
export const paper: Recipe = { name: 'paper', title: 'the paper as printed', settings: {} };
