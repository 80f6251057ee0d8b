/**
 * Golden values of TensorFlow.js (processor backend) for test/pipeline/exchange/brainchop.test.ts:
 *
 *     VOXELGRAD_PEERS=FOLDER npx tsx test/golden/make_brainchop.mts [MODELS HEAD.nii.gz [NAME …]]
 *
 * FOLDER has @tensorflow/tfjs in its node_modules; MODELS holds Brainchop's models, a folder each; HEAD is its example head.
 * Writes to test/golden/brainchop: per model the labels of a crop of the conformed head, and the scores of small networks
 * with random weights, which our export writes.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { readNifti } from '../../src/imaging/nifti/read.ts';
import { conform } from '../../src/imaging/volume/conform.ts';
import { toTfjs } from '../../src/pipeline/exchange/tfjs/tfjs.ts';
import { CROP, cropOf, MODELS, SMALL, SMALL_EXTENTS, smallInput } from '../support/brainchop.ts';
import { exportedModel } from '../support/exchange.ts';

const [models, head, ...only] = process.argv.slice(2);
const require = createRequire(join(process.env.VOXELGRAD_PEERS ?? process.cwd(), 'package.json'));
/** What is used of TensorFlow.js. */
interface Values {
  sub(other: Values): Values;
  add(value: number): Values;
  div(other: Values): Values;
  sqrt(): Values;
  data(): Promise<Float32Array>;
}
const tf = require('@tensorflow/tfjs') as {
  setBackend(name: string): Promise<boolean>;
  tensor(values: Float32Array, shape: readonly number[]): Values;
  moments(x: Values, axes: readonly number[], keep: boolean): { mean: Values; variance: Values };
  loadLayersModel(handler: object): Promise<{ layers: { name: string; apply(x: Values): Values }[] }>;
  io: { fromMemory(artifacts: object): object };
};
await tf.setBackend('cpu');
const out = new URL('brainchop/', import.meta.url);

interface LayersJson {
  readonly modelTopology: {
    readonly model_config: {
      readonly config: { readonly layers: { readonly config: { batch_input_shape: unknown[] } }[] };
    };
  };
  readonly weightsManifest: { readonly paths: string[]; readonly weights: object[] }[];
}

/** Runs a model layer by layer: a convolution whose name ends in _gn has instance norm behind it, as in Brainchop. */
async function run(
  json: LayersJson,
  weights: ArrayBuffer,
  input: Float32Array,
  extents: number[],
): Promise<Float32Array> {
  const first = json.modelTopology.model_config.config.layers[0]!.config;
  const channels = Number(first.batch_input_shape[4]);
  first.batch_input_shape = [null, ...extents, channels];
  const model = await tf.loadLayersModel(
    tf.io.fromMemory({
      modelTopology: json.modelTopology,
      weightSpecs: json.weightsManifest[0]!.weights,
      weightData: weights,
    }),
  );
  let x = tf.tensor(input, [1, ...extents, channels]);
  for (const layer of model.layers.slice(1)) {
    x = layer.apply(x);
    if (!layer.name.endsWith('_gn')) continue;
    const { mean, variance } = tf.moments(x, [1, 2, 3], true);
    x = x.sub(mean).div(variance.add(1e-5).sqrt());
  }
  return await x.data();
}

const argmax = (scores: Float32Array, count: number): Uint8Array =>
  Uint8Array.from({ length: scores.length / count }, (_, i) => {
    const own = scores.subarray(i * count, (i + 1) * count);
    return own.indexOf(Math.max(...own));
  });

// Small networks with random weights, as our export writes them.
const scores: Record<string, number[]> = {};
for (const name of SMALL) {
  const { json, weights } = toTfjs({ model: exportedModel(name), name, version: '1' });
  const values = await run(json as LayersJson, weights.slice().buffer, smallInput(), [...SMALL_EXTENTS]);
  scores[name] = [...values].map((value) => Number(value.toPrecision(7)));
}
writeFileSync(new URL('small.json', out), `${JSON.stringify(scores)}\n`);

if (models === undefined || head === undefined) process.exit(0);
const image = await readNifti(readFileSync(head), head);
const { data } = conform(image.volume, { bytes: image.header.datatype === 'uint8' });
for (const name of MODELS) {
  if (only.length > 0 && !only.includes(name)) continue;
  const folder = join(models, name);
  const json = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8')) as LayersJson;
  const bytes = readFileSync(join(folder, json.weightsManifest[0]!.paths[0]!));
  const start = performance.now();
  const values = await run(json, new Uint8Array(bytes).buffer, cropOf(data, name), [...CROP.extents]);
  const labels = argmax(values, values.length / cropOf(data, name).length);
  writeFileSync(new URL(`${name}.bin.gz`, out), gzipSync(labels, { level: 9 }));
  console.log(name, new Set(labels), `${((performance.now() - start) / 1000).toFixed(0)} s`);
}
