import { FileFormatError } from '../../core/errors.ts';
import { fromHalves } from '../../core/half.ts';
import { isDict, isList, PickleFault, type PickleGlobal, readPickle } from '../../core/pickle.ts';
import { formatShape, type Shape, sizeOf } from '../../core/shape.ts';
import { ZipArchive } from '../../core/zip.ts';

/** Elements of one of PyTorch's storages. */
interface StoredElements {
  readonly dtype: string;
  /** Of one element. */
  readonly bytes: number;
  readonly floats: (buffer: ArrayBuffer) => Float32Array;
}

const ELEMENTS: Readonly<Record<string, StoredElements>> = {
  FloatStorage: { dtype: 'float32', bytes: 4, floats: (b) => new Float32Array(b) },
  DoubleStorage: { dtype: 'float64', bytes: 8, floats: (b) => Float32Array.from(new Float64Array(b)) },
  HalfStorage: { dtype: 'float16', bytes: 2, floats: (b) => fromHalves(new Uint16Array(b)) },
  BFloat16Storage: {
    dtype: 'bfloat16',
    bytes: 2,
    floats: (b) => new Float32Array(Uint32Array.from(new Uint16Array(b), (bits) => bits << 16).buffer),
  },
  LongStorage: { dtype: 'int64', bytes: 8, floats: (b) => Float32Array.from(new BigInt64Array(b), Number) },
  IntStorage: { dtype: 'int32', bytes: 4, floats: (b) => Float32Array.from(new Int32Array(b)) },
  ShortStorage: { dtype: 'int16', bytes: 2, floats: (b) => Float32Array.from(new Int16Array(b)) },
  CharStorage: { dtype: 'int8', bytes: 1, floats: (b) => Float32Array.from(new Int8Array(b)) },
  ByteStorage: { dtype: 'uint8', bytes: 1, floats: (b) => Float32Array.from(new Uint8Array(b)) },
  BoolStorage: { dtype: 'bool', bytes: 1, floats: (b) => Float32Array.from(new Uint8Array(b)) },
};

/** Rank beyond which a tensor is none of a network's. */
const MOST_AXES = 8;
/** Of the pickle, which holds names and numbers, not weights. */
const LARGEST_PICKLE = 256e6;

class Storage {
  readonly element: StoredElements;
  readonly count: number;
  readonly #read: () => Uint8Array;

  constructor(element: StoredElements, count: number, read: () => Uint8Array) {
    this.element = element;
    this.count = count;
    this.#read = read;
  }

  /** @throws FileFormatError */
  floats(from: number, count: number): Float32Array {
    const { bytes, floats } = this.element;
    const content = this.#read();
    // Copied, because a view needs an aligned offset. Not by slice: that of Node's Buffer is a view of the whole file.
    const own = new Uint8Array(content.subarray(from * bytes, (from + count) * bytes));
    return floats(own.buffer);
  }
}

/** A tensor of a file: its shape is known, its values are read when they are asked for. */
export class TorchTensor {
  readonly shape: Shape;
  readonly #storage: Storage;
  readonly #offset: number;
  readonly #strides: readonly number[];

  /** @internal */
  constructor(storage: Storage, offset: number, shape: Shape, strides: readonly number[]) {
    this.shape = shape;
    this.#storage = storage;
    this.#offset = offset;
    this.#strides = strides;
  }

  /** PyTorch's word for its elements: `bfloat16`. */
  get dtype(): string {
    return this.#storage.element.dtype;
  }

  /**
   * The values in rows (the last axis fastest), as float32 whatever they are stored as: a new array. Not to be asked for
   * before the shape is known to be what it should be, since a small storage may be spread over a large shape.
   * @throws FileFormatError if the storage cannot be read.
   */
  toFloat32(): Float32Array {
    const { shape } = this;
    const count = sizeOf(shape);
    if (count === 0) return new Float32Array(0);
    const strides = this.#strides;
    const span = strides.reduce((sum, stride, axis) => sum + stride * (shape[axis]! - 1), 1);
    const values = this.#storage.floats(this.#offset, span);
    let rows = 1;
    const inRows = shape.map((_, i) => {
      const axis = shape.length - 1 - i;
      const own = rows;
      rows *= shape[axis]!;
      return shape[axis] === 1 || strides[axis] === own;
    });
    if (inRows.every(Boolean)) return values;
    const out = new Float32Array(count);
    const index = shape.map(() => 0);
    for (let i = 0, at = 0; i < count; i++) {
      out[i] = values[at]!;
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        at += strides[axis]!;
        if (++index[axis]! < shape[axis]!) break;
        index[axis] = 0;
        at -= strides[axis]! * shape[axis]!;
      }
    }
    return out;
  }
}

