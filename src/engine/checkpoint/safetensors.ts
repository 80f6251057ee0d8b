import { FileFormatError } from '../../core/errors.ts';
import { parseJson } from '../../core/json.ts';
import { formatShape, roundUp, type Shape, sizeOf } from '../../core/shape.ts';

/** Elements of a stored tensor: F32, U32 or I64 by the array's type. */
export type TensorData = Float32Array | Uint32Array | BigInt64Array;

/** A tensor of a safetensors file, dense, outermost extent first. */
export interface StoredTensor<T extends TensorData = TensorData> {
  readonly shape: Shape;
  readonly data: T;
}

/** Content of a safetensors file. */
export interface SafetensorsFile {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

type Dtype = 'F32' | 'U32' | 'I64';

const BYTES: Readonly<Record<Dtype, number>> = { F32: 4, U32: 4, I64: 8 };
const LENGTH_BYTES = 8;
/** The reference implementation's bound of the header. */
const MAX_HEADER_BYTES = 100e6;
const METADATA = '__metadata__';
const DAMAGED = 'The file is truncated or damaged: copy it again, or take an older checkpoint.';

/**
 * Writes a safetensors file (https://huggingface.co/docs/safetensors, format 0.x): eight bytes of header length
 * (little-endian), a JSON header padded with blanks to a multiple of eight, then the tensors without gaps. As in the
 * reference implementation, wider elements come first and names are sorted among equals, so every tensor is aligned
 * and equal content gives equal bytes.
 *
 * @throws FileFormatError naming the tensor whose data does not fit its shape, or a name that the format reserves.
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const sorted = [...tensors].sort(
    ([a, x], [b, y]) => BYTES[dtypeOf(y.data)] - BYTES[dtypeOf(x.data)] || (a < b ? -1 : 1),
  );
  // Entries of a list, not an object: an object would put names that are whole numbers first.
  const entries: string[] = [];
  const keys = Object.keys(metadata).sort();
  if (keys.length > 0)
    entries.push(entry(METADATA, Object.fromEntries(keys.map((key) => [key, metadata[key]]))));
  let bytes = 0;
  for (const [name, { shape, data }] of sorted) {
    if (name === METADATA) throw new FileFormatError('safetensors', `${METADATA} is not a name for a tensor`);
    if (data.length !== sizeOf(shape))
      throw new FileFormatError(
        'safetensors',
        `${name} is ${formatShape(shape)}, ${sizeOf(shape)} elements, but has ${data.length} values`,
      );
    const end = bytes + data.byteLength;
    entries.push(entry(name, { dtype: dtypeOf(data), shape, data_offsets: [bytes, end] }));
    bytes = end;
  }
  const header = new TextEncoder().encode(`{${entries.join(',')}}`);
  const start = LENGTH_BYTES + roundUp(header.length, LENGTH_BYTES);
  const out = new Uint8Array(start + bytes);
  new DataView(out.buffer).setBigUint64(0, BigInt(start - LENGTH_BYTES), true);
  out.fill(0x20, LENGTH_BYTES, start);
  out.set(header, LENGTH_BYTES);
  let at = start;
  for (const [, { data }] of sorted) {
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return out;
}

function entry(name: string, value: object): string {
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`;
}

function dtypeOf(data: TensorData): Dtype {
  if (data instanceof Float32Array) return 'F32';
  return data instanceof Uint32Array ? 'U32' : 'I64';
}

/**
 * Reads a safetensors file, every tensor into an array of its own. Strict: the header must be within bounds, name
 * each tensor once, and the tensors must fill the rest of the file without gaps or overlaps.
 *
 * @param path how messages call it.
 * @throws FileFormatError naming the tensor and the rule that it breaks.
 */
export function readSafetensors(bytes: Uint8Array, path: string): SafetensorsFile {
  const { entries, start } = readHeader(bytes, path);
  const tensors = new Map<string, StoredTensor>();
  const metadata = new Map<string, string>();
  const ranges: Range[] = [];
  for (const [name, value] of entries) {
    if (name === METADATA) {
      for (const [key, text] of Object.entries(requireObject(value, METADATA, path))) {
        if (typeof text !== 'string') throw damaged(path, `metadata ${JSON.stringify(key)} is not text`);
        metadata.set(key, text);
      }
      continue;
    }
    const range = readEntry(name, value, bytes.length - start, path);
    ranges.push(range);
    tensors.set(name, decode(bytes, start, range));
  }
  checkCoverage(ranges, bytes.length - start, path);
  return { tensors, metadata };
}

interface Range {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: Shape;
  readonly begin: number;
  readonly end: number;
}

function damaged(path: string, message: string): FileFormatError {
  return new FileFormatError(path, message, { hint: DAMAGED });
}

function readHeader(
  bytes: Uint8Array,
  path: string,
): { entries: [name: string, value: unknown][]; start: number } {
  if (bytes.length < LENGTH_BYTES + 2)
    throw damaged(path, `is not a safetensors file: it has ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  const available = bytes.length - LENGTH_BYTES;
  if (length < 2 || length > MAX_HEADER_BYTES)
    throw damaged(
      path,
      `is not a safetensors file: a header of ${length} bytes (2 to ${MAX_HEADER_BYTES} are allowed)`,
    );
  if (length > available) throw damaged(path, `promises a header of ${length} bytes; ${available} are there`);
  const start = LENGTH_BYTES + length;
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(LENGTH_BYTES, start));
    header = parseJson(text);
  } catch (cause) {
    throw new FileFormatError(path, 'the header is not JSON', { hint: DAMAGED, cause });
  }
  if (!text.startsWith('{')) throw damaged(path, 'the header does not start with {');
  const object = requireObject(header, 'the header', path);
  const twice = repeatedKey(text);
  if (twice !== undefined) throw damaged(path, `the header names ${JSON.stringify(twice)} twice`);
  return { entries: Object.entries(object), start };
}

function requireObject(value: unknown, what: string, path: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw damaged(path, `${what} is not an object`);
}

/** The first key that an object of valid JSON has twice; JSON.parse would keep the last in silence. */
function repeatedKey(text: string): string | undefined {
  const objects: Set<string>[] = [];
  let last: string | undefined;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}:]/g)) {
    if (token === '{') objects.push(new Set());
    else if (token === '}') objects.pop();
    else if (token !== ':') last = token;
    else {
      const key = JSON.parse(last ?? '""') as string;
      const keys = objects.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}

function readEntry(name: string, value: unknown, dataBytes: number, path: string): Range {
  const what = `tensor ${JSON.stringify(name)}`;
  const { dtype, shape, data_offsets: offsets } = requireObject(value, what, path);
  if (dtype !== 'F32' && dtype !== 'U32' && dtype !== 'I64')
    throw new FileFormatError(
      path,
      `${what} has elements of type ${JSON.stringify(dtype)}; F32, U32 and I64 are read`,
      {
        hint: 'Convert it to float32 first.',
      },
    );
  if (!isCounts(shape))
    throw damaged(path, `${what} has the shape ${JSON.stringify(shape)}, not whole numbers`);
  if (!isCounts(offsets) || offsets.length !== 2)
    throw damaged(path, `${what} has the offsets ${JSON.stringify(offsets)}, not two whole numbers`);
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataBytes)
    throw damaged(path, `${what} lies at bytes ${begin} to ${end} of ${dataBytes}`);
  const size = sizeOf(shape) * BYTES[dtype];
  if (size !== end - begin)
    throw damaged(
      path,
      `${what} is ${dtype} ${formatShape(shape)}, ${size} bytes, but its offsets span ${end - begin}`,
    );
  return { name, dtype, shape, begin, end };
}

/** Whether a value is a list of counts whose product is still exact. */
function isCounts(value: unknown): value is readonly number[] {
  return (
    Array.isArray(value) &&
    value.every((n) => Number.isSafeInteger(n) && n >= 0) &&
    Number.isSafeInteger(value.reduce((product: number, n: number) => product * Math.max(1, n), 8))
  );
}

function checkCoverage(ranges: readonly Range[], dataBytes: number, path: string): void {
  let at = 0;
  let previous = 'the header';
  for (const { name, begin, end } of [...ranges].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < at) throw damaged(path, `tensor ${JSON.stringify(name)} overlaps ${previous}`);
    if (begin > at)
      throw damaged(path, `there are ${begin - at} bytes of no tensor before ${JSON.stringify(name)}`);
    at = end;
    previous = JSON.stringify(name);
  }
  if (at !== dataBytes) throw damaged(path, `there are ${dataBytes - at} bytes of no tensor at the end`);
}

function decode(bytes: Uint8Array, start: number, { dtype, shape, begin, end }: Range): StoredTensor {
  // Copied, because a view needs an aligned offset; typed arrays are little-endian on every platform that runs this.
  // Not by slice: that of Node's Buffer is a view of the whole file.
  const { buffer } = new Uint8Array(bytes.subarray(start + begin, start + end));
  if (dtype === 'F32') return { shape, data: new Float32Array(buffer) };
  return { shape, data: dtype === 'U32' ? new Uint32Array(buffer) : new BigInt64Array(buffer) };
}
