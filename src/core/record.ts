import { FileFormatError } from './errors.ts';
import { canonicalJson, parseJson, toJson } from './json.ts';
import type { Schema } from './schema.ts';

/** A record without the fields that are undefined, for laying it over another one. */
export function definedFields<T extends object>(record: T): T {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as T;
}

/** A record as the bytes of its file: indented JSON, keys sorted, so that equal records are equal files. */
export function formatRecord(record: unknown): Uint8Array {
  return new TextEncoder().encode(`${canonicalJson(toJson(record), 2)}\n`);
}

/**
 * Reads a file of JSON that this program wrote.
 * @param path how messages call it
 * @throws FileFormatError naming the field that is not as the schema has it.
 */
export function parseRecord<T>(schema: Schema<T>, bytes: Uint8Array, path: string): T {
  const hint = 'The file is damaged or was made by another program.';
  let value: unknown;
  try {
    value = parseJson(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new FileFormatError(path, 'is not JSON', { hint, cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new FileFormatError(path, `${issue?.path.map(String).join('.') || 'it'}: ${issue?.message}`, {
    hint,
  });
}