/**
 * Reads a file that `torch.save` wrote: a zip archive with a pickle and one file per storage. Nothing in it is run; see
 * {@link readPickle} for what is refused. Tensors may be views of shared storages, with any strides, of any number type.
 *
 * @param path how messages call it
 * @returns what was saved: dictionaries are Maps, tensors {@link TorchTensor}s, numbers of NumPy numbers
 * @throws FileFormatError for any other file, and for one that is damaged or was made to do harm.
 */
export function readTorchFile(bytes: Uint8Array, path: string): unknown {
  if (!ZipArchive.looksLike(bytes))
    throw new FileFormatError(path, 'is not a file of PyTorch 1.6 or newer, which is a zip archive', {
      hint: 'Load it with PyTorch and save it again: torch.save(torch.load(path), path).',
    });
  const archive = ZipArchive.open(bytes, path);
  const pickles = archive.entries.filter(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
  const [pickle] = pickles;
  if (!pickle || pickles.length > 1)
    throw new FileFormatError(path, `holds ${pickles.length} files data.pkl; PyTorch's have one`, {
      hint: 'Give a file that torch.save wrote.',
    });
  if (pickle.size > LARGEST_PICKLE)
    throw new FileFormatError(path, `its pickle has ${pickle.size} bytes`, {
      hint: `At most ${LARGEST_PICKLE} are read: weights lie beside it.`,
    });
  const root = pickle.name.slice(0, -'data.pkl'.length);
  const order = `${root}byteorder`;
  if (archive.has(order) && new TextDecoder().decode(archive.read(order)).trim() !== 'little')
    throw new FileFormatError(path, 'was written on a machine whose bytes have the other order', {
      hint: 'Load it with PyTorch on a usual machine and save it again.',
    });
  const sizes = new Map(archive.entries.map(({ name, size }) => [name, size]));
  const persistent = (id: unknown): Storage => {
    if (!isList(id) || id.length < 5 || id[0] !== 'storage' || typeof id[2] !== 'string')
      throw new PickleFault('a storage is described in an unknown way');
    const [, type, key, , count] = id as [string, unknown, string, unknown, unknown];
    const element = STORAGES.find(({ tag }) => tag === type)?.element;
    if (!element) throw new PickleFault('a storage is of an unknown type');
    const file = `${root}data/${key}`;
    const bytesOfAll = Number(count) * element.bytes;
    if (typeof count !== 'number' || count < 0 || sizes.get(file) !== bytesOfAll)
      throw new PickleFault(
        `the storage ${JSON.stringify(key.slice(0, 40))} should have ${bytesOfAll} bytes and has ${sizes.get(file) ?? 'none'}`,
      );
    return new Storage(element, count, () => archive.read(file));
  };
  return readPickle(archive.read(pickle.name), path, { globals: GLOBALS, persistent });
}

const STORAGES: readonly {
  readonly name: string;
  readonly element: StoredElements;
  readonly tag: PickleGlobal;
}[] = Object.entries(ELEMENTS).map(([name, element]) => ({ name, element, tag: {} }));

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks). */
function rebuildTensor(args: readonly unknown[]): TorchTensor {
  const [storage, offset, shape, strides] = args;
  if (
    !(storage instanceof Storage) ||
    !isCount(offset) ||
    !isList(shape) ||
    !isList(strides) ||
    shape.length > MOST_AXES ||
    shape.length !== strides.length ||
    !shape.every(isCount) ||
    !strides.every(isCount) ||
    !Number.isSafeInteger(sizeOf(shape))
  )
    throw new PickleFault('a tensor is described in an unknown way');
  const last = shape.reduce((sum, extent, axis) => sum + (extent - 1) * strides[axis]!, offset);
  if (!shape.includes(0) && !(last < storage.count))
    throw new PickleFault(
      `a tensor ${formatShape(shape)} reaches to element ${last} of a storage of ${storage.count}`,
    );
  return new TorchTensor(storage, offset, shape, strides);
}

