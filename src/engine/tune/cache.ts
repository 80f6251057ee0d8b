import { z } from 'zod/mini';
import type { FileSink, FileSource } from '../../core/files.ts';
import { sha256 } from '../../core/hash.ts';
import { canonicalJson, parseJson, toJson } from '../../core/json.ts';
import type { Capabilities } from '../gpu/capabilities.ts';
import { shaders } from '../gpu/shaders.generated.ts';

/** What came of a slot's search. */
export interface TunedSlot {
  /** The variant to use. */
  readonly variant: string;
  /** Median time by variant, in milliseconds; one that may not win for want of speed or correctness has none. */
  readonly times: Readonly<Record<string, number>>;
}

/** What choices hold for: another adapter, driver or shader may do better with another variant. */
export interface TuningKey {
  /** As the driver describes the adapter, its own version included. */
  readonly adapter: string;
  readonly driver: string;
  readonly subgroupSize: number;
  /** SHA-256 of all shaders' text. */
  readonly shaders: string;
}

const FILE = z.object({
  key: z.object({ adapter: z.string(), driver: z.string(), subgroupSize: z.number(), shaders: z.string() }),
  slots: z.record(
    z.string(),
    z.object({ variant: z.string(), times: z.record(z.string(), z.number().check(z.minimum(0))) }),
  ),
});

/** The key of a device. */
export async function tuningKey({
  description,
  vendor,
  architecture,
  driver,
  subgroupSize,
}: Capabilities): Promise<TuningKey> {
  const text = Object.entries(shaders)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, source]) => `${name}\n${source}`);
  const hash = await sha256(new TextEncoder().encode(text.join('\n')));
  return { adapter: `${vendor} ${architecture} ${description}`, driver, subgroupSize, shaders: hash };
}

/** Two processes that keep choosing differently end somewhere. */
const MOST_TRIES = 10;

/** Tuned choices on a disk, one file a key. */
export class TuningCache {
  readonly #files: FileSource & FileSink;

  constructor(files: FileSource & FileSink) {
    this.#files = files;
  }

  /** Name of a key's file. */
  async path(key: TuningKey): Promise<string> {
    const hash = await sha256(new TextEncoder().encode(canonicalJson(toJson(key))));
    return `tuning/${hash.slice(0, 16)}.json`;
  }

  /**
   * The choices for a key: none where there is no file, and none where it is broken or another key's; the next write
   * replaces it.
   */
  async read(key: TuningKey): Promise<Map<string, TunedSlot>> {
    try {
      const bytes = await this.#files.read(await this.path(key));
      const file = FILE.parse(parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
      const same = canonicalJson(toJson(file.key)) === canonicalJson(toJson(key));
      return new Map(same ? Object.entries(file.slots) : []);
    } catch {
      // A cache that cannot be read is no cache: what it held is found again.
      return new Map();
    }
  }

  /**
   * Adds choices for a key to those that are kept, in place of older ones of the same slots. Other processes may do so at
   * the same time: it looks again until its own have stayed.
   * @throws StorageError.
   */
  async add(key: TuningKey, slots: ReadonlyMap<string, TunedSlot>): Promise<void> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const kept = await this.read(key);
      if (tries > 0 && [...slots].every(([slot, { variant }]) => kept.get(slot)?.variant === variant)) return;
      const text = canonicalJson(toJson({ key, slots: Object.fromEntries([...kept, ...slots]) }), 2);
      await this.#files.write(await this.path(key), new TextEncoder().encode(`${text}\n`));
    }
  }
}
