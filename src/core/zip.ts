import { inflateSync } from 'fflate';
import { FileFormatError } from './errors.ts';

/** A file in an archive. */
export interface ZipEntry {
  readonly name: string;
  /** Bytes once inflated, as the archive says; the content is held against it. */
  readonly size: number;
}

interface Located extends ZipEntry {
  readonly method: number;
  readonly packed: number;
  readonly crc: number;
  /** Where its bytes begin and end in the archive. */
  readonly start: number;
  readonly end: number;
}

const SIGNATURE = {
  local: 0x04034b50,
  central: 0x02014b50,
  end: 0x06054b50,
  end64: 0x06064b50,
  locator: 0x07064b50,
};
const STORED = 0;
const DEFLATED = 8;
/** No stream of deflate grows by more. */
const LARGEST_RATIO = 1032;
const DEFAULT_LIMIT = 16e9;
const DAMAGED = 'The archive is truncated or damaged: copy or download it again.';

/**
 * Reads a zip archive (PKWARE's APPNOTE 6.3: stored and deflated entries, with the 64-bit fields). Nothing is inflated
 * before it is asked for, and never into more bytes than the directory says; checksums are compared. Names are paths
 * below the archive's root, never above it.
 */
export class ZipArchive {
  readonly #bytes: Uint8Array;
  readonly #path: string;
  readonly #entries: ReadonlyMap<string, Located>;

  private constructor(bytes: Uint8Array, path: string, entries: ReadonlyMap<string, Located>) {
    this.#bytes = bytes;
    this.#path = path;
    this.#entries = entries;
  }

  /** Whether bytes begin as an archive does. */
  static looksLike(bytes: Uint8Array): boolean {
    return bytes.length > 4 && viewOf(bytes).getUint32(0, true) === SIGNATURE.local;
  }

  /**
   * Reads the directory.
   * @param path how messages call it
   * @param limit bytes that all entries may have together once inflated
   * @throws FileFormatError for what is no archive, is damaged, names paths outside of it, has entries that overlap, is
   *   encrypted, or inflates to more than the limit or than deflate can.
   */
  static open(bytes: Uint8Array, path: string, limit: number = DEFAULT_LIMIT): ZipArchive {
    const { count, at: first } = findDirectory(bytes, path);
    const entries = new Map<string, Located>();
    let at = first;
    let total = 0;
    for (let i = 0; i < count; i++) {
      const [entry, next] = readEntry(bytes, at, path);
      at = next;
      if (entry.name.endsWith('/')) continue;
      if (entries.has(entry.name)) throw damaged(path, `names ${shown(entry.name)} twice`);
      total += entry.size;
      if (total > limit)
        throw new FileFormatError(path, `inflates to more than ${limit} bytes`, {
          hint: 'It is not a file of weights, or one made to fill the memory.',
        });
      entries.set(entry.name, entry);
    }
    const inOrder = [...entries.values()].sort((a, b) => a.start - b.start);
    inOrder.forEach((entry, i) => {
      const next = inOrder[i + 1];
      if (next && next.start < entry.end)
        throw damaged(path, `${shown(entry.name)} and ${shown(next.name)} overlap`);
    });
    return new ZipArchive(bytes, path, entries);
  }

