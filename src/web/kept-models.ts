import { StorageError } from '../core/errors.ts';

const FOLDER = 'models';
const SUFFIX = '.safetensors';

/**
 * Networks that were trained in this browser, in its origin-private file system: they stay on the machine and outlive
 * the tab. A file is written beside the old one and takes its place when it is whole.
 */
export class KeptModels {
  async #folder(): Promise<FileSystemDirectoryHandle | undefined> {
    try {
      const root = await navigator.storage.getDirectory();
      return await root.getDirectoryHandle(FOLDER, { create: true });
    } catch {
      // Private windows and some settings have no such storage: then nothing is kept.
      return undefined;
    }
  }

  /** Names, sorted. */
  async list(): Promise<string[]> {
    const folder = await this.#folder();
    if (!folder) return [];
    const names: string[] = [];
    for await (const name of folder.keys())
      if (name.endsWith(SUFFIX)) names.push(decodeURIComponent(name.slice(0, -SUFFIX.length)));
    return names.sort();
  }

  /** @throws StorageError where there is no such model. */
  async read(name: string): Promise<Uint8Array> {
    const folder = await this.#folder();
    try {
      const handle = await folder?.getFileHandle(fileName(name));
      if (handle) return new Uint8Array(await (await handle.getFile()).arrayBuffer());
    } catch {
      // Said below.
    }
    throw new StorageError(`the model ${name} is no longer kept in this browser`, {
      hint: 'Choose another one.',
    });
  }

  /** Keeps a model; the old one of that name goes. Without storage it does nothing. @throws StorageError where it is full. */
  async write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const folder = await this.#folder();
    if (!folder) return;
    try {
      const handle = await folder.getFileHandle(fileName(name), { create: true });
      const file = await handle.createWritable();
      await file.write(bytes);
      await file.close();
    } catch (cause) {
      throw new StorageError(`the model ${name} could not be kept in this browser`, {
        hint: 'Its storage may be full: save the model as a file.',
        cause,
      });
    }
  }

  async remove(name: string): Promise<void> {
    const folder = await this.#folder();
    await folder?.removeEntry(fileName(name)).catch(() => undefined);
  }
}

function fileName(name: string): string {
  return `${encodeURIComponent(name)}${SUFFIX}`;
}
