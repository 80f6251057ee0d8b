import { sha256 } from './hash.ts';

/** Deeper than anything that this program reads; what goes deeper would exhaust the stack of a reader. */
const MOST_LEVELS = 200;

/** Parses JSON that came from outside. @throws SyntaxError also if it is nested too deeply to be looked at. */
export function parseJson(text: string): unknown {
  let level = 0;
  let inText = false;
  for (let i = 0; i < text.length; i++) {
    const mark = text[i];
    if (mark === '"') inText = !inText;
    else if (inText) i += mark === '\\' ? 1 : 0;
    else if (mark === '[' || mark === '{') level++;
    else if (mark === ']' || mark === '}') level--;
    if (level > MOST_LEVELS) throw new SyntaxError(`it is nested more than ${MOST_LEVELS} levels deep`);
  }
  return JSON.parse(text);
}

/** JSON on one line in which nothing is left that a terminal would obey; it means the same. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

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
