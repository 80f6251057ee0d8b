import { readFileSync } from 'node:fs';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { FileFormatError } from '../../../src/core/errors.ts';
import { fromHalves } from '../../../src/core/half.ts';
import { Random } from '../../../src/core/random.ts';
import { crc32, writeZip, ZipArchive } from '../../../src/core/zip.ts';
import { entryOf, readTorchFile, type TorchTensor } from '../../../src/engine/checkpoint/torch-file.ts';
import { type Saved, Tuple, writeTorchFile } from '../../../src/engine/checkpoint/write-torch-file.ts';

const golden = (name: string): Uint8Array =>
  readFileSync(new URL(`../../golden/torch/${name}`, import.meta.url));
const bytesOf = (...codes: readonly (number | string)[]): Uint8Array =>
  Uint8Array.from(
    codes.flatMap((code) => (typeof code === 'string' ? [...new TextEncoder().encode(code)] : [code])),
  );
/** A file of PyTorch with a pickle of one's own. */
const fileOf = (pickle: Uint8Array, storages: Readonly<Record<string, Uint8Array>> = {}): Uint8Array =>
  writeZip(
    new Map([
      ['archive/data.pkl', pickle],
      ...Object.entries(storages).map(([key, content]) => [`archive/data/${key}`, content] as const),
    ]),
  );
const pickled = (...codes: readonly (number | string)[]): Uint8Array =>
  fileOf(bytesOf(0x80, 2, ...codes, '.'));

describe('a file that PyTorch wrote', () => {
  const values = readTorchFile(golden('values.pth'), 'values.pth');
  const tensor = (name: string): TorchTensor =>
    entryOf(entryOf(values, 'network_weights'), name) as TorchTensor;
  const numbers = (name: string): number[] => [...tensor(name).toFloat32()];
  const base = Array.from({ length: 24 }, (_, i) => i);

  it('gives tensors of shared storages, with any strides and offset', () => {
    expect(numbers('plain')).toEqual(base);
    expect(tensor('turned').shape).toEqual([4, 2, 3]);
    expect(numbers('turned')).toEqual(base.map((i) => (i % 6) * 4 + Math.floor(i / 6)));
    expect(numbers('part')).toEqual([5, 6, 7, 8, 9, 10]);
    expect(numbers('steps')).toEqual([0, 5, 10, 15, 20]);
    expect(numbers('spread')).toEqual([1.5, 1.5, 1.5, -2.5, -2.5, -2.5]);
    expect(numbers('scalar')).toEqual([7.25]);
    expect(numbers('empty')).toEqual([]);
  });

  it('gives every type of element as float32', () => {
    expect(tensor('half').dtype).toBe('float16');
    expect(tensor('half').toFloat32()).toEqual(fromHalves(Uint16Array.of(0x3800, 0xfbff, 0x0001, 0x3555)));
    expect(numbers('bfloat')[0]).toBe(0.5);
    expect(numbers('bfloat')[2]).toBeCloseTo(1 / 3, 2);
    expect(numbers('double')).toEqual([Math.fround(1 / 3), Math.fround(-1e-30)]);
    expect(numbers('long')).toEqual([-5, 2 ** 40]);
    expect(numbers('int')).toEqual([-5, 7]);
    expect(numbers('short')).toEqual([-300, 7]);
    expect(numbers('char')).toEqual([-5, 7]);
    expect(numbers('byte')).toEqual([250, 7]);
    expect(numbers('bool')).toEqual([1, 0]);
  });

  it('gives numbers, texts, lists and what NumPy has of them', () => {
    const at = (...keys: readonly string[]): unknown => keys.reduce(entryOf, values);
    expect(at('current_epoch')).toBe(1000);
    expect(at('logging', 'mean_fg_dice')).toEqual([0.25, 0.5, -3]);
    expect(at('logging', 'dice_per_class')).toEqual([{ values: [0.25, 0.75] }, { values: [1, 2] }]);
    expect(at('logging', 'none')).toBeNull();
    expect(at('large')).toEqual([2 ** 31, -(2 ** 40), 2n ** 70n, true]);
    expect(at('size')).toEqual([4, 6]);
    expect(at('inference_allowed_mirroring_axes')).toEqual([0, 1, 2]);
    expect(at('text')).toBe('Größe');
    expect([...((at('parameter') as TorchTensor).toFloat32() ?? [])]).toEqual([3]);
  });

  it('of before 1.6 is refused, and so is what is no file of it', () => {
    expect(() => readTorchFile(golden('old.pth'), 'old.pth')).toThrow(
      /old\.pth: is not a file of PyTorch 1\.6/,
    );
    expect(() => readTorchFile(new Uint8Array(3), 'x')).toThrow(FileFormatError);
    expect(() => readTorchFile(writeZip(new Map([['a/b', bytesOf('c')]])), 'x')).toThrow(
      /holds 0 files data\.pkl/,
    );
  });
});

