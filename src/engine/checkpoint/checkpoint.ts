import { CheckpointError } from '../../core/errors.ts';
import { canonicalJson, type Json, parseJson, toJson } from '../../core/json.ts';
import { formatShape, type Shape, sameShape, sizeOf } from '../../core/shape.ts';
import { setting, worded } from '../../core/wording.ts';
import type { NetworkSpec } from '../nn/network.ts';
import { declarationOf } from '../nn/networks/index.ts';
import { readSafetensors, type StoredTensor, writeSafetensors } from './safetensors.ts';

/** The format of the metadata; raised when a reader of the old one would misunderstand the new one. */
export const CHECKPOINT_VERSION = 2;

/** What a file says of a network beside its weights: the engine knows the network, the caller the rest. */
export interface StoredInfo {
  readonly network: NetworkSpec;
}

/** A trained network as a file holds it. */
export interface StoredModel<Info extends StoredInfo = StoredInfo> {
  readonly info: Info;
  /** Parameters and running statistics by name, as `Network.save` returns and `Network.load` takes them. */
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/** Checks what a file says of a network. @throws CheckpointError naming `path` and the field. */
export type ParseInfo<Info extends StoredInfo> = (value: unknown, path: string) => Info;

/**
 * A network as the bytes of a safetensors file: PyTorch's names and layouts (`encoder.0.conv1.weight` [out, in, 3, 3,
 * 3], `…norm1.running_mean`), so that `load_state_dict` takes them, and the description in the metadata. Equal models
 * give equal bytes.
 * @throws CheckpointError if a tensor is missing, surplus, of another size or not finite.
 */
export function encodeStored(model: StoredModel): Uint8Array<ArrayBuffer> {
  return writeSafetensors(modelTensors(model, 'the model'), metadataOf('model', describeModel(model.info)));
}

/**
 * Reads what {@link encodeStored} wrote.
 * @param path how messages call it
 * @throws FileFormatError for a damaged file; CheckpointError for one that is no model, of a newer version, or whose
 *   tensors are not those of the network it describes.
 */
export function decodeStored<Info extends StoredInfo>(
  bytes: Uint8Array,
  path: string,
  parse: ParseInfo<Info>,
): StoredModel<Info> {
  const { tensors, metadata } = readSafetensors(bytes, path);
  const info = parse(parseMetadata(metadata, 'model', path).model, path);
  return { info, weights: takeWeights(info.network, tensors, path) };
}

/** Refuses a network of another shape than is wanted. @throws CheckpointError naming the first tensor that differs. */
export function requireNetwork({ info }: StoredModel, wanted: NetworkSpec, path: string): void {
  const refuse = (name: string, has: string, wants: string): never => {
    throw new CheckpointError(`${path}: the model's ${name} is ${has}, but ${wants} is wanted`, {
      hint: 'Choose the run that fits, or train again with these settings.',
    });
  };
  const has = modelShapes(info.network);
  const wants = modelShapes(wanted);
  for (const [name, shape] of wants) {
    const other = has.get(name);
    if (!other || !sameShape(other, shape))
      refuse(name, other ? formatShape(other) : 'absent', formatShape(shape));
  }
  for (const [name, shape] of has) if (!wants.has(name)) refuse(name, formatShape(shape), 'none');
}

/** Shapes of a network's parameters by name. */
export function parameterShapes(network: NetworkSpec): Map<string, Shape> {
  return new Map(declarationOf(network).parameters.map(({ name, shape }) => [name, shape]));
}

function modelShapes(network: NetworkSpec): Map<string, Shape> {
  const { parameters, state } = declarationOf(network);
  return new Map([...parameters, ...state].map(({ name, shape }) => [name, shape]));
}

/** The tensors of a model as they are stored. @throws CheckpointError as {@link checkTensors}. */
export function modelTensors(
  { info, weights }: StoredModel,
  what: string,
): Map<string, StoredTensor<Float32Array>> {
  return checkTensors(modelShapes(info.network), weights, what);
}

/**
 * Tensors with the shapes that their names have.
 * @throws CheckpointError where one is missing, surplus, of another size or not finite.
 */
export function checkTensors(
  shapes: ReadonlyMap<string, Shape>,
  values: ReadonlyMap<string, Float32Array>,
  what: string,
): Map<string, StoredTensor<Float32Array>> {
  const tensors = new Map<string, StoredTensor<Float32Array>>();
  for (const [name, shape] of shapes) {
    const data = values.get(name);
    if (!data) throw new CheckpointError(`${what}: ${name} ${formatShape(shape)} is missing`);
    if (data.length !== sizeOf(shape))
      throw new CheckpointError(`${what}: ${name} is ${formatShape(shape)}, but has ${data.length} values`);
    requireFinite(data, name, what);
    tensors.set(name, { shape, data });
  }
  for (const name of values.keys())
    if (!shapes.has(name)) throw new CheckpointError(`${what}: the network has no tensor ${name}`);
  return tensors;
}

/** Parameters and running statistics among the tensors of a file. @throws CheckpointError. */
export function takeWeights(
  network: NetworkSpec,
  tensors: ReadonlyMap<string, StoredTensor>,
  path: string,
): Map<string, Float32Array> {
  return takeTensors(modelShapes(network), tensors, path);
}

/** The values of tensors that must have these names and shapes. @throws CheckpointError. */
export function takeTensors(
  shapes: ReadonlyMap<string, Shape>,
  tensors: ReadonlyMap<string, StoredTensor>,
  what: string,
): Map<string, Float32Array> {
  const values = new Map<string, Float32Array>();
  for (const [name, { shape, data }] of tensors) {
    const wanted = shapes.get(name);
    if (!wanted || !(data instanceof Float32Array) || !sameShape(shape, wanted))
      throw new CheckpointError(
        `${what}: ${name} is ${formatShape(shape)}, but the network it describes has ${wanted ? `${formatShape(wanted)} F32` : 'no such tensor'}`,
      );
    values.set(name, data);
  }
  return new Map([...checkTensors(shapes, values, what)].map(([name, { data }]) => [name, data]));
}

function requireFinite(data: Float32Array, name: string, what: string): void {
  let bad = 0;
  for (const value of data) if (!Number.isFinite(value)) bad++;
  if (bad > 0)
    throw new CheckpointError(`${what}: ${name} has ${bad} values among ${data.length} that are not finite`, {
      hint: worded`The training run diverged: take an older checkpoint, or train with a smaller ${setting('lr')}.`,
    });
}

/** What a file holds. */
export type Kind = 'model' | 'training';

/** A network's description as metadata. */
export function describeModel(info: StoredInfo): { readonly model: Json } {
  return { model: toJson(info) };
}

/** `format: pt` is what PyTorch's loaders look for; ours is one JSON text beside it. */
export function metadataOf(kind: Kind, content: { readonly [key: string]: Json }): Record<string, string> {
  return { format: 'pt', voxelgrad: canonicalJson({ kind, version: CHECKPOINT_VERSION, ...content }) };
}

/** The JSON that {@link metadataOf} wrote. @throws CheckpointError where it is none, newer, or of another kind. */
export function parseMetadata(
  metadata: ReadonlyMap<string, string>,
  kind: Kind,
  path: string,
): Readonly<Record<string, unknown>> {
  const text = metadata.get('voxelgrad');
  let content: unknown;
  try {
    content = parseJson(text ?? 'null');
  } catch {
    // Told below like any other content that is none.
  }
  if (typeof content !== 'object' || content === null)
    throw new CheckpointError(`${path}: has no voxelgrad metadata`, {
      hint: 'Give a file that `voxelgrad train` wrote.',
    });
  const found = content as Readonly<Record<string, unknown>>;
  if (typeof found.version !== 'number' || found.version > CHECKPOINT_VERSION)
    throw new CheckpointError(
      `${path}: checkpoint version ${JSON.stringify(found.version)}; this program reads up to ${CHECKPOINT_VERSION}`,
      { hint: 'Update voxelgrad.' },
    );
  if (found.kind !== kind)
    throw new CheckpointError(`${path}: is a ${JSON.stringify(found.kind)} checkpoint, not a ${kind} one`);
  return found;
}