/** NumPy's numbers, by the letters of their types: bytes of one, and how it is read. */
const NUMBERS: Readonly<Record<string, readonly [number, (view: DataView, little: boolean) => number]>> = {
  f8: [8, (v, e) => v.getFloat64(0, e)],
  f4: [4, (v, e) => v.getFloat32(0, e)],
  f2: [2, (v, e) => fromHalves(Uint16Array.of(v.getUint16(0, e)))[0]!],
  i8: [8, (v, e) => Number(v.getBigInt64(0, e))],
  u8: [8, (v, e) => Number(v.getBigUint64(0, e))],
  i4: [4, (v, e) => v.getInt32(0, e)],
  u4: [4, (v, e) => v.getUint32(0, e)],
  i2: [2, (v, e) => v.getInt16(0, e)],
  u2: [2, (v, e) => v.getUint16(0, e)],
  i1: [1, (v) => v.getInt8(0)],
  u1: [1, (v) => v.getUint8(0)],
  b1: [1, (v) => v.getUint8(0)],
};

class NumpyType {
  readonly code: string;
  little = true;
  constructor(code: string) {
    this.code = code;
  }
}

class NumpyArray {
  values: readonly number[] = [];
}

function numpyNumbers(type: unknown, content: unknown): number[] {
  const found = type instanceof NumpyType ? NUMBERS[type.code] : undefined;
  if (!found || !(type instanceof NumpyType) || !(content instanceof Uint8Array))
    throw new PickleFault('a number of NumPy is described in an unknown way');
  const [bytes, read] = found;
  return Array.from({ length: Math.floor(content.length / bytes) }, (_, i) =>
    read(new DataView(content.buffer, content.byteOffset + i * bytes, bytes), type.little),
  );
}

const scalar: PickleGlobal = {
  make([type, content]) {
    const [value] = numpyNumbers(type, content);
    if (value === undefined) throw new PickleFault('a number of NumPy has no bytes');
    return value;
  },
};
const array: PickleGlobal = {
  make: () => new NumpyArray(),
  build(value, state) {
    if (!(value instanceof NumpyArray) || !isList(state) || state.length !== 5)
      throw new PickleFault('an array of NumPy is described in an unknown way');
    value.values = numpyNumbers(state[2], state[4]);
  },
};

const dictionary: PickleGlobal = {
  make([items = []]) {
    if (!isList(items) || !items.every((item) => isList(item) && item.length === 2))
      throw new PickleFault('a dictionary is described in an unknown way');
    return new Map(items as readonly [unknown, unknown][]);
  },
  // PyTorch hangs versions of modules on it, which nothing here needs.
  build() {},
};

/** All that a pickle may name. */
const GLOBALS: ReadonlyMap<string, PickleGlobal> = new Map<string, PickleGlobal>([
  ...STORAGES.map(({ name, tag }) => [`torch ${name}`, tag] as const),
  ['torch._utils _rebuild_tensor_v2', { make: rebuildTensor }],
  ['torch._utils _rebuild_parameter', { make: ([tensor]) => tensor }],
  ['torch device', { make: (args) => args.map(String).join(':') }],
  ['torch Size', { make: ([extents]) => extents }],
  ['collections OrderedDict', dictionary],
  [
    'numpy dtype',
    {
      make([code]) {
        if (typeof code !== 'string') throw new PickleFault('a type of NumPy has no name');
        return new NumpyType(code.replace(/^[<>|=]/, ''));
      },
      build(value, state) {
        if (value instanceof NumpyType && isList(state)) value.little = state[1] !== '>';
      },
    },
  ],
  ['numpy ndarray', {}],
  ...['numpy.core.multiarray', 'numpy._core.multiarray'].flatMap((module): [string, PickleGlobal][] => [
    [`${module} scalar`, scalar],
    [`${module} _reconstruct`, array],
  ]),
  [
    '_codecs encode',
    {
      make([text]) {
        if (typeof text !== 'string') throw new PickleFault('bytes are not text');
        return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
      },
    },
  ],
]);

/** An entry of a dictionary of such a file; undefined if it has none. */
export function entryOf(value: unknown, key: string): unknown {
  return isDict(value) ? value.get(key) : undefined;
}