it('what is written is read as it was', () => {
  const saved = new Map<string, Saved>([
    ['weights', new Map([['a.weight', { shape: [2, 1, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }]])],
    ['list', [1, -2.5, 2 ** 40, null, true, 'x']],
    ['axes', new Tuple(0, 1)],
  ]);
  const read = readTorchFile(writeTorchFile(saved), 'own');
  expect(entryOf(read, 'list')).toEqual([1, -2.5, 2 ** 40, null, true, 'x']);
  expect(entryOf(read, 'axes')).toEqual([0, 1]);
  const tensor = entryOf(entryOf(read, 'weights'), 'a.weight') as TorchTensor;
  expect(tensor.shape).toEqual([2, 1, 3]);
  expect([...tensor.toFloat32()]).toEqual([1, 2, 3, 4, 5, 6]);
});

describe('a file that was made to do harm', () => {
  it.each([
    [
      'a call of the system',
      ['cposix\nsystem\n', 'X', 2, 0, 0, 0, 'ls', 0x85, 'R'],
      /"posix\.system", which is not allowed/,
    ],
    ['eval', ['c__builtin__\neval\n', ')R'], /"__builtin__\.eval", which is not allowed/],
    ['a name of the prototype', ['cconstructor\n__proto__\n', ')R'], /not allowed/],
    ['an instance', ['(icollections\nOrderedDict\n'], /opcode INST is not allowed/],
    ['a new object', ['ccollections\nOrderedDict\n', ')', 0x81], /opcode NEWOBJ is not allowed/],
    [
      'a global of the stack',
      ['X', 1, 0, 0, 0, 'a', 'X', 1, 0, 0, 0, 'b', 0x93],
      /opcode STACK_GLOBAL is not allowed/,
    ],
    ['an extension', [0x82, 1], /opcode EXT1 is not allowed/],
    ['an unknown opcode', [0xff], /opcode 0xff is not allowed/],
    ['a call of a number', ['K', 1, ')R'], /makes nothing/],
    ['a call of a type', ['ctorch\nFloatStorage\n', ')R'], /makes nothing/],
    ['a state of a number', ['K', 1, '}', 'b'], /gets a state that has none/],
    ['a memo that is not there', ['h', 7], /value 7 is used before it is there/],
    ['a mark that is not there', ['K', 1, 't'], /no beginning/],
    ['an empty stack', [')', '0'], /opcode POP/],
    ['values left over', ['K', 1, 'K', 2], /values left over/],
    ['items of no dictionary', ['K', 1, 'K', 2, 'K', 3, 's'], /into no dictionary/],
    ['a text longer than the file', ['X', 255, 255, 255, 255], /breaks off/],
    ['a number of a million digits', [0x8b, 0, 0, 16, 0], /whole number has 1048576 bytes/],
    ['an unknown storage', ['X', 1, 0, 0, 0, 'a', 'Q'], /storage is described in an unknown way/],
  ] as const)('%s', (_, codes, message) => {
    expect(() => readTorchFile(pickled(...codes), 'bad.pth')).toThrow(message);
    expect(() => readTorchFile(pickled(...codes), 'bad.pth')).toThrow(FileFormatError);
  });

  it('a list that holds itself is read, and makes nothing hang', () => {
    const read = readTorchFile(pickled(']', 'q', 0, 'h', 0, 'a'), 'loop') as readonly unknown[];
    expect(read[0]).toBe(read);
    // Each tuple holds the one before twice: 2^60 values if they were copied.
    const bomb = Array.from({ length: 60 }, (__, i) => ['h', i, 'h', i, 0x86, 'q', i + 1]).flat();
    expect(readTorchFile(pickled(']', '(', ')', 'q', 0, ...bomb, 'e'), 'x')).toHaveLength(61);
  });

  it('a tensor that reaches beyond its storage, or has more elements than numbers go', () => {
    const tensorOf = (
      count: number,
      offset: number,
      extent: readonly number[],
      stride: number,
    ): Uint8Array => {
      const long = (n: number): number[] => [0x8a, 8, ...new Uint8Array(BigInt64Array.of(BigInt(n)).buffer)];
      const pickle = bytesOf(
        0x80,
        2,
        'ctorch._utils\n_rebuild_tensor_v2\n',
        '((',
        'X',
        7,
        0,
        0,
        0,
        'storage',
        'ctorch\nFloatStorage\n',
        'X',
        1,
        0,
        0,
        0,
        '0',
        'X',
        3,
        0,
        0,
        0,
        'cpu',
        'K',
        count,
        't',
        'Q',
        'K',
        offset,
        '(',
        ...extent.flatMap(long),
        't',
        '(',
        ...extent.flatMap(() => long(stride)),
        't',
        0x89,
        'ccollections\nOrderedDict\n',
        ')R',
        't',
        'R',
        '.',
      );
      return fileOf(pickle, { 0: new Uint8Array(16) });
    };
    expect((readTorchFile(tensorOf(4, 1, [3], 1), 'x') as TorchTensor).shape).toEqual([3]);
    expect(() => readTorchFile(tensorOf(4, 2, [3], 1), 'x')).toThrow(
      /reaches to element 4 of a storage of 4/,
    );
    expect(() => readTorchFile(tensorOf(5, 0, [3], 1), 'x')).toThrow(/should have 20 bytes and has 16/);
    expect(() => readTorchFile(tensorOf(4, 0, [2 ** 40, 2 ** 40], 0), 'x')).toThrow(
      /described in an unknown way/,
    );
    // Known by its shape; its values are never made unless a network has that shape.
    expect((readTorchFile(tensorOf(4, 0, [2 ** 40], 0), 'x') as TorchTensor).shape).toEqual([2 ** 40]);
  });

  it('paths that lead out of the archive', () => {
    for (const name of ['../evil', '/etc/passwd', 'a/../../b', 'C:/x', 'a\\b'])
      expect(() => ZipArchive.open(writeZip(new Map([[name, bytesOf('x')]])), 'slip.pth')).toThrow(
        /names a file outside of itself/,
      );
  });

  it('archives that inflate to more than they may, lie about it, or overlap', () => {
    const packed = zipSync({ 'a/data.pkl': new Uint8Array(100_000) }, { level: 9 });
    expect(ZipArchive.open(packed, 'x').read('a/data.pkl')).toHaveLength(100_000);
    expect(() => ZipArchive.open(packed, 'x', 99_999)).toThrow(/inflates to more than 99999 bytes/);
    const changed = (size: number): Uint8Array => {
      const copy = packed.slice();
      const view = new DataView(copy.buffer);
      const directory = view.getUint32(copy.length - 22 + 16, true);
      view.setUint32(directory + 24, size, true);
      return copy;
    };
    expect(() => ZipArchive.open(changed(3e9), 'x')).toThrow(/113 bytes inflate to 3000000000/);
    expect(() => ZipArchive.open(changed(50), 'x').read('a/data.pkl')).toThrow(/checksum/);
    expect(() => ZipArchive.open(changed(100_001), 'x').read('a/data.pkl')).toThrow(FileFormatError);
    const two = writeZip(
      new Map([
        ['a', bytesOf('aaaa')],
        ['b', bytesOf('aaaa')],
      ]),
    );
    const view = new DataView(two.buffer);
    const directory = view.getUint32(two.length - 22 + 16, true);
    view.setUint32(directory + 47 + 42, 0, true);
    expect(() => ZipArchive.open(two, 'x')).toThrow(/overlap/);
  });

  it('any cut and any changed byte is an error of its own type, or reads', () => {
    const archive = ZipArchive.open(golden('values.pth'), 'values.pth');
    const pickle = archive.read(archive.entries.find(({ name }) => name.endsWith('data.pkl'))!.name);
    const attempt = (content: Uint8Array): void => {
      try {
        readTorchFile(content, 'fuzz');
      } catch (error) {
        expect(error).toBeInstanceOf(FileFormatError);
      }
    };
    const random = new Random(18);
    const whole = golden('values.pth');
    for (let i = 0; i < 1500; i++) {
      const changed = pickle.slice();
      for (let k = 0; k < 1 + (i % 3); k++)
        changed[Math.floor(random.uniform() * changed.length)] = Math.floor(random.uniform() * 256);
      attempt(
        fileOf(i % 4 === 0 ? changed.subarray(0, Math.floor(random.uniform() * changed.length)) : changed),
      );
      const archived = whole.slice();
      archived[Math.floor(random.uniform() * archived.length)] = Math.floor(random.uniform() * 256);
      attempt(i % 4 === 0 ? archived.subarray(0, Math.floor(random.uniform() * archived.length)) : archived);
    }
  });
});

it('checksums are those of zip', () => {
  expect(crc32(bytesOf('123456789'))).toBe(0xcbf43926);
});
