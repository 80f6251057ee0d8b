import { z } from 'zod/mini';
import { allLosses } from '../../engine/loss/index.ts';
import type { Loss } from '../../engine/loss/loss.ts';
import { allAugmentations } from '../augment/index.ts';
import type { AnyEntry } from './setting-entry.ts';

/** The check of a setting, its default included. */
export function checkOf(entry: AnyEntry): z.ZodMiniType {
  const { choices } = entry;
  const schema = choices
    ? zodOf(entry.schema).check(
        z.refine((value) => value === null || choices().includes(String(value)), {
          error: () => `expected one of ${choices().join(', ')}`,
        }),
      )
    : zodOf(entry.schema);
  return 'default' in entry ? z._default(schema, entry.default) : schema;
}

/** Declarations do not speak of zod, but its schemas are what entries hold. */
function zodOf(schema: object): z.ZodMiniType {
  return schema as z.ZodMiniType;
}

/** What a setting takes, for reading it from text. */
export type ValueKind =
  | { readonly kind: 'number' | 'extents' | 'text' | 'words' | 'boolean' | 'object' }
  | { readonly kind: 'choice'; readonly choices: readonly string[] };

/** What a setting takes, by its schema. */
export function kindOf({ schema, choices }: AnyEntry): ValueKind {
  if (choices) return { kind: 'choice', choices: choices() };
  const { def } = unwrapped(zodOf(schema))._zod as {
    readonly def: { readonly type: string; readonly entries?: object };
  };
  switch (def.type) {
    case 'int':
    case 'number':
      return { kind: 'number' };
    case 'union':
      return { kind: 'extents' };
    case 'array':
      return { kind: 'words' };
    case 'boolean':
      return { kind: 'boolean' };
    case 'enum':
      return { kind: 'choice', choices: Object.keys(def.entries ?? {}) };
    case 'record':
      return { kind: 'object' };
    default:
      return { kind: 'text' };
  }
}

/** A schema without what it is wrapped in: a default, null. */
function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  const { innerType } = schema._zod.def as { readonly innerType?: z.core.$ZodType };
  return innerType ? unwrapped(innerType) : schema;
}

/**
 * Settings that losses bring along, by name. Of losses that share a name the first one's check and default count; help
 * texts tell which losses have it, if not all do, and which have another default.
 */
export function lossEntries(losses: readonly Loss[] = allLosses()): Record<string, AnyEntry> {
  const names = [...new Set(losses.flatMap(({ schema }) => Object.keys(schema.shape)))];
  return Object.fromEntries(names.map((name) => [name, lossEntry(name, losses)]));
}

function lossEntry(name: string, losses: readonly Loss[]): AnyEntry {
  const having = losses
    .filter(({ schema }) => name in schema.shape)
    .map((loss) => ({ loss, ...defaultOf(zodOf(loss.schema.shape[name]!)) }));
  const [{ innerType, defaultValue }] = having as [(typeof having)[number]];
  const does = z.globalRegistry.get(innerType)?.description ?? '';
  const whose =
    having.length < losses.length ? `, for ${having.map(({ loss }) => loss.name).join(', ')}` : '';
  const help = `${does.charAt(0).toUpperCase()}${does.slice(1)}${whose}`;
  const others = having.filter((each) => each.defaultValue !== defaultValue);
  const entry = { help, schema: innerType, default: defaultValue };
  if (others.length === 0) return entry;
  const more = others.map((each) => `${each.loss.name}: ${String(each.defaultValue)}`);
  return { ...entry, defaultText: [String(defaultValue), ...more].join(', ') };
}

/** Settings that augmentations bring along, by name. @param names of those that count (default: all) */
export function augmentationEntries(names?: readonly string[]): Record<string, AnyEntry> {
  const used = allAugmentations().filter(({ name }) => names?.includes(name) ?? true);
  const checks = used.flatMap(({ schema }) => Object.entries(schema.shape));
  return Object.fromEntries(
    checks.map(([name, check]): [string, AnyEntry] => {
      const { innerType, defaultValue } = defaultOf(zodOf(check));
      const does = z.globalRegistry.get(innerType)?.description ?? '';
      const help = `${does.charAt(0).toUpperCase()}${does.slice(1)}`;
      return [name, { help, schema: innerType, default: defaultValue }];
    }),
  );
}

function defaultOf(check: z.ZodMiniType): {
  readonly innerType: z.ZodMiniType;
  readonly defaultValue: unknown;
} {
  return check._zod.def as unknown as { readonly innerType: z.ZodMiniType; readonly defaultValue: unknown };
}
