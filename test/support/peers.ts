import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * Packages of others that results are held against where somebody has installed them (see bench/peers/README.md). They
 * are no dependencies: ONNX Runtime Web is 140 MB and TensorFlow.js 230 MB, and onnxruntime-node's install script downloads
 * more. `VOXELGRAD_PEERS` names a folder with a node_modules of them.
 */
function resolved(name: string): string | undefined {
  const folder = process.env.VOXELGRAD_PEERS ?? process.cwd();
  if (!existsSync(join(folder, 'node_modules', name))) return undefined;
  return pathToFileURL(createRequire(join(folder, 'package.json')).resolve(name)).href;
}

/** An input of ONNX Runtime. */
export interface RuntimeTensor {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** Runs a model by ONNX Runtime. */
export type OnnxRuntime = (
  model: Uint8Array,
  inputs: Readonly<Record<string, RuntimeTensor>>,
) => Promise<Map<string, Float32Array>>;

/** ONNX Runtime Web on the processor; undefined where it is not installed. */
export async function onnxRuntime(): Promise<OnnxRuntime | undefined> {
  const path = resolved('onnxruntime-web');
  if (path === undefined) return undefined;
  const ort = ((await import(path)) as { default: never }).default as {
    env: { wasm: { numThreads: number }; logLevel: string };
    Tensor: new (type: string, data: Float32Array, dims: readonly number[]) => object;
    InferenceSession: {
      create(model: Uint8Array): Promise<{
        run(feeds: Record<string, object>): Promise<Record<string, { readonly data: Float32Array }>>;
        release(): Promise<void>;
      }>;
    };
  };
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'error';
  return async (model, inputs) => {
    const session = await ort.InferenceSession.create(model);
    try {
      const feeds = Object.entries(inputs).map(([name, { data, shape }]) => [
        name,
        new ort.Tensor('float32', data, shape),
      ]);
      const outputs = await session.run(Object.fromEntries(feeds) as Record<string, object>);
      return new Map(Object.entries(outputs).map(([name, { data }]) => [name, data]));
    } finally {
      await session.release();
    }
  };
}
