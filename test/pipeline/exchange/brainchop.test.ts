import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { FileFormatError } from '../../../src/core/errors.ts';
import { MemoryFiles } from '../../../src/core/files.ts';
import type { NetworkSpec } from '../../../src/engine/nn/network.ts';
import { readNifti } from '../../../src/imaging/nifti/read.ts';
import { conform } from '../../../src/imaging/volume/conform.ts';
import { importBrainchop } from '../../../src/pipeline/exchange/brainchop/import.ts';
import { readLayersFile } from '../../../src/pipeline/exchange/brainchop/layers-file.ts';
import { readMeshNet } from '../../../src/pipeline/exchange/brainchop/meshnet-layers.ts';
import { toTfjs } from '../../../src/pipeline/exchange/tfjs/tfjs.ts';
import { decodeModel, encodeModel } from '../../../src/pipeline/models/model.ts';
import { labelWholeVolume } from '../../../src/pipeline/predict/whole-volume.ts';
import { NodeFolder } from '../../../src/platform/node-files.ts';
import { sharedData } from '../../data.ts';
import {
  CROP,
  cropOf,
  MODELS,
  SMALL,
  SMALL_EXTENTS,
  sharedModels,
  smallInput,
} from '../../support/brainchop.ts';
import { exportedModel, outputsOf } from '../../support/exchange.ts';
import { useGpu } from '../../support/gpu.ts';
import { fromArray } from '../../support/nd.ts';

type Json = Record<string, unknown>;
type Layer = { class_name: string; name: string; config: Json; inbound_nodes: unknown[] };
type LayersJson = {
  format?: string;
  modelTopology: { node?: unknown; model_config: { class_name: string; config: { layers: Layer[] } } };
  weightsManifest: { paths: string[]; weights: (Json & { name: string; shape: number[] })[] }[];
};

/** A model as our export writes it, changed. */
function files(
  name: string,
  change: (json: LayersJson, bytes: Uint8Array) => unknown = () => undefined,
): MemoryFiles {
  const { json, weights } = toTfjs({ model: exportedModel(name), name, version: '1' });
  const copy = JSON.parse(JSON.stringify(json)) as LayersJson;
  const changed = change(copy, weights);
  const bytes = changed instanceof Uint8Array ? changed : weights;
  const out = new MemoryFiles('models');
  out.files.set('model.json', new TextEncoder().encode(JSON.stringify(copy)));
  out.files.set('model.bin', bytes);
  return out;
}

const layersOf = (json: LayersJson): Layer[] => json.modelTopology.model_config.config.layers;
const layer = (json: LayersJson, className: string): Layer =>
  layersOf(json).find((each) => each.class_name === className)!;

