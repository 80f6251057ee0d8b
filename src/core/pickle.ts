import { FileFormatError } from './errors.ts';

/**
 * What a pickle names by module and name. Nothing of that name is ever looked up or run: a caller lists the few that it
 * knows, and what is made of them. One without `make` stands for itself, such as a type.
 */
export interface PickleGlobal {
  /** Makes a value of the arguments. @throws PickleFault for those that make no sense. */
  make?(args: readonly unknown[]): unknown;
  /** Gives a value that was made a state. @throws PickleFault */
  build?(value: unknown, state: unknown): void;
}

/** What a reader of pickles knows. */
export interface PickleWorld {
  /** By `module name`. */
  readonly globals: ReadonlyMap<string, PickleGlobal>;
  /** What a persistent id stands for. @throws PickleFault */
  persistent?(id: unknown): unknown;
}

/** What is wrong with a pickle, in a clause; the reader makes it an error that names the file and the place. */
export class PickleFault extends Error {}

/** A tuple or a list. */
export function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

/** A dictionary with its items in their order. */
export function isDict(value: unknown): value is ReadonlyMap<unknown, unknown> {
  return value instanceof Map;
}

/** The longest whole number, in bytes. */
const LONGEST_INTEGER = 16;

/** Opcodes of Python's pickletools that are refused, so that a message can name them. */
const REFUSED: Readonly<Record<number, string>> = {
  48: 'POP',
  49: 'POP_MARK',
  50: 'DUP',
  70: 'FLOAT',
  73: 'INT',
  76: 'LONG',
  80: 'PERSID',
  83: 'STRING',
  84: 'BINSTRING',
  85: 'SHORT_BINSTRING',
  86: 'UNICODE',
  100: 'DICT',
  103: 'GET',
  105: 'INST',
  108: 'LIST',
  111: 'OBJ',
  112: 'PUT',
  129: 'NEWOBJ',
  130: 'EXT1',
  131: 'EXT2',
  132: 'EXT4',
  146: 'NEWOBJ_EX',
  147: 'STACK_GLOBAL',
  150: 'BYTEARRAY8',
  151: 'NEXT_BUFFER',
  152: 'READONLY_BUFFER',
};

/**
 * Reads a pickle of protocol 2, as `torch.save` writes them. It executes nothing: it knows numbers, texts, tuples, lists,
 * dictionaries and the globals that it is given, and refuses every other opcode and every other global. What it makes is
 * no larger than the pickle: values that are named again are shared.
 *
 * @param path how messages call the file
 * @returns null, booleans, numbers (bigint beyond 2^53), texts, arrays for tuples and lists, a Map for a dictionary, and
 *   what the globals make
 * @throws FileFormatError naming the place and the opcode, the global, or the fault.
 */
export function readPickle(bytes: Uint8Array, path: string, world: PickleWorld): unknown {
  const reader = new PickleReader(bytes, world);
  try {
    return reader.read();
  } catch (error) {
    if (!(error instanceof PickleFault)) throw error;
    throw new FileFormatError(path, `the pickle cannot be read: at byte ${reader.start}, ${error.message}`, {
      hint: 'Tensors, dictionaries, lists, texts and numbers are read; nothing in a pickle is ever run. Do not load it with Python either unless you trust who made it.',
      cause: error,
    });
  }
}

const MARK = Symbol('mark');

