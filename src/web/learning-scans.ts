import { z } from 'zod/mini';
import { UsageError } from '../core/errors.ts';
import { type FileSource, type FileStore, MemoryFiles } from '../core/files.ts';
import { sha256 } from '../core/hash.ts';
import { canonicalJson, toJson } from '../core/json.ts';
import { Subfolder } from '../core/subfolder.ts';
import { FILE_ROLES, type FileRole, MODALITY_ROLES } from '../imaging/dataset/file-role.ts';
import { type LoadedScan, type LoadScanOptions, loadScan } from '../imaging/dataset/load-scan.ts';
import { scanOfFiles } from '../imaging/dataset/loose-files.ts';
import type { LearningUse } from './protocol.ts';

/** A file of a scan that is to be kept. */
export interface ScanFileToKeep {
  /** `nii` or `nii.gz`. */
  readonly extension: string;
  readonly bytes: Uint8Array;
}

/** A scan that is kept to learn from, or to judge by. */
export interface LearningScan {
  /** Follows from its images: the same scan has the same one. */
  readonly id: string;
  /** As the page and the run call it; no two have the same. */
  readonly name: string;
  readonly use: LearningUse;
}

const RECORD = z.object({ name: z.string().check(z.minLength(1)), use: z.enum(['learn', 'aside']) });
const RECORD_FILE = 'scan.json';
const SCAN_FILE = /^(.+?)\.(nii(?:\.gz)?)$/;

/** Scans with true masks, kept with all their files: `ID/scan.json` and `ID/FLAIR.nii.gz` and the like. */
export class LearningScans {
  readonly #files: FileStore;

  constructor(files: FileStore) {
    this.#files = files;
  }

  /** By name. A scan that was only half written is none. @throws StorageError. */
  async list(): Promise<readonly LearningScan[]> {
    const scans: LearningScan[] = [];
    for (const { name: id } of await this.#files.list('')) {
      const record = await this.#record(id);
      if (record) scans.push({ id, ...record });
    }
    return scans.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Keeps a scan; where its images are kept already, its new masks take the place of the old ones.
   * @param files by what they are; the lesions are among them
   * @throws DatasetError, GridMismatchError, FileFormatError where the scan cannot be loaded; StorageError.
   */
  async add(name: string, use: LearningUse, files: ReadonlyMap<FileRole, ScanFileToKeep>): Promise<void> {
    const images = [...files].filter(([role]) => MODALITY_ROLES.includes(role));
    const hashes = await Promise.all(
      images.map(async ([role, { bytes }]) => `${role} ${await sha256(bytes)}`),
    );
    const id = (await sha256(new TextEncoder().encode(hashes.sort().join('\n')))).slice(0, 16);
    const others = (await this.list()).filter((scan) => scan.id !== id).map((scan) => scan.name);
    let unique = name;
    for (let n = 2; others.includes(unique); n++) unique = `${name} ${n}`;
    const given = new MemoryFiles(unique);
    for (const [role, { extension, bytes }] of files) given.files.set(`${role}.${extension}`, bytes);
    const { lesions } = await loadFrom(given, unique);
    if (use === 'learn') requireLesion(lesions, unique);
    const folder = new Subfolder(this.#files, id);
    for (const [path, bytes] of given.files) await folder.write(path, bytes);
    for (const { name: old } of await folder.list('')) if (!given.files.has(old)) await folder.remove(old);
    // Last, since it says that the scan is whole.
    await this.#write(id, { name: unique, use });
  }

  async setUse(id: string, use: LearningUse): Promise<void> {
    const record = await this.#record(id);
    if (record) await this.#write(id, { ...record, use });
  }

  async remove(id: string): Promise<void> {
    await this.#files.remove(`${id}/${RECORD_FILE}`);
    await new Subfolder(this.#files, id).clear();
  }

  /**
   * Reads a scan with its true mask.
   * @param reads modalities in the order of the channels, and targets and maps (default: all modalities)
   * @throws DatasetError for a modality or map that is not there; StorageError.
   */
  async load(
    { id, name }: LearningScan,
    reads: Pick<LoadScanOptions, 'modalities' | 'targets' | 'maps'> = {},
  ): Promise<LoadedScan> {
    return await loadFrom(new Subfolder(this.#files, id), name, reads);
  }

  async #record(id: string): Promise<z.infer<typeof RECORD> | undefined> {
    const path = `${id}/${RECORD_FILE}`;
    if (!(await this.#files.list(id)).some(({ name }) => name === RECORD_FILE)) return undefined;
    const text = new TextDecoder().decode(await this.#files.read(path));
    try {
      return RECORD.parse(JSON.parse(text));
    } catch {
      // Damaged: as good as not there, and the next scan with these images replaces it.
      return undefined;
    }
  }

  async #write(id: string, record: z.infer<typeof RECORD>): Promise<void> {
    await this.#files.write(`${id}/${RECORD_FILE}`, new TextEncoder().encode(canonicalJson(toJson(record))));
  }
}

async function loadFrom(files: FileSource, name: string, reads: LoadScanOptions = {}): Promise<LoadedScan> {
  const roles = new Map<string, FileRole>();
  for (const entry of await files.list('')) {
    const role = FILE_ROLES.find((each) => each === SCAN_FILE.exec(entry.name)?.[1]);
    if (role) roles.set(entry.name, role);
  }
  const { dataset, scan } = scanOfFiles(files, roles, name);
  return await loadScan(dataset, scan, { ...reads, requireLesions: true });
}

function requireLesion(lesions: LoadedScan['lesions'], name: string): void {
  if (lesions?.some((value) => value > 0)) return;
  throw new UsageError(`${name}: its true mask holds no lesion to learn from`, {
    hint: 'Correct the result first, or keep the scan aside.',
  });
}
