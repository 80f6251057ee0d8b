import { z } from 'zod/mini';
import type { RecordedChoices } from './choices.ts';

/** What can be recorded, for the checks of records. */
export const CHOICES_SCHEMA: z.ZodMiniType<RecordedChoices> = z.object({
  bidsFilter: z.optional(z.array(z.string())),
  lesions: z.optional(z.string()),
  brainmask: z.optional(z.string()),
  trustBrain: z.optional(z.boolean()),
});