  /** Every file, in the directory's order. */
  get entries(): readonly ZipEntry[] {
    return [...this.#entries.values()];
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** A file's content: a view of the archive where it is stored as it is. @throws FileFormatError */
  read(name: string): Uint8Array {
    const entry = this.#entries.get(name);
    if (!entry) throw damaged(this.#path, `has no file ${shown(name)}`);
    const packed = this.#bytes.subarray(entry.start, entry.end);
    const content = entry.method === STORED ? packed : inflate(packed, entry, this.#path);
    if (content.length !== entry.size || crc32(content) !== entry.crc)
      throw damaged(this.#path, `${shown(name)} is not what its checksum says`);
    return content;
  }
}

/** Into exactly as many bytes as the directory says: fflate drops what goes beyond, and the checksum tells. */
function inflate(packed: Uint8Array, { name, size }: ZipEntry, path: string): Uint8Array {
  try {
    return inflateSync(packed, { out: new Uint8Array(size) });
  } catch (cause) {
    throw new FileFormatError(path, `${shown(name)} cannot be inflated`, { hint: DAMAGED, cause });
  }
}

function damaged(path: string, message: string): FileFormatError {
  return new FileFormatError(path, message, { hint: DAMAGED });
}

function shown(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 77)}...` : name);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Where the directory is, and how many entries it has. */
function findDirectory(bytes: Uint8Array, path: string): { readonly count: number; readonly at: number } {
  const view = viewOf(bytes);
  // The record is at the end, before a comment of up to 65535 bytes.
  const least = Math.max(0, bytes.length - 22 - 0xffff);
  let end = bytes.length - 22;
  while (end >= least && view.getUint32(end, true) !== SIGNATURE.end) end--;
  if (end < least) throw damaged(path, 'is not a zip archive, or its end is missing');
  let count = view.getUint16(end + 10, true);
  let size = view.getUint32(end + 12, true);
  let at = view.getUint32(end + 16, true);
  const locator = end - 20;
  if (locator >= 0 && view.getUint32(locator, true) === SIGNATURE.locator) {
    const record = Number(view.getBigUint64(locator + 8, true));
    if (record + 56 > bytes.length || view.getUint32(record, true) !== SIGNATURE.end64)
      throw damaged(path, 'the 64-bit end of its directory is missing');
    count = Number(view.getBigUint64(record + 32, true));
    size = Number(view.getBigUint64(record + 40, true));
    at = Number(view.getBigUint64(record + 48, true));
  }
  // An entry takes 46 bytes at the least.
  if (at + size > bytes.length || count * 46 > size)
    throw damaged(path, `its directory of ${count} files does not fit into ${bytes.length} bytes`);
  return { count, at };
}

function readEntry(bytes: Uint8Array, at: number, path: string): readonly [Located, number] {
  const view = viewOf(bytes);
  if (at + 46 > bytes.length || view.getUint32(at, true) !== SIGNATURE.central)
    throw damaged(path, 'its directory breaks off');
  const flags = view.getUint16(at + 8, true);
  const method = view.getUint16(at + 10, true);
  const [nameLength, extraLength, commentLength] = [28, 30, 32].map((o) => view.getUint16(at + o, true)) as [
    number,
    number,
    number,
  ];
  const next = at + 46 + nameLength + extraLength + commentLength;
  if (next > bytes.length) throw damaged(path, 'its directory breaks off');
  const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength));
  requireInside(name, path);
  const wide = wideFields(view, at + 46 + nameLength, extraLength);
  const field = (offset: number): number => {
    const value = view.getUint32(at + offset, true);
    return value === 0xffffffff ? (wide.shift() ?? Number.NaN) : value;
  };
  // In the order in which the wide fields stand.
  const size = field(24);
  const packed = field(20);
  const header = field(42);
  if ((flags & 1) !== 0) throw damaged(path, `${shown(name)} is encrypted`);
  if (method !== STORED && method !== DEFLATED)
    throw new FileFormatError(path, `${shown(name)} is packed by method ${method}`, {
      hint: 'Stored and deflated files are read: save it again with PyTorch.',
    });
  if (!(header + 30 <= bytes.length) || view.getUint32(header, true) !== SIGNATURE.local)
    throw damaged(path, `${shown(name)} is not where the directory says`);
  const start = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
  const end = start + packed;
  if (!(end <= bytes.length)) throw damaged(path, `${shown(name)} breaks off`);
  if (!(size <= packed * LARGEST_RATIO) && size !== packed)
    throw new FileFormatError(path, `${shown(name)} says that its ${packed} bytes inflate to ${size}`, {
      hint: 'That is more than deflate can: the file was made to fill the memory.',
    });
  if (method === STORED && size !== packed)
    throw damaged(path, `${shown(name)} is stored as it is, but has two sizes`);
  return [{ name, size, method, packed, crc: view.getUint32(at + 16, true), start, end }, next];
}

/** The 64-bit fields of an entry, in order. */
function wideFields(view: DataView, from: number, length: number): number[] {
  for (let at = from; at + 4 <= from + length; ) {
    const bytes = view.getUint16(at + 2, true);
    if (view.getUint16(at, true) === 1 && at + 4 + bytes <= from + length)
      return Array.from({ length: bytes >> 3 }, (_, i) => Number(view.getBigUint64(at + 4 + 8 * i, true)));
    at += 4 + bytes;
  }
  return [];
}

/** @throws FileFormatError for a path that leads out of the archive. */
function requireInside(name: string, path: string): void {
  const parts = name.split('/');
  if (name === '' || /[\\\0]|^[A-Za-z]:/.test(name) || parts[0] === '' || parts.includes('..'))
    throw new FileFormatError(path, `names a file outside of itself: ${shown(name)}`, {
      hint: 'The archive was made to overwrite other files. Do not unpack it either.',
    });
}

const CRC_TABLE: Uint32Array = Uint32Array.from({ length: 256 }, (_, i) => {
  let c = i;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** CRC-32 as in zip and gzip. */
export function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) c = CRC_TABLE[(c ^ bytes[i]!) & 0xff]! ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/** Writes an archive of stored files, each beginning at a multiple of `align` bytes as PyTorch's do. */
export function writeZip(files: ReadonlyMap<string, Uint8Array>, align = 64): Uint8Array<ArrayBuffer> {
  const headers = [...files].map(([name, content]) => ({
    name: new TextEncoder().encode(name),
    content,
    crc: crc32(content),
  }));
  let at = 0;
  const placed = headers.map((file) => {
    const bare = at + 30 + file.name.length;
    // Padding stands in an extra field, which has four bytes of its own.
    const padding = 4 + ((align - ((bare + 4) % align)) % align);
    const header = at;
    at = bare + padding + file.content.length;
    return { ...file, header, padding };
  });
  const directory = placed.reduce((sum, { name }) => sum + 46 + name.length, 0);
  if (placed.length > 0xfffe || at + directory > 0xfffffffe)
    throw new FileFormatError('zip', `${placed.length} files of ${at} bytes do not fit into an archive`, {
      hint: 'Archives of up to 4 GB are written.',
    });
  const out = new Uint8Array(at + directory + 22);
  const view = viewOf(out);
  let central = at;
  for (const { name, content, crc, header, padding } of placed) {
    const common = (from: number): void => {
      view.setUint16(from, 20, true);
      // Names are UTF-8.
      view.setUint16(from + 2, 0x800, true);
      // 1980-01-01, so that equal content gives equal bytes.
      view.setUint16(from + 8, 0x21, true);
      view.setUint32(from + 10, crc, true);
      view.setUint32(from + 14, content.length, true);
      view.setUint32(from + 18, content.length, true);
      view.setUint16(from + 22, name.length, true);
    };
    view.setUint32(header, SIGNATURE.local, true);
    common(header + 4);
    view.setUint16(header + 28, padding, true);
    out.set(name, header + 30);
    // PyTorch's mark of padding: `FB`.
    view.setUint16(header + 30 + name.length, 0x4246, true);
    view.setUint16(header + 32 + name.length, padding - 4, true);
    out.set(content, header + 30 + name.length + padding);
    view.setUint32(central, SIGNATURE.central, true);
    view.setUint16(central + 4, 20, true);
    common(central + 6);
    view.setUint32(central + 42, header, true);
    out.set(name, central + 46);
    central += 46 + name.length;
  }
  view.setUint32(central, SIGNATURE.end, true);
  view.setUint16(central + 8, placed.length, true);
  view.setUint16(central + 10, placed.length, true);
  view.setUint32(central + 12, directory, true);
  view.setUint32(central + 16, at, true);
  return out;
}
