import { FileFormatError } from '../../core/errors.ts';
import { type Shape, sizeOf } from '../../core/shape.ts';
import { writeZip } from '../../core/zip.ts';

/** A tensor to be written. */
export interface WrittenTensor {
  readonly shape: Shape;
  readonly data: Float32Array;
}

/** What {@link writeTorchFile} writes: a Map is a dictionary, an array a list, a {@link Tuple} a tuple. */
export type Saved =
  | null
  | boolean
  | number
  | string
  | WrittenTensor
  | Tuple
  | readonly Saved[]
  | ReadonlyMap<string, Saved>;

/** A Python tuple. */
export class Tuple {
  readonly items: readonly Saved[];
  constructor(...items: readonly Saved[]) {
    this.items = items;
  }
}

/** JSON as it is saved: objects are dictionaries. */
export function savedJson(value: unknown): Saved {
  if (Array.isArray(value)) return value.map(savedJson);
  if (typeof value === 'object' && value !== null)
    return new Map(Object.entries(value).map(([key, item]) => [key, savedJson(item)]));
  return value as null | boolean | number | string;
}

/**
 * What `torch.load` and `readTorchFile` read: a zip archive with a pickle of protocol 2 and a file of float32 per tensor.
 * The pickle names `torch._utils._rebuild_tensor_v2`, `torch.FloatStorage` and `collections.OrderedDict`, and nothing
 * else, so that `torch.load(weights_only=True)` takes it. Equal values give equal bytes.
 * @throws FileFormatError for a tensor whose values do not fill its shape, or a number that is not finite.
 */
export function writeTorchFile(value: Saved): Uint8Array<ArrayBuffer> {
  const pickle = new PickleWriter();
  const content = pickle.write(value);
  const files = new Map<string, Uint8Array>([['archive/data.pkl', content]]);
  pickle.tensors.forEach(({ data }, i) => {
    files.set(`archive/data/${i}`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  });
  files.set('archive/version', new TextEncoder().encode('3\n'));
  return writeZip(files);
}

class PickleWriter {
  readonly tensors: WrittenTensor[] = [];
  readonly #pieces: Uint8Array[] = [];

  write(value: Saved): Uint8Array {
    this.#bytes(0x80, 2);
    this.#value(value);
    this.#bytes(0x2e);
    const out = new Uint8Array(this.#pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of this.#pieces) {
      out.set(piece, at);
      at += piece.length;
    }
    return out;
  }

  #bytes(...bytes: readonly number[]): void {
    this.#pieces.push(Uint8Array.from(bytes));
  }

  #value(value: Saved): void {
    if (value === null) this.#bytes(0x4e);
    else if (typeof value === 'boolean') this.#bytes(value ? 0x88 : 0x89);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'string') this.#text(value);
    else if (value instanceof Tuple) this.#items(0x74, value.items);
    else if (value instanceof Map) this.#dictionary(value);
    else if (isSavedList(value)) {
      this.#bytes(0x5d);
      this.#items(0x65, value);
    } else this.#tensor(value as WrittenTensor);
  }

  /** MARK, what is between, and the opcode that takes it up. */
  #between(opcode: number, work: () => void): void {
    this.#bytes(0x28);
    work();
    this.#bytes(opcode);
  }

  #items(opcode: number, items: readonly Saved[]): void {
    this.#between(opcode, () => {
      for (const item of items) this.#value(item);
    });
  }

  #number(value: number): void {
    if (!Number.isFinite(value))
      throw new FileFormatError('torch file', `${value} is not a number that can be saved`);
    const piece = new Uint8Array(Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? 5 : 9);
    const view = new DataView(piece.buffer);
    if (piece.length === 5) {
      piece[0] = 0x4a;
      view.setInt32(1, value, true);
    } else if (Number.isSafeInteger(value)) {
      // LONG1 of eight bytes.
      this.#bytes(0x8a, 8);
      const long = new Uint8Array(8);
      new DataView(long.buffer).setBigInt64(0, BigInt(value), true);
      this.#pieces.push(long);
      return;
    } else {
      piece[0] = 0x47;
      view.setFloat64(1, value, false);
    }
    this.#pieces.push(piece);
  }

  #text(value: string): void {
    const text = new TextEncoder().encode(value);
    const head = new Uint8Array(5);
    head[0] = 0x58;
    new DataView(head.buffer).setUint32(1, text.length, true);
    this.#pieces.push(head, text);
  }

  #global(name: string): void {
    this.#bytes(0x63);
    this.#pieces.push(new TextEncoder().encode(`${name.replace(' ', '\n')}\n`));
  }

  /** In the order of the Map: since Python 3.7 dictionaries keep it. */
  #dictionary(items: ReadonlyMap<string, Saved>): void {
    this.#bytes(0x7d);
    this.#between(0x75, () => {
      for (const [key, item] of items) {
        this.#text(key);
        this.#value(item);
      }
    });
  }

  #tensor(tensor: WrittenTensor): void {
    const { shape, data } = tensor;
    if (data.length !== sizeOf(shape))
      throw new FileFormatError(
        'torch file',
        `a tensor of ${sizeOf(shape)} elements has ${data.length} values`,
      );
    // Tensors of one array share a storage.
    const shared = this.tensors.findIndex((each) => each.data === data);
    const key = String(shared < 0 ? this.tensors.push(tensor) - 1 : shared);
    const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
    this.#global('torch._utils _rebuild_tensor_v2');
    this.#between(0x74, () => {
      this.#between(0x74, () => {
        this.#text('storage');
        this.#global('torch FloatStorage');
        this.#text(key);
        this.#text('cpu');
        this.#number(data.length);
      });
      this.#bytes(0x51);
      this.#number(0);
      this.#value(new Tuple(...shape));
      this.#value(new Tuple(...strides));
      this.#bytes(0x89);
      this.#global('collections OrderedDict');
      this.#bytes(0x29, 0x52);
    });
    this.#bytes(0x52);
  }
}

function isSavedList(value: Saved): value is readonly Saved[] {
  return Array.isArray(value);
}