describe('import from Brainchop', () => {
  const context = useGpu();

  // Of a batch norm nothing is left: it is folded into the weights, since TensorFlow.js has none for volumes.
  it.each(['gelu', 'instance'])('%s: what our export writes is read back as it was', async (name) => {
    const { info, weights } = exportedModel(name);
    const read = readMeshNet(await readLayersFile(files(name), 'model.json'), 'matter');
    const config = info.network.config as Json;
    expect(read.config).toMatchObject({
      channels: config.channels,
      dilations: config.dilations,
      activation: config.activation,
      batchNorm: config.batchNorm,
      inChannels: 2,
    });
    expect([...read.weights.keys()].sort()).toEqual([...weights.keys()].sort());
    // The bias in front of an instance norm changes nothing and has no place in Brainchop's file.
    for (const [tensor, values] of read.weights)
      if (name !== 'instance' || !/\.0\.bias$/.test(tensor))
        expect(values, tensor).toEqual(weights.get(tensor));
  });

  it.each(SMALL)('%s: scores are those of TensorFlow.js', async (name) => {
    const path = new URL('../../golden/brainchop/small.json', import.meta.url);
    const golden = JSON.parse(readFileSync(path, 'utf8')) as Record<string, number[]>;
    const { config, weights } = readMeshNet(await readLayersFile(files(name), 'model.json'), 'matter');
    const last = smallInput();
    const voxels = last.length / 2;
    const first = Float32Array.from(
      { length: last.length },
      (_, i) => last[(i % voxels) * 2 + Math.floor(i / voxels)]!,
    );
    const spec: NetworkSpec = { kind: 'meshnet', config };
    const input = fromArray([1, 2, ...SMALL_EXTENTS], first);
    const scores = (await outputsOf(context.gpu, spec, weights, input)).get('matter')!;
    const wanted = golden[name]!;
    expect(wanted.length).toBe(3 * voxels);
    const apart = wanted.map((value, i) => Math.abs(value - scores[(i % 3) * voxels + Math.floor(i / 3)]!));
    expect(Math.max(...apart)).toBeLessThan(1e-4);
  });

  it('reads norms that are layers', async () => {
    const found = files('gelu', (json, bytes) => {
      const [first, ...rest] = layersOf(json).filter((each) => each.class_name === 'Conv3D');
      const convolutions = [first!, ...rest.slice(0, -1)];
      const added: number[] = [];
      for (const [i, { name }] of convolutions.entries()) {
        const layers = layersOf(json);
        const at = layers.findIndex((each) => each.name === name) + 1;
        const norm = {
          class_name: 'BatchNormalization',
          name: `n${i}`,
          config: { axis: [4], epsilon: 0.01 },
          inbound_nodes: [[[name, 0, 0, {}]]],
        };
        layers.splice(at, 0, norm);
        layers[at + 1]!.inbound_nodes = [[[`n${i}`, 0, 0, {}]]];
        for (const [k, tensor] of ['gamma', 'beta', 'moving_mean', 'moving_variance'].entries()) {
          json.weightsManifest[0]!.weights.push({ name: `n${i}/${tensor}`, shape: [3], dtype: 'float32' });
          added.push(k, k + 1, k + 2);
        }
      }
      return new Uint8Array([...bytes, ...new Uint8Array(Float32Array.from(added).buffer)]);
    });
    const { config, weights } = readMeshNet(await readLayersFile(found, 'model.json'), 'matter');
    expect(config).toMatchObject({ batchNorm: true, eps: 0.01, activation: 'gelu' });
    expect(weights.get('model.1.1.running_var')).toEqual(Float32Array.of(3, 4, 5));
    expect(weights.get('model.0.1.bias')).toEqual(Float32Array.of(1, 2, 3));
  });

  const models = sharedModels();
  const head = sharedData() && `${sharedData()}/head-t1_brainchop/sub-01_T1w.nii.gz`;
  it.skipIf(!models || !head || !existsSync(head))(
    'labels of real models are those of TensorFlow.js',
    async () => {
      const { header, volume } = await readNifti(readFileSync(head!), head!);
      const { data } = conform(volume, { bytes: header.datatype === 'uint8' });
      for (const name of MODELS) {
        const { model, notes } = await importBrainchop(new NodeFolder(`${models}/${name}`), 'model.json');
        expect(notes).toEqual([]);
        const golden = gunzipSync(
          readFileSync(new URL(`../../golden/brainchop/${name}.bin.gz`, import.meta.url)),
        );
        const { info, weights } = decodeModel(encodeModel(model), name);
        const { network } = info;
        for (const stored of ['f32', 'f16'] as const) {
          const labels = await labelWholeVolume(
            context.gpu,
            { network, weights },
            [cropOf(data, name)],
            CROP.extents,
            { stored },
          );
          const same = labels.filter((label, i) => label === golden[i]).length;
          expect(same / labels.length, `${name}, ${stored}`).toBeGreaterThan(
            stored === 'f32' ? 0.9999 : 0.999,
          );
        }
      }
    },
  );

  it('takes names from the files beside it, and says what it does not know', async () => {
    const one = (labels: unknown, name = 'labels.json'): MemoryFiles => {
      const found = files('gelu', (json, bytes) => {
        const [weights] = json.weightsManifest;
        const [kernel] = weights!.weights;
        layer(json, 'InputLayer').config.batch_input_shape = [null, 32, 32, 32, 1];
        const half = (3 ** 3 * 2 * kernel!.shape[4]! * 4) / 2;
        kernel!.shape[3] = 1;
        return bytes.slice(half);
      });
      if (labels !== undefined) found.files.set(name, new TextEncoder().encode(JSON.stringify(labels)));
      return found;
    };
    const named = await importBrainchop(
      one({ labels: ['background', 'Grey Matter', 'white-matter'] }, 'colormap.json'),
      'model.json',
      { name: 'gw 2' },
    );
    expect(named.notes).toEqual([]);
    expect(named.model.info).toMatchObject({
      task: {
        name: 'gw2',
        channels: ['T1w'],
        heads: [{ name: 'gw2', labels: ['GreyMatter', 'whiteMatter'], decision: 'argmax' }],
      },
      steps: { kind: 'brainchop', extent: 32, spacing: 1, range: 'min-max' },
      card: { licence: null, source: 'Brainchop, gw 2 (voxelgrad)' },
    });
    expect(Object.keys(named.model.info.card!.files).sort()).toEqual([
      'colormap.json',
      'model.bin',
      'model.json',
    ]);
    const numbered = await importBrainchop(
      one({ 0: 'air', 1: '3rd-Ventricle', 2: '3rd ventricle' }),
      'model.json',
    );
    expect(numbered.model.info.task.heads[0]!.labels).toEqual(['3rdVentricle', '3rdVentricle2']);
    const unnamed = await importBrainchop(one({ labels: ['a'] }), 'model.json', {
      channel: 'FLAIR',
      range: [0.05, 0.95],
    });
    expect(unnamed.notes).toEqual([expect.stringMatching(/no file beside the model names its 3 labels/)]);
    expect(unnamed.model.info).toMatchObject({
      task: { channels: ['FLAIR'] },
      steps: { range: [0.05, 0.95] },
    });
    await expect(importBrainchop(files('gelu'), 'model.json')).rejects.toThrow(/reads 2 channels/);
  });

  const BAD: Readonly<Record<string, readonly [RegExp, (json: LayersJson, bytes: Uint8Array) => unknown]>> = {
    'a truncated .bin': [/model\.bin: \d+ bytes, and its weights take \d+/, (_, bytes) => bytes.slice(0, -4)],
    'surplus bytes': [/model\.bin: \d+ bytes/, (_, bytes) => new Uint8Array([...bytes, 0, 0, 0, 0])],
    'quantised weights': [
      /conv3d_0\/kernel: is quantised \("uint8"\)/,
      (json) => {
        json.weightsManifest[0]!.weights[0]!.quantization = { dtype: 'uint8', min: 0, scale: 1 };
      },
    ],
    'weights of 16 bits': [
      /conv3d_0\/kernel: is float16/,
      (json) => {
        json.weightsManifest[0]!.weights[0]!.dtype = 'float16';
      },
    ],
    'weights that are not finite': [
      /conv3d_0\/kernel: holds values that are not finite/,
      (_, bytes) => {
        const copy = bytes.slice();
        new DataView(copy.buffer).setFloat32(0, Number.NaN, true);
        return copy;
      },
    ],
    'weights elsewhere': [
      /"\.\.\/secret", which is not the name of a file beside it/,
      (json) => {
        json.weightsManifest[0]!.paths = ['../secret'];
      },
    ],
    'a graph model': [
      /is a graph model/,
      (json) => {
        json.format = 'graph-model';
      },
    ],
    'another layer': [
      /layer activation_1 \(LSTM\): is a kind of layer/,
      (json) => {
        layer(json, 'Activation').class_name = 'LSTM';
      },
    ],
    'another activation': [
      /layer activation_1 \(Activation\): its activation is "swish"/,
      (json) => {
        layer(json, 'Activation').config.activation = 'swish';
      },
    ],
    'several activations': [
      /layer conv3d_2 \(Conv3D\): its activation is relu, the first one's gelu/,
      (json) => {
        layersOf(json).filter((each) => each.class_name === 'Activation')[1]!.config.activation = 'relu';
      },
    ],
    'a branch': [
      /layer activation_3 \(Activation\): reads input; in a chain it would read conv3d_2/,
      (json) => {
        layersOf(json)[4]!.inbound_nodes = [[['input', 0, 0, {}]]];
      },
    ],
    'a stride': [
      /layer conv3d_0 \(Conv3D\): strides is \[2,2,2\]/,
      (json) => {
        layer(json, 'Conv3D').config.strides = [2, 2, 2];
      },
    ],
    'a dilation per axis': [
      /layer conv3d_0 \(Conv3D\): dilation_rate is \[1,2,2\]/,
      (json) => {
        layer(json, 'Conv3D').config.dilation_rate = [1, 2, 2];
      },
    ],
    'padding that shrinks': [
      /layer conv3d_0 \(Conv3D\): padding is "valid"/,
      (json) => {
        layer(json, 'Conv3D').config.padding = 'valid';
      },
    ],
    'a kernel of another shape': [
      /layer conv3d_0 \(Conv3D\): its kernel is 3x3x3x2x3, and 3x3x3x2x4 is wanted/,
      (json) => {
        layer(json, 'Conv3D').config.filters = 4;
      },
    ],
    'a missing tensor': [
      /layer conv3d_0: its tensor bias is missing/,
      (json) => {
        json.weightsManifest[0]!.weights[1]!.name = 'other/bias';
      },
    ],
    'a flat input': [
      /layer input \(InputLayer\): its input has 4 axes/,
      (json) => {
        layer(json, 'InputLayer').config.batch_input_shape = [null, 256, 256, 1];
      },
    ],
    'no weights': [
      /weightsManifest/,
      (json) => {
        json.weightsManifest = 'none' as never;
      },
    ],
  };

  it.each(Object.entries(BAD))('refuses %s', async (_, [message, change]) => {
    const bad = files('gelu', change);
    const read = readLayersFile(bad, 'model.json').then((file) => readMeshNet(file, 'matter'));
    await expect(read).rejects.toThrow(message);
    await expect(read).rejects.toThrow(FileFormatError);
  });

  it('refuses what is not JSON, and a file that is not there', async () => {
    const broken = files('gelu');
    broken.files.set('model.json', new TextEncoder().encode('{'));
    await expect(readLayersFile(broken, 'model.json')).rejects.toThrow(/is not JSON/);
    await expect(readLayersFile(new MemoryFiles(), 'model.json')).rejects.toThrow(/no such file/);
    const lone = files('gelu');
    lone.files.delete('model.bin');
    await expect(readLayersFile(lone, 'model.json')).rejects.toThrow(/model\.bin: no such file/);
  });
});
