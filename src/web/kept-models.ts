import { StorageError } from '../core/errors.ts';
import type { FileStore } from '../core/files.ts';

const SUFFIX = '.safetensors';

/** Networks that were trained in this browser. */
export class KeptModels {
  readonly #files: FileStore;

  constructor(files: FileStore) {
    this.#files = files;
  }

  /** Names, sorted. */
  async list(): Promise<string[]> {
    const names = (await this.#files.list('')).map(({ name }) => name);
    return names
      .filter((name) => name.endsWith(SUFFIX))
      .map((name) => decodeURIComponent(name.slice(0, -SUFFIX.length)))
      .sort();
  }

  /** @throws StorageError where there is no such model. */
  async read(name: string): Promise<Uint8Array> {
    return await this.#files.read(fileName(name)).catch((cause: unknown) => {
      throw new StorageError(`the model ${name} is no longer kept in this browser`, {
        hint: 'Choose another one.',
        cause,
      });
    });
  }

  /** Keeps a model; the old one of that name goes. @throws StorageError where it cannot be written. */
  async write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#files.write(fileName(name), bytes);
  }

  async remove(name: string): Promise<void> {
    await this.#files.remove(fileName(name));
  }
}

function fileName(name: string): string {
  return `${encodeURIComponent(name)}${SUFFIX}`;
}
