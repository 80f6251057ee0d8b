import { z } from 'zod/mini';
import { allLosses } from '../../engine/loss/index.ts';
import type { Loss } from '../../engine/loss/loss.ts';
import type { AnyEntry } from './setting-entry.ts';

/** The check of a setting, its default included. */
export function checkOf(entry: AnyEntry): z.ZodMiniType {
  const schema = zodOf(entry.schema);
  return 'default' in entry ? z._default(schema, entry.default) : schema;
}

/** Declarations do not speak of zod, but its schemas are what entries hold. */
function zodOf(schema: object): z.ZodMiniType {
  return schema as z.ZodMiniType;
}

/** What a setting takes, for whoever reads it from text. */
export type ValueKind =
  | { readonly kind: 'number' | 'text' | 'words' | 'boolean' }
  | { readonly kind: 'choice'; readonly choices: readonly string[] };

/** What a setting takes, by its schema. */
export function kindOf({ schema }: AnyEntry): ValueKind {
  const { def } = unwrapped(zodOf(schema))._zod as {
    readonly def: { readonly type: string; readonly entries?: object };
  };
  switch (def.type) {
    case 'int':
    case 'number':
      return { kind: 'number' };
    case 'array':
      return { kind: 'words' };
    case 'boolean':
      return { kind: 'boolean' };
    case 'enum':
      return { kind: 'choice', choices: Object.keys(def.entries ?? {}) };
    default:
      return { kind: 'text' };
  }
}

/** A schema without what it is wrapped in: a default, null. */
function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  const { innerType } = schema._zod.def as { readonly innerType?: z.core.$ZodType };
  return innerType ? unwrapped(innerType) : schema;
}

/** Settings that losses bring along, by name; of losses that share a name the first one's. */
export function lossEntries(losses: readonly Loss[] = allLosses()): Record<string, AnyEntry> {
  const names = [...new Set(losses.flatMap(({ schema }) => Object.keys(schema.shape)))];
  return Object.fromEntries(
    names.map((name) => {
      const having = losses.filter(({ schema }) => name in schema.shape);
      return [
        name,
        lossEntry(zodOf(having[0]!.schema.shape[name]!), having.length < losses.length ? having : []),
      ];
    }),
  );
}

/** @param only the losses that have it, if not all do */
function lossEntry(check: z.core.$ZodType, only: readonly Loss[]): AnyEntry {
  const { innerType, defaultValue } = check._zod.def as unknown as {
    readonly innerType: z.ZodMiniType;
    readonly defaultValue: unknown;
  };
  const does = z.globalRegistry.get(innerType)?.description ?? '';
  const whose = only.length > 0 ? `, for ${only.map(({ name }) => name).join(', ')}` : '';
  const help = `${does.charAt(0).toUpperCase()}${does.slice(1)}${whose}`;
  return { help, schema: innerType, default: defaultValue };
}
