/** A reader of .onnx files that shares nothing with the writer, and the rules of the format that it checks. */

/** A field of a message: its number, wire type and content. */
interface RawField {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

function readFields(bytes: Uint8Array): RawField[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields: RawField[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 63n) throw new Error(`a varint runs off at byte ${at}`);
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, value);
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const [number, type] = [tag >> 3, tag & 7];
    if (type === 0) fields.push({ number, value: varint() });
    else if (type === 2) {
      const length = Number(varint());
      if (at + length > bytes.length) throw new Error(`field ${number} is cut off`);
      fields.push({ number, value: bytes.subarray(at, at + length) });
      at += length;
    } else if (type === 5) {
      fields.push({ number, value: BigInt(view.getUint32(at, true)) });
      at += 4;
    } else throw new Error(`field ${number} has the wire type ${type}`);
  }
  return fields;
}

const bytesOf = (fields: RawField[], number: number): Uint8Array[] =>
  fields.filter((field) => field.number === number).map(({ value }) => value as Uint8Array);
const textsOf = (fields: RawField[], number: number): string[] =>
  bytesOf(fields, number).map((bytes) => new TextDecoder().decode(bytes));
const numbersOf = (fields: RawField[], number: number): number[] =>
  fields.filter((field) => field.number === number).map(({ value }) => Number(value));

/** What an attribute holds, by its type. */
export type Attribute = number | string | number[];

