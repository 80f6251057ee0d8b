/**
 * The few parts of protocol buffers (https://protobuf.dev/programming-guides/encoding) that writing an ONNX file takes.
 * Libraries for them carry a compiler of schemas or code that is generated from one, for what is forty lines here.
 */

/** A field of a message: its number, and its content. */
export type Field = readonly [number: number, content: Content];
/** Numbers are varints; a list is one field per element, absent content is left out. */
export type Content =
  | number
  | bigint
  | string
  | Float
  | Uint8Array
  | Message
  | undefined
  | readonly Content[];

/** A float of 32 bits. */
export interface Float {
  readonly float: number;
}

/** A message within a message. */
export interface Message {
  readonly fields: readonly Field[];
}

/** Fields as a message. */
export function message(...fields: readonly Field[]): Message {
  return { fields };
}

const VARINT = 0;
const LENGTH = 2;
const FIXED32 = 5;

/** A message as bytes, in pieces: large tensors are not copied. */
export function encodeMessage({ fields }: Message): Uint8Array[] {
  return fields.flatMap(([number, content]) => encodeField(number, content));
}

function encodeField(number: number, content: Content): Uint8Array[] {
  if (content === undefined) return [];
  if (typeof content === 'number' || typeof content === 'bigint')
    return [varint(tag(number, VARINT)), varint(BigInt(content))];
  if (typeof content === 'string') return encodeField(number, new TextEncoder().encode(content));
  if (content instanceof Uint8Array)
    return [varint(tag(number, LENGTH)), varint(BigInt(content.length)), content];
  if ('float' in content) {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, content.float, true);
    return [varint(tag(number, FIXED32)), bytes];
  }
  if ('fields' in content) {
    const pieces = encodeMessage(content);
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    return [varint(tag(number, LENGTH)), varint(BigInt(length)), ...pieces];
  }
  return content.flatMap((each) => encodeField(number, each));
}

function tag(field: number, type: number): bigint {
  return BigInt(field * 8 + type);
}

/** Seven bits a byte, lowest first; negative numbers as two's complement of 64 bits. */
function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 128);
  } while (rest !== 0n);
  return Uint8Array.from(bytes);
}
