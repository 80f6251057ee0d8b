/**
 * A check of values that come from outside. zod's schemas are such; so are those of other libraries with the same
 * `safeParse`.
 */
export interface Schema<T> {
  safeParse(
    value: unknown,
  ):
    | { readonly success: true; readonly data: T }
    | { readonly success: false; readonly error: { readonly issues: readonly SchemaIssue[] } };
}

/** What is wrong with a value. */
export interface SchemaIssue {
  /** `unrecognized_keys` for fields that an object does not have; they are in `keys`. */
  readonly code: string;
  readonly keys?: readonly string[];
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** A zod schema of an object, as far as declarations need it: they would name zod's own types otherwise. */
export interface ObjectSchema extends Schema<object> {
  readonly shape: Readonly<Record<string, object>>;
  readonly _zod: { readonly input: object; readonly output: object };
}

/** What such a schema takes, defaults left out. */
export type InputOf<Checked extends ObjectSchema> = Checked['_zod']['input'];
/** What it makes of that. */
export type OutputOf<Checked extends ObjectSchema> = Checked['_zod']['output'];

/** A zod schema of a number with a default, for the fields of an object's schema; the same remark holds. */
export interface NumberField {
  readonly _zod: {
    readonly input: number | undefined;
    readonly output: number;
    readonly optin: 'defaulted';
  };
}