export interface ReadNode {
  readonly type: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface ReadTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

export interface ReadValue {
  readonly name: string;
  readonly shape: readonly (number | string)[];
}

export interface ReadModel {
  readonly irVersion: number;
  readonly opset: number;
  readonly nodes: readonly ReadNode[];
  readonly constants: ReadonlyMap<string, ReadTensor>;
  readonly inputs: readonly ReadValue[];
  readonly outputs: readonly ReadValue[];
  readonly metadata: ReadonlyMap<string, string>;
}

function readAttribute(bytes: Uint8Array): [string, Attribute] {
  const fields = readFields(bytes);
  const [name] = textsOf(fields, 1);
  const [type] = numbersOf(fields, 20);
  const bits = new DataView(new ArrayBuffer(4));
  if (type === 1) {
    bits.setUint32(0, numbersOf(fields, 2)[0]!);
    return [name!, bits.getFloat32(0)];
  }
  if (type === 2) return [name!, numbersOf(fields, 3)[0]!];
  if (type === 3) return [name!, textsOf(fields, 4)[0]!];
  if (type === 7) return [name!, numbersOf(fields, 8)];
  throw new Error(`attribute ${name} has the type ${type}`);
}

function readTensor(bytes: Uint8Array): ReadTensor {
  const fields = readFields(bytes);
  const shape = numbersOf(fields, 1);
  const [type] = numbersOf(fields, 2);
  const [name] = textsOf(fields, 8);
  const [raw] = bytesOf(fields, 9);
  const own = new Uint8Array(raw!).buffer;
  const data = type === 1 ? new Float32Array(own) : new BigInt64Array(own);
  if (type !== 1 && type !== 7) throw new Error(`${name} has elements of type ${type}`);
  return { name: name!, shape, data };
}

function readValue(bytes: Uint8Array): ReadValue {
  const fields = readFields(bytes);
  const within = (of: RawField[], number: number): RawField[] => readFields(bytesOf(of, number)[0]!);
  const tensor = within(within(fields, 2), 1);
  if (numbersOf(tensor, 1)[0] !== 1) throw new Error('an input or output is not of floats');
  const shape = bytesOf(within(tensor, 2), 1).map((dimension) => {
    const own = readFields(dimension);
    return numbersOf(own, 1)[0] ?? textsOf(own, 2)[0]!;
  });
  return { name: textsOf(fields, 1)[0]!, shape };
}

/** Reads a file. @throws Error where it is not as the format has it. */
export function readOnnx(bytes: Uint8Array): ReadModel {
  const model = readFields(bytes);
  const graph = readFields(bytesOf(model, 7)[0]!);
  const tensors = bytesOf(graph, 5).map(readTensor);
  const opset = readFields(bytesOf(model, 8)[0]!);
  return {
    irVersion: numbersOf(model, 1)[0]!,
    opset: numbersOf(opset, 2)[0]!,
    nodes: bytesOf(graph, 1).map((node) => {
      const fields = readFields(node);
      return {
        inputs: textsOf(fields, 1),
        outputs: textsOf(fields, 2),
        name: textsOf(fields, 3)[0] ?? '',
        type: textsOf(fields, 4)[0]!,
        attributes: Object.fromEntries(bytesOf(fields, 5).map(readAttribute)),
      };
    }),
    constants: new Map(tensors.map((each) => [each.name, each])),
    inputs: bytesOf(graph, 11).map(readValue),
    outputs: bytesOf(graph, 12).map(readValue),
    metadata: new Map(
      bytesOf(model, 14).map((entry) => {
        const fields = readFields(entry);
        return [textsOf(fields, 1)[0]!, textsOf(fields, 2)[0]!];
      }),
    ),
  };
}

/** Inputs (least, most) and attributes of the operators that we use, from ONNX's Operators.md at set 17. */
const OPERATORS: Readonly<Record<string, { inputs: [number, number]; attributes: readonly string[] }>> = {
  Add: { inputs: [2, 2], attributes: [] },
  AveragePool: { inputs: [1, 1], attributes: ['kernel_shape', 'strides'] },
  BatchNormalization: { inputs: [5, 5], attributes: ['epsilon'] },
  Concat: { inputs: [1, 64], attributes: ['axis'] },
  Conv: { inputs: [2, 3], attributes: ['dilations', 'kernel_shape', 'pads', 'strides'] },
  ConvTranspose: { inputs: [2, 3], attributes: ['kernel_shape', 'output_padding', 'pads', 'strides'] },
  Elu: { inputs: [1, 1], attributes: ['alpha'] },
  Erf: { inputs: [1, 1], attributes: [] },
  Flatten: { inputs: [1, 1], attributes: ['axis'] },
  Gemm: { inputs: [2, 3], attributes: ['transB'] },
  GlobalAveragePool: { inputs: [1, 1], attributes: [] },
  Identity: { inputs: [1, 1], attributes: [] },
  InstanceNormalization: { inputs: [3, 3], attributes: ['epsilon'] },
  LeakyRelu: { inputs: [1, 1], attributes: ['alpha'] },
  MaxPool: { inputs: [1, 1], attributes: ['kernel_shape', 'strides'] },
  Mul: { inputs: [2, 2], attributes: [] },
  Relu: { inputs: [1, 1], attributes: [] },
  Reshape: { inputs: [2, 2], attributes: [] },
  Resize: { inputs: [1, 4], attributes: ['coordinate_transformation_mode', 'mode'] },
  Shape: { inputs: [1, 1], attributes: [] },
  Sigmoid: { inputs: [1, 1], attributes: [] },
  Softmax: { inputs: [1, 1], attributes: ['axis'] },
  Sum: { inputs: [1, 64], attributes: [] },
  Tanh: { inputs: [1, 1], attributes: [] },
};

/** Every breach of the format's rules for a model: one line each. */
export function onnxBreaches(model: ReadModel): string[] {
  const breaches: string[] = [];
  const demand = (holds: boolean, text: string): unknown => holds || breaches.push(text);
  demand(model.irVersion === 8 && model.opset === 17, 'the versions are those of operator set 17');
  const known = new Set([...model.inputs.map(({ name }) => name), ...model.constants.keys()]);
  demand(
    known.size === model.inputs.length + model.constants.size,
    'names of inputs and constants are unique',
  );
  const used = new Set<string>();
  for (const { shape, data, name } of model.constants.values())
    demand(
      data.length === shape.reduce((a, b) => a * b, 1),
      `${name}: has as many elements as its shape says`,
    );
  for (const { type, name, inputs, outputs, attributes } of model.nodes) {
    const rule = OPERATORS[type];
    if (!rule) {
      breaches.push(`${name}: there is no operator ${type}`);
      continue;
    }
    const [least, most] = rule.inputs;
    demand(inputs.length >= least && inputs.length <= most, `${name}: ${type} has ${inputs.length} inputs`);
    for (const attribute of Object.keys(attributes))
      demand(rule.attributes.includes(attribute), `${name}: ${type} has no attribute ${attribute}`);
    for (const input of inputs) {
      // An empty name leaves an input out.
      demand(input === '' || known.has(input), `${name}: reads ${input} before it is there`);
      used.add(input);
    }
    demand(outputs.length === 1 && !known.has(outputs[0]!), `${name}: has one output of its own`);
    known.add(outputs[0]!);
  }
  for (const name of model.constants.keys())
    demand(used.has(name), `${name}: is a constant that nothing reads`);
  for (const { name, shape } of [...model.inputs, ...model.outputs]) {
    demand(known.has(name), `${name}: is an output that nothing makes`);
    demand(shape[0] === 'batch' && typeof shape[1] === 'number', `${name}: is [batch, channels, …]`);
  }
  return breaches;
}
