import { z } from 'zod/mini';
import { VerificationError } from '../../core/errors.ts';
import type { FileSink, FileSource } from '../../core/files.ts';
import { sha256 } from '../../core/hash.ts';
import { formatRecord, parseRecord } from '../../core/record.ts';
import { encodeModel, type Model } from '../models/model.ts';

/** The files of a folder that an import wrote. */
export const IMPORT_FILES: { readonly model: string; readonly record: string; readonly card: string } = {
  model: 'model.safetensors',
  record: 'import.json',
  card: 'card.md',
};

/** `import.json`: where a network comes from that was made elsewhere, written last. */
export interface ImportRecord {
  /** Of voxelgrad, that imported it. */
  readonly version: string;
  readonly source: string;
  readonly licence: string | null;
  /** SHA-256 of the files that it was read from. */
  readonly from: Readonly<Record<string, string>>;
  /** SHA-256 of the files of this folder. */
  readonly files: Readonly<Record<string, string>>;
}

const RECORD: z.ZodMiniType<ImportRecord> = z.object({
  version: z.string(),
  source: z.string(),
  licence: z.nullable(z.string()),
  from: z.record(z.string(), z.string()),
  files: z.record(z.string(), z.string()),
});

/** Writes a network as `predict`, `verify` and the app take it, with its card. @throws StorageError, CheckpointError */
export async function writeImport(out: FileSink, name: string, model: Model, version: string): Promise<void> {
  const { card, task } = model.info;
  const text = [
    `# ${name}`,
    '',
    `- Source: ${card?.source ?? 'not known'}`,
    `- Licence: ${card?.licence ?? 'not known; the files do not say'}`,
    `- Channels, in this order: ${task.channels.join(', ')}`,
    `- Labels: ${task.heads.flatMap(({ labels }) => labels).join(', ')}`,
    '',
    card?.about ?? '',
    '',
  ].join('\n');
  const files = new Map<string, Uint8Array>([
    [IMPORT_FILES.model, encodeModel(model)],
    [IMPORT_FILES.card, new TextEncoder().encode(text)],
  ]);
  const hashes: Record<string, string> = {};
  for (const [path, bytes] of files) {
    await out.write(path, bytes);
    hashes[path] = await sha256(bytes);
  }
  const record: ImportRecord = {
    version,
    source: card?.source ?? 'not known',
    licence: card?.licence ?? null,
    from: card?.files ?? {},
    files: hashes,
  };
  await out.write(IMPORT_FILES.record, formatRecord(record));
}

/** The record of a folder; undefined if it was not made by an import. @throws FileFormatError, StorageError */
export async function readImport(files: FileSource): Promise<ImportRecord | undefined> {
  const entries = await files.list('');
  if (!entries.some(({ name }) => name === IMPORT_FILES.record)) return undefined;
  return parseRecord(RECORD, await files.read(IMPORT_FILES.record), `${files.name}/${IMPORT_FILES.record}`);
}

/** @throws VerificationError for a file that is not the one that was imported; StorageError */
export async function verifyImport(files: FileSource, { files: hashes }: ImportRecord): Promise<void> {
  for (const [path, hash] of Object.entries(hashes)) {
    const found = await sha256(await files.read(path));
    if (found !== hash)
      throw new VerificationError(
        `${path} has the hash ${found.slice(0, 12)}, recorded is ${hash.slice(0, 12)}`,
      );
  }
}
