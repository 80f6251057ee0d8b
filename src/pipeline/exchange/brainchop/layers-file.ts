import { z } from 'zod/mini';
import { FileFormatError } from '../../../core/errors.ts';
import type { FileSource } from '../../../core/files.ts';
import { parseJson } from '../../../core/json.ts';
import { sizeOf } from '../../../core/shape.ts';

/** A layer of a model as its JSON tells of it. */
export interface LayerRecord {
  readonly className: string;
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Names of the layers that it reads; null in a model whose layers simply follow each other. */
  readonly inputs: readonly string[] | null;
}

/** A tensor of a model, in TensorFlow's layout. */
export interface LayerTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A model in TensorFlow.js's layers format. */
export interface LayersFile {
  readonly path: string;
  readonly layers: readonly LayerRecord[];
  /** By `layer/tensor`. */
  readonly tensors: ReadonlyMap<string, LayerTensor>;
  /** What the file says of itself: `generatedBy`, comments. */
  readonly notes: Readonly<Record<string, string>>;
  /** Files that it was read from, the JSON first. */
  readonly files: readonly string[];
}

/** Numbers that all tensors of a model may have: four gigabytes of them. */
const MOST = 2 ** 30;

const shape = z.array(z.int().check(z.minimum(1), z.maximum(MOST))).check(z.maxLength(8));
const layer = z.object({
  class_name: z.string(),
  name: z.optional(z.string()),
  config: z.record(z.string(), z.unknown()),
  inbound_nodes: z.optional(z.array(z.unknown())),
});
const FILE = z.object({
  weightsManifest: z.array(
    z.object({
      paths: z.array(z.string()).check(z.minLength(1)),
      weights: z.array(
        z.object({ name: z.string(), shape, dtype: z.string(), quantization: z.optional(z.unknown()) }),
      ),
    }),
  ),
});
const TOPOLOGY = z.object({
  class_name: z.enum(['Functional', 'Model', 'Sequential']),
  config: z.union([z.array(layer), z.object({ layers: z.array(layer) })]),
});

/**
 * Reads a model.json and the binary files that it names, which lie beside it.
 * @throws FileFormatError naming what is not as the format has it: a graph model, quantised or truncated weights; StorageError.
 */
export async function readLayersFile(files: FileSource, name: string): Promise<LayersFile> {
  const path = `${files.name}/${name}`;
  const refuse = (message: string, hint = 'Give the model.json of a TensorFlow.js layers model.'): never => {
    throw new FileFormatError(path, message, { hint });
  };
  let json: Readonly<Record<string, unknown>> = {};
  try {
    json = Object(parseJson(new TextDecoder().decode(await files.read(name)))) as typeof json;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new FileFormatError(path, 'is not JSON', { hint: 'Give a model.json.', cause });
  }
  const topology = Object(json.modelTopology) as Readonly<Record<string, unknown>>;
  if (json.format === 'graph-model' || 'node' in topology)
    refuse(
      'is a graph model: its layers are gone, only operations are left',
      'Convert it as a layers model: tensorflowjs_converter with output format tfjs_layers_model.',
    );
  const parsed = TOPOLOGY.safeParse(topology.model_config ?? topology);
  if (!parsed.success) return refuse(`modelTopology: ${told(parsed.error)}`);
  const manifest = FILE.safeParse(json);
  if (!manifest.success) return refuse(told(manifest.error));
  const { config } = parsed.data;
  const layers = (Array.isArray(config) ? config : config.layers).map((each, i): LayerRecord => {
    const own = each.name ?? each.config.name ?? `layer ${i}`;
    return {
      className: each.class_name,
      name: String(own),
      config: each.config,
      inputs: parsed.data.class_name === 'Sequential' ? null : inputsOf(each.inbound_nodes),
    };
  });
  const tensors = new Map<string, LayerTensor>();
  const shards: string[] = [];
  for (const { paths, weights } of manifest.data.weightsManifest) {
    let wanted = 0;
    for (const { name: tensor, dtype, quantization, shape: extents } of weights) {
      if (quantization !== undefined)
        refuse(
          `${tensor}: is quantised (${JSON.stringify((quantization as { dtype?: unknown }).dtype ?? '')})`,
          'Convert the model without quantisation: rounded weights are not the network that was tested.',
        );
      if (dtype !== 'float32') refuse(`${tensor}: is ${dtype}; weights are float32`);
      if (tensors.has(tensor)) refuse(`${tensor}: stands there twice`);
      tensors.set(tensor, { shape: extents, data: new Float32Array(0) });
      wanted += 4 * sizeOf(extents);
    }
    if (wanted > 4 * MOST) refuse('its weights are larger than four gigabytes');
    const pieces: Uint8Array[] = [];
    for (const shard of paths) {
      if (!/^[\w.-]+$/.test(shard) || /^\.+$/.test(shard))
        refuse(`weights lie in ${JSON.stringify(shard)}, which is not the name of a file beside it`);
      pieces.push(await files.read(shard));
      shards.push(shard);
    }
    const found = pieces.reduce((sum, { length }) => sum + length, 0);
    if (found !== wanted)
      refuse(
        `${paths.join(', ')}: ${found} bytes, and its weights take ${wanted}`,
        found < wanted ? 'The file is truncated: copy it again.' : 'The files are not of one model.',
      );
    const bytes = new Uint8Array(wanted);
    let filled = 0;
    for (const piece of pieces) {
      bytes.set(piece, filled);
      filled += piece.length;
    }
    let at = 0;
    for (const { name: tensor, shape: extents } of weights) {
      const data = new Float32Array(bytes.buffer, at, sizeOf(extents));
      if (!data.every(Number.isFinite)) refuse(`${tensor}: holds values that are not finite`);
      tensors.set(tensor, { shape: extents, data });
      at += data.byteLength;
    }
  }
  const notes = Object.entries(json).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return { path, layers, tensors, notes: Object.fromEntries(notes), files: [name, ...shards] };
}

/** Names of the layers that one reads, from Keras's nested lists: [[[name, 0, 0, {}], …]]. */
function inputsOf(nodes: readonly unknown[] | undefined): string[] {
  return (nodes ?? []).flatMap((node) =>
    Array.isArray(node) ? node.map((each: unknown) => String(Array.isArray(each) ? each[0] : each)) : [],
  );
}

function told(error: z.core.$ZodError): string {
  const [issue] = error.issues;
  return `${issue?.path.map(String).join('.') || 'it'}: ${issue?.message ?? ''}`;
}
