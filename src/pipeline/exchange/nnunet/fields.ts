import { FileFormatError } from '../../../core/errors.ts';
import type { Triple } from '../../../core/shape.ts';

/** Reads fields of JSON that another program wrote, with errors that name them. */
export class Fields {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #path: string;
  readonly #where: string;

  /**
   * @param path how messages call the file
   * @param where the fields stand in it: `configurations.3d_fullres`
   * @throws FileFormatError for a value that is not an object.
   */
  constructor(value: unknown, path: string, where = '') {
    this.#path = path;
    this.#where = where;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.#fault('', 'is not an object');
    this.#values = value as Readonly<Record<string, unknown>>;
  }

  #fault(name: string, rule: string): FileFormatError {
    const field = [this.#where, name].filter(Boolean).join('.');
    return new FileFormatError(this.#path, `${field || 'it'} ${rule}`, {
      hint: 'The file is damaged, or of a version of nnU-Net that is not known here.',
    });
  }

  get names(): readonly string[] {
    return Object.keys(this.#values);
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined && this.#values[name] !== null;
  }

  /** As it stands. */
  raw(name: string): unknown {
    return this.#values[name];
  }

  object(name: string): Fields {
    return new Fields(this.#values[name], this.#path, [this.#where, name].filter(Boolean).join('.'));
  }

  text(name: string): string {
    const value = this.#values[name];
    if (typeof value !== 'string') throw this.#fault(name, 'is not text');
    return value;
  }

  number(name: string): number {
    const value = this.#values[name];
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.#fault(name, 'is not a number');
    return value;
  }

  list(name: string): readonly unknown[] {
    const value = this.#values[name];
    if (!Array.isArray(value)) throw this.#fault(name, 'is not a list');
    return value;
  }

  numbers(name: string): readonly number[] {
    const values = this.list(name);
    if (!values.every((value) => typeof value === 'number' && Number.isFinite(value)))
      throw this.#fault(name, 'is not a list of numbers');
    return values as readonly number[];
  }

  /** Numbers along the three axes. */
  triple(name: string): Triple {
    return this.#triple(this.numbers(name), name);
  }

  triples(name: string): readonly Triple[] {
    return this.list(name).map((value) => {
      if (!Array.isArray(value) || !value.every((item) => typeof item === 'number'))
        throw this.#fault(name, 'is not a list of numbers along each axis');
      return this.#triple(value as readonly number[], name);
    });
  }

  #triple(values: readonly number[], name: string): Triple {
    if (values.length !== 3) throw this.#fault(name, `has ${values.length} axes; a 3D network has 3`);
    return values as unknown as Triple;
  }
}
