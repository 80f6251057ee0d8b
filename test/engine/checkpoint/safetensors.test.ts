import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FileFormatError } from '../../../src/core/errors.ts';
import {
  readSafetensors,
  type StoredTensor,
  writeSafetensors,
} from '../../../src/engine/checkpoint/safetensors.ts';

/** A file from a header (an object, or the text itself) and data. */
function file(header: object | string, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

function headerOf(bytes: Uint8Array): string {
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  return new TextDecoder().decode(bytes.subarray(8, 8 + length));
}

const f32 = (shape: number[], begin: number, end: number): object => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
});

describe('writeSafetensors', () => {
  it('gives the bytes of the reference implementation', () => {
    // What Python's safetensors 0.8.0 writes: save({'b': float32 [1, 2], 'a': float32 [[3]]}).
    const bytes = writeSafetensors(
      new Map([
        ['b', { shape: [2], data: new Float32Array([1, 2]) }],
        ['a', { shape: [1, 1], data: new Float32Array([3]) }],
      ]),
    );
    const header =
      '{"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}';
    expect(headerOf(bytes)).toBe(header.padEnd(112));
    expect([...new Float32Array(bytes.slice(8 + 112).buffer)]).toEqual([3, 1, 2]);
  });

  it('aligns the header and every tensor, wider elements first', () => {
    const bytes = writeSafetensors(
      new Map<string, StoredTensor>([
        ['a', { shape: [3], data: new Float32Array([1, 2, 3]) }],
        ['z', { shape: [1], data: new BigInt64Array([7n]) }],
      ]),
      { format: 'pt' },
    );
    expect(headerOf(bytes).length % 8).toBe(0);
    expect(JSON.parse(headerOf(bytes))).toMatchObject({
      z: { dtype: 'I64', data_offsets: [0, 8] },
      a: { data_offsets: [8, 20] },
    });
    expect(headerOf(bytes).startsWith('{"__metadata__":{"format":"pt"},"z":')).toBe(true);
  });

  it('gives equal bytes whatever the order, also for names that are numbers', () => {
    const tensors: [string, StoredTensor][] = ['10', '9', 'b', '', '__proto__'].map((name, i) => [
      name,
      { shape: [1], data: new Float32Array([i]) },
    ]);
    const one = writeSafetensors(new Map(tensors), { b: '1', a: '2' });
    const two = writeSafetensors(new Map(tensors.toReversed()), { a: '2', b: '1' });
    expect(two).toEqual(one);
    expect([...readSafetensors(one, 'x').tensors.keys()].sort()).toEqual(['', '10', '9', '__proto__', 'b']);
  });

  it('writes views of larger arrays', () => {
    const data = new Float32Array([9, 1, 2, 9]).subarray(1, 3);
    const bytes = writeSafetensors(new Map([['a', { shape: [2], data }]]));
    expect([...readSafetensors(bytes, 'x').tensors.get('a')!.data]).toEqual([1, 2]);
  });

  it('refuses data that do not fit their shape', () => {
    const wrong = new Map([['w', { shape: [2, 3], data: new Float32Array(5) }]]);
    expect(() => writeSafetensors(wrong)).toThrow('w is 2x3, 6 elements, but has 5 values');
    const reserved = new Map([['__metadata__', { shape: [1], data: new Float32Array(1) }]]);
    expect(() => writeSafetensors(reserved)).toThrow('__metadata__ is not a name');
  });
});

