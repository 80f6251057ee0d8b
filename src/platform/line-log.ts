import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { StorageError } from '../core/errors.ts';

/** A text file that grows line by line; each line is handed to the system at once, so a killed process loses none. */
export class LineLog {
  readonly #path: string;
  readonly #file: number;

  /** Starts the file anew. @throws StorageError where it cannot be written. */
  constructor(folder: string, name: string) {
    this.#path = join(folder, name);
    this.#file = this.#guard(() => openSync(this.#path, 'w'));
  }

  /** Appends a value as one line of JSON. @throws StorageError. */
  write(value: object): void {
    this.#guard(() => writeSync(this.#file, `${JSON.stringify(value)}\n`));
  }

  close(): void {
    closeSync(this.#file);
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new StorageError(`${this.#path}: cannot be written: ${reason}`, {
        hint: 'Check the permissions and the free space of the folder.',
        cause,
      });
    }
  }
}
