import { z } from 'zod/mini';
import type { NumberField } from '../../core/schema.ts';

/** A setting that is a number, with its default. */
export function numberSetting(least: number, most: number, usual: number, description: string): NumberField {
  return z._default(z.number().check(z.minimum(least), z.maximum(most), z.describe(description)), usual);
}

/** The setting that says how often: a probability. */
export function probability(usual: number, what: string): NumberField {
  return numberSetting(0, 1, usual, `probability of ${what} per patch`);
}
