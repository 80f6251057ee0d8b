import { sha256 } from './hash.ts';

/** A value that JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** JSON whose keys are sorted, so that equal values give equal text. Numbers that are not finite become null. */
export function canonicalJson(value: Json, indent?: number): string {
  return JSON.stringify(sortKeys(value), null, indent);
}

function sortKeys(value: Json): Json {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]): [string, Json] => [key, sortKeys(item)]);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** SHA-256 of a value's {@link canonicalJson}, in hexadecimal. */
export async function hashJson(value: Json): Promise<string> {
  return await sha256(new TextEncoder().encode(canonicalJson(value)));
}

/** Plain data (no functions, no classes) as JSON's type; fields that are undefined go. */
export function toJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
