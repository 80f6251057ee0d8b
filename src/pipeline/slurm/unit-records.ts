import { z } from 'zod/mini';
import { FileFormatError } from '../../core/errors.ts';
import type { FileStore } from '../../core/files.ts';
import { type Json, parseJson } from '../../core/json.ts';
import { SLURM_FOLDER } from './slurm-jobs.ts';

const FOLDER = `${SLURM_FOLDER}/done`;

/** What a task leaves when its unit is done: the last thing that it writes. */
export interface UnitRecord {
  /** The words of the command that did it, without the unit's name. */
  readonly command: readonly string[];
  readonly result: Readonly<Record<string, Json>>;
}

const SCHEMA = z.object({
  format: z.literal('voxelgrad-unit'),
  formatVersion: z.literal(1),
  command: z.array(z.string()),
  result: z.record(z.string(), z.json()),
});

/** @throws StorageError */
export async function writeUnitRecord(out: FileStore, unit: string, record: UnitRecord): Promise<void> {
  const text = JSON.stringify({ format: 'voxelgrad-unit', formatVersion: 1, ...record }, null, 2);
  await out.write(pathOf(unit), new TextEncoder().encode(`${text}\n`));
}

/** Units of a folder that have a record. @throws StorageError */
export async function recordedUnits(out: FileStore): Promise<Set<string>> {
  const names = (await out.list(FOLDER)).map(({ name }) => /^([^.].*)\.json$/.exec(name)?.[1]);
  return new Set(names.filter((name) => name !== undefined));
}

/** @throws FileFormatError, StorageError */
export async function readUnitRecord(out: FileStore, unit: string): Promise<UnitRecord> {
  const path = pathOf(unit);
  try {
    const { command, result } = SCHEMA.parse(parseJson(new TextDecoder().decode(await out.read(path))));
    return { command, result };
  } catch (cause) {
    if (!(cause instanceof SyntaxError) && !(cause instanceof z.core.$ZodError)) throw cause;
    throw new FileFormatError(`${out.name}/${path}`, 'it is not the record of a unit that is done', {
      hint: 'Take it away: the unit is then done again.',
      cause,
    });
  }
}

/** @throws StorageError */
export async function removeUnitRecord(out: FileStore, unit: string): Promise<void> {
  await out.remove(pathOf(unit));
}

function pathOf(unit: string): string {
  return `${FOLDER}/${unit}.json`;
}