class PickleReader {
  /** Where the current opcode stands. */
  start = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #world: PickleWorld;
  readonly #stack: unknown[] = [];
  readonly #memo: Map<number, unknown> = new Map();
  /** What made a value, for its state. */
  readonly #makers: Map<unknown, PickleGlobal> = new Map();
  #at = 0;
  /** By opcode: of Python's pickletools, in that order. */
  readonly #readers: Readonly<Record<number, () => void>> = {
    // BININT, BININT1, BININT2, LONG1, LONG4, BINFLOAT, BINUNICODE
    74: () => this.#push(this.#view.getInt32(this.#take(4), true)),
    75: () => this.#push(this.#byte()),
    77: () => this.#push(this.#view.getUint16(this.#take(2), true)),
    138: () => this.#push(this.#integer(this.#byte())),
    139: () => this.#push(this.#integer(this.#uint32())),
    71: () => this.#push(this.#view.getFloat64(this.#take(8), false)),
    88: () => this.#push(this.#text(this.#uint32())),
    // NONE, NEWTRUE, NEWFALSE
    78: () => this.#push(null),
    136: () => this.#push(true),
    137: () => this.#push(false),
    // EMPTY_LIST, APPEND, APPENDS
    93: () => this.#push([]),
    97: () => this.#append([this.#pop()]),
    101: () => this.#append(this.#toMark()),
    // EMPTY_TUPLE, TUPLE, TUPLE1, TUPLE2, TUPLE3
    41: () => this.#push(Object.freeze([])),
    116: () => this.#push(Object.freeze(this.#toMark())),
    133: () => this.#tuple(1),
    134: () => this.#tuple(2),
    135: () => this.#tuple(3),
    // EMPTY_DICT, SETITEM, SETITEMS
    125: () => this.#push(new Map()),
    115: () => this.#setItems([this.#pop(), this.#pop()].reverse()),
    117: () => this.#setItems(this.#toMark()),
    // MARK
    40: () => this.#push(MARK),
    // BINPUT, LONG_BINPUT, BINGET, LONG_BINGET
    113: () => this.#put(this.#byte()),
    114: () => this.#put(this.#uint32()),
    104: () => this.#get(this.#byte()),
    106: () => this.#get(this.#uint32()),
    // GLOBAL, REDUCE, BUILD, BINPERSID
    99: () => this.#global(),
    82: () => this.#reduce(),
    98: () => this.#build(),
    81: () => this.#persistent(),
    // PROTO
    128: () => this.#protocol(),
  };

  constructor(bytes: Uint8Array, world: PickleWorld) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#world = world;
  }

  read(): unknown {
    if (this.#bytes[0] !== 0x80) throw new PickleFault('it is not a pickle of protocol 2');
    for (;;) {
      this.start = this.#at;
      const opcode = this.#byte();
      if (opcode === 0x2e) {
        const value = this.#pop();
        if (this.#stack.length > 0) throw new PickleFault('it ends with values left over');
        return value;
      }
      this.#step(opcode);
    }
  }

  #step(opcode: number): void {
    const read = this.#readers[opcode];
    if (!read)
      throw new PickleFault(
        `the opcode ${REFUSED[opcode] ?? `0x${opcode.toString(16).padStart(2, '0')}`} is not allowed`,
      );
    read();
  }

  #protocol(): void {
    const protocol = this.#byte();
    if (protocol !== 2) throw new PickleFault(`its protocol is ${protocol}; torch.save writes 2`);
  }

  #take(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) throw new PickleFault('it breaks off');
    this.#at += count;
    return at;
  }

  #byte(): number {
    return this.#bytes[this.#take(1)]!;
  }

  #uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  #text(length: number): string {
    const at = this.#take(length);
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(this.#bytes.subarray(at, at + length));
    } catch {
      throw new PickleFault('a text is not UTF-8');
    }
  }

  #integer(length: number): number | bigint {
    if (length > LONGEST_INTEGER) throw new PickleFault(`a whole number has ${length} bytes`);
    const at = this.#take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[at + i]!);
    value = BigInt.asIntN(8 * length, value);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  #push(value: unknown): void {
    this.#stack.push(value);
  }

  #pop(): unknown {
    if (this.#stack.length === 0) throw new PickleFault('a value is missing');
    const value = this.#stack.pop();
    if (value === MARK) throw new PickleFault('a value is missing');
    return value;
  }

  #toMark(): unknown[] {
    const mark = this.#stack.lastIndexOf(MARK);
    if (mark < 0) throw new PickleFault('a list has no beginning');
    const values = this.#stack.splice(mark + 1);
    this.#stack.pop();
    return values;
  }

  #tuple(length: number): void {
    const values = Array.from({ length }, () => this.#pop()).reverse();
    this.#push(Object.freeze(values));
  }

  #top(): unknown {
    const value = this.#stack.at(-1);
    if (value === undefined || value === MARK) throw new PickleFault('a value is missing');
    return value;
  }

  #append(values: readonly unknown[]): void {
    const list = this.#top();
    // Tuples are frozen: they have all that they will have.
    if (!Array.isArray(list) || Object.isFrozen(list)) throw new PickleFault('something is added to no list');
    for (const value of values) list.push(value);
  }

  #setItems(pairs: readonly unknown[]): void {
    const dict = this.#top();
    if (!(dict instanceof Map) || pairs.length % 2 !== 0)
      throw new PickleFault('something is put into no dictionary');
    for (let i = 0; i < pairs.length; i += 2) dict.set(pairs[i], pairs[i + 1]);
  }

  #put(key: number): void {
    this.#memo.set(key, this.#top());
  }

  #get(key: number): void {
    if (!this.#memo.has(key)) throw new PickleFault(`value ${key} is used before it is there`);
    this.#push(this.#memo.get(key));
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw new PickleFault('it breaks off');
    const text = this.#text(end - this.#at);
    this.#at++;
    return text;
  }

  #global(): void {
    const name = `${this.#line()} ${this.#line()}`;
    const found = this.#world.globals.get(name);
    if (!found)
      throw new PickleFault(
        `it names ${JSON.stringify(name.slice(0, 120).replace(' ', '.'))}, which is not allowed`,
      );
    this.#push(found);
  }

  #reduce(): void {
    const args = this.#pop();
    const maker = this.#pop() as PickleGlobal | undefined;
    if (!isList(args) || typeof maker !== 'object' || maker === null || typeof maker.make !== 'function')
      throw new PickleFault('something is called that makes nothing');
    const value = maker.make(args);
    if (typeof value === 'object' && value !== null) this.#makers.set(value, maker);
    this.#push(value);
  }

  #build(): void {
    const state = this.#pop();
    const value = this.#top();
    const maker = this.#makers.get(value);
    if (!maker?.build) throw new PickleFault('something gets a state that has none');
    maker.build(value, state);
  }

  #persistent(): void {
    const { persistent } = this.#world;
    if (!persistent) throw new PickleFault('it names something outside of itself');
    this.#push(persistent(this.#pop()));
  }
}
