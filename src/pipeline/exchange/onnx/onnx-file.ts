import { collect } from '../../../core/files.ts';
import type { Shape } from '../../../core/shape.ts';
import { encodeMessage, type Message, message } from './protobuf.ts';

/** What an attribute holds: a whole number, a fraction, a text, or whole numbers. */
export type OnnxAttribute = number | { readonly float: number } | string | readonly number[];

/** An operator of ONNX. */
export interface OnnxNode {
  readonly type: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes?: Readonly<Record<string, OnnxAttribute>> | undefined;
}

/** A constant tensor of 32-bit floats or 64-bit whole numbers. */
export interface OnnxTensor {
  readonly name: string;
  readonly shape: Shape;
  readonly data: Float32Array | BigInt64Array;
}

/** An input or output of floats; an extent that is a word may be any. */
export interface OnnxValue {
  readonly name: string;
  readonly shape: readonly (number | string)[];
}

/** A model: the graph, with what its reader is told. */
export interface OnnxModel {
  readonly name: string;
  readonly description: string;
  readonly producerVersion: string;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly nodes: readonly OnnxNode[];
  readonly constants: readonly OnnxTensor[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Of the operators; 17 is the newest that runtimes of 2022 and later all read. */
export const OPSET = 17;
/** Of the file: the version that came with the operators. */
const IR_VERSION = 8;
const FLOAT = 1;
const INT64 = 7;
const KINDS = { float: 1, int: 2, text: 3, ints: 7 } as const;

/** A model as the bytes of an .onnx file (field numbers: onnx/onnx.proto). */
export function encodeOnnx(model: OnnxModel): Uint8Array {
  const graph = message(
    [1, model.nodes.map(nodeMessage)],
    [2, model.name],
    [5, model.constants.map(tensorMessage)],
    [11, model.inputs.map(valueMessage)],
    [12, model.outputs.map(valueMessage)],
  );
  const whole = message(
    [1, IR_VERSION],
    [2, 'voxelgrad'],
    [3, model.producerVersion],
    [6, model.description],
    [7, graph],
    [8, message([1, ''], [2, OPSET])],
    [14, Object.entries(model.metadata).map(([key, value]) => message([1, key], [2, value]))],
  );
  return collect(encodeMessage(whole));
}

function nodeMessage({ type, inputs, output, attributes = {} }: OnnxNode): Message {
  const fields = Object.entries(attributes).map(([name, value]) => attributeMessage(name, value));
  return message([1, inputs], [2, output], [3, output], [4, type], [5, fields]);
}

function attributeMessage(name: string, value: OnnxAttribute): Message {
  if (typeof value === 'number') return message([1, name], [3, value], [20, KINDS.int]);
  if (typeof value === 'string')
    return message([1, name], [4, new TextEncoder().encode(value)], [20, KINDS.text]);
  if ('float' in value) return message([1, name], [2, value], [20, KINDS.float]);
  return message([1, name], [8, value], [20, KINDS.ints]);
}

function tensorMessage({ name, shape, data }: OnnxTensor): Message {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return message([1, shape], [2, data instanceof Float32Array ? FLOAT : INT64], [8, name], [9, bytes]);
}

function valueMessage({ name, shape }: OnnxValue): Message {
  const extents = shape.map((extent) => message([typeof extent === 'number' ? 1 : 2, extent]));
  return message([1, name], [2, message([1, message([1, FLOAT], [2, message([1, extents])])])]);
}
