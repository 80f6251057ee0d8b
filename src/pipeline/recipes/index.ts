import { UsageError } from '../../core/errors.ts';
import type { Recipe } from './recipe.ts';
import * as recipes from './recipes.ts';

/** What is taken if nothing is said. */
export const DEFAULT_RECIPE: string = recipes.paper.name;

const registered = new Map<string, Recipe>(Object.values(recipes).map((each) => [each.name, each]));

/** Adds a recipe of one's own, which settings may then name. @throws UsageError for a name that is taken. */
export function registerRecipe(own: Recipe): void {
  if (registered.has(own.name))
    throw new UsageError(`there is a recipe ${JSON.stringify(own.name)} already`, {
      hint: 'Give yours another name.',
    });
  registered.set(own.name, own);
}

/** Names of all recipes. */
export function recipeNames(): readonly string[] {
  return [...registered.keys()];
}

/** A recipe by its name; undefined for one that is not known. */
export function findRecipe(name: string): Recipe | undefined {
  return registered.get(name);
}