describe('readSafetensors', () => {
  it('returns what was written, bit for bit', () => {
    const tensor = fc.oneof(
      fc.float32Array().map((data) => ({ shape: [data.length], data })),
      fc.uint32Array().map((data) => ({ shape: [1, data.length], data })),
      fc.bigInt64Array().map((data) => ({ shape: [data.length, 1], data })),
    );
    const entries = fc.uniqueArray(
      fc.tuple(
        fc.string({ unit: 'binary' }).filter((name) => name !== '__metadata__'),
        tensor,
      ),
      { selector: ([name]) => name },
    );
    fc.assert(
      fc.property(entries, (list) => {
        const bytes = writeSafetensors(new Map<string, StoredTensor>(list), { key: 'ä"\\' });
        const back = readSafetensors(bytes, 'x');
        expect(back.tensors.size).toBe(list.length);
        for (const [name, { shape, data }] of list) {
          const found = back.tensors.get(name)!;
          expect(found.shape).toEqual(shape);
          expect(new Uint8Array(found.data.buffer)).toEqual(
            new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
          );
        }
        expect(back.metadata.get('key')).toBe('ä"\\');
      }),
      { numRuns: 50 },
    );
  });

  it('reads a file that lies inside a larger buffer', () => {
    const bytes = writeSafetensors(new Map([['a', { shape: [1], data: new Float32Array([5]) }]]));
    const pool = new Uint8Array(bytes.length + 3);
    pool.set(bytes, 3);
    expect([...readSafetensors(pool.subarray(3), 'x').tensors.get('a')!.data]).toEqual([5]);
  });

  const four = new Uint8Array(4);
  const eight = new Uint8Array(8);
  it.each<[string, Uint8Array, string | RegExp]>([
    ['an empty file', new Uint8Array(0), 'm: is not a safetensors file: it has 0 bytes'],
    ['a header of no length', new Uint8Array(16), 'a header of 0 bytes'],
    ['a header that is too long', file('{}').fill(0xff, 0, 8), 'a header of 18446744073709552000 bytes'],
    [
      'a truncated header',
      file({ a: f32([1], 0, 4) }).subarray(0, 30),
      /promises a header of \d+ bytes; 22 are there/,
    ],
    ['a header that is not JSON', file('{"a":'), 'the header is not JSON'],
    ['a header that is not UTF-8', file('{}').fill(0xff, 8), 'the header is not JSON'],
    ['a header that is a list', file('[1]'), 'the header does not start with {'],
    ['a header with blanks before it', file(' {}'), 'the header does not start with {'],
    ['a tensor that is not an object', file({ a: 1 }), 'tensor "a" is not an object'],
    ['metadata that is not text', file({ __metadata__: { a: 1 } }), 'metadata "a" is not text'],
    [
      'another type',
      file({ a: { ...f32([2], 0, 4), dtype: 'F16' } }, four),
      'tensor "a" has elements of type "F16"',
    ],
    ['a negative extent', file({ a: f32([-1], 0, 4) }, four), 'tensor "a" has the shape [-1]'],
    ['a broken extent', file({ a: f32([0.5], 0, 4) }, four), 'tensor "a" has the shape [0.5]'],
    [
      'an infinite extent',
      file('{"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,4]}}', four),
      'tensor "a" has the shape [null]',
    ],
    [
      'extents whose product overflows',
      file({ a: f32([2 ** 30, 2 ** 30], 0, 4) }, four),
      'tensor "a" has the shape',
    ],
    [
      'no shape',
      file({ a: { dtype: 'F32', data_offsets: [0, 4] } }, four),
      'tensor "a" has the shape undefined',
    ],
    ['no offsets', file({ a: { dtype: 'F32', shape: [1] } }, four), 'tensor "a" has the offsets undefined'],
    ['offsets backwards', file({ a: f32([1], 4, 0) }, four), 'tensor "a" lies at bytes 4 to 0 of 4'],
    ['offsets past the end', file({ a: f32([2], 0, 8) }, four), 'tensor "a" lies at bytes 0 to 8 of 4'],
    [
      'offsets of another size',
      file({ a: f32([1], 0, 8) }, eight),
      'tensor "a" is F32 1, 4 bytes, but its offsets span 8',
    ],
    ['an overlap', file({ a: f32([1], 0, 4), b: f32([1], 0, 4) }, four), 'tensor "b" overlaps "a"'],
    ['a gap', file({ a: f32([1], 4, 8) }, eight), 'there are 4 bytes of no tensor before "a"'],
    ['bytes left over', file({ a: f32([1], 0, 4) }, eight), 'there are 4 bytes of no tensor at the end'],
    [
      'a name twice',
      file(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\\u0061":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        four,
      ),
      'the header names "a" twice',
    ],
    [
      'a field twice',
      file('{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', four),
      'the header names "dtype" twice',
    ],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => readSafetensors(bytes, 'm')).toThrow(FileFormatError);
    expect(() => readSafetensors(bytes, 'm')).toThrow(message);
  });

  it('reads or refuses any damaged file, within its size', () => {
    const good = writeSafetensors(
      new Map([
        ['encoder.0.conv1.weight', { shape: [2, 1, 3, 3, 3], data: new Float32Array(54) }],
        ['encoder.0.conv1.bias', { shape: [2], data: new Float32Array(2) }],
      ]),
      { format: 'pt' },
    );
    const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(damage, fc.nat(good.length), (changes, length) => {
        const bytes = good.slice();
        for (const [at, value] of changes) bytes[at] = value;
        try {
          readSafetensors(length % 2 === 0 ? bytes : bytes.subarray(0, length), 'm');
        } catch (error) {
          expect(error).toBeInstanceOf(FileFormatError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
