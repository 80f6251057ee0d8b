import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { sizeOf } from '../../../../src/core/shape.ts';
import { Network } from '../../../../src/engine/nn/network.ts';
import { architectureOf } from '../../../../src/engine/nn/networks/index.ts';
import { recordPrediction } from '../../../../src/engine/nn/prediction.ts';
import { compilePlan } from '../../../../src/engine/tape/plan.ts';
import { TensorStore } from '../../../../src/engine/tape/store.ts';
import { Tape } from '../../../../src/engine/tape/tape.ts';
import { importNnUNet } from '../../../../src/pipeline/exchange/nnunet/import.ts';
import type { Model } from '../../../../src/pipeline/models/model.ts';
import { NodeFolder } from '../../../../src/platform/node-files.ts';
import { useGpu } from '../../../support/gpu.ts';
import { tinyFolder } from '../../../support/nnunet-folder.ts';

// Made by nnU-Net's own code; see the README beside them. VOXELGRAD_MODELS, or ../shared/models.
const MODELS =
  process.env.VOXELGRAD_MODELS ?? fileURLToPath(new URL('../../../../../shared/models', import.meta.url));
const folder = `${MODELS}/nnunet`;
const there = existsSync(folder);
if (!there)
  console.warn(`networks of nnU-Net not found at ${folder}: their test is skipped (set VOXELGRAD_MODELS)`);
const names = there ? readdirSync(folder).filter((name) => existsSync(`${folder}/${name}/logits.npy`)) : [];

/** A NumPy file of float32. */
function readNpy(path: string): { readonly shape: readonly number[]; readonly data: Float32Array } {
  const bytes = readFileSync(path);
  const length = bytes.readUInt16LE(8);
  const header = bytes.subarray(10, 10 + length).toString();
  if (!header.includes("'<f4'") || header.includes("'fortran_order': True"))
    throw new Error(`${path}: ${header}`);
  const shape = /\(([^)]*)\)/.exec(header)![1]!.split(',').filter(Boolean).map(Number);
  return { shape, data: new Float32Array(Uint8Array.from(bytes.subarray(10 + length)).buffer) };
}

describe('the output of an imported network', () => {
  const device = useGpu();

  const outputOf = async (
    { info, weights }: Model,
    shape: readonly number[],
    data: Float32Array,
  ): Promise<Float32Array> => {
    const { gpu } = device;
    const net = await Network.create(gpu, architectureOf(info.network), { training: false });
    net.load(weights);
    const store = await TensorStore.create(gpu, 'input', [{ name: 'input', shape }]);
    store.write('input', data);
    const tape = new Tape(gpu.capabilities);
    const output = recordPrediction(tape, net, store.get('input'), { activations: { labels: 'none' } }).get(
      'labels',
    )!;
    const plan = await compilePlan(gpu, tape.commands, { label: 'logits', keep: [output] });
    plan.run();
    const found = await plan.read(output);
    for (const owned of [plan, store, net]) owned.destroy();
    return found;
  };

  it.skipIf(names.length === 0).each(names)('%s: is that of nnU-Net within 1e-4', async (name) => {
    const { model } = await importNnUNet(new NodeFolder(`${folder}/${name}`));
    const input = readNpy(`${folder}/${name}/input.npy`);
    const wanted = readNpy(`${folder}/${name}/logits.npy`);
    const found = await outputOf(model, input.shape, input.data);
    expect(found).toHaveLength(wanted.data.length);
    const [worst, largest] = found.reduce(
      ([most, scale], v, i) => [
        Math.max(most, Math.abs(v - wanted.data[i]!)),
        Math.max(scale, Math.abs(wanted.data[i]!)),
      ],
      [0, 0],
    );
    expect(worst / largest).toBeLessThan(1e-4);
  });

  it('of several folds is the mean of theirs', async () => {
    const files = tinyFolder(undefined, undefined, [0, 1, 2]);
    const shape = [1, 2, 4, 4, 4];
    const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i));
    const each: Float32Array[] = [];
    for (const fold of ['0', '1', '2']) {
      const { model } = await importNnUNet(files, { folds: [fold] });
      each.push(await outputOf(model, shape, data));
    }
    const { model } = await importNnUNet(files);
    const found = await outputOf(model, shape, data);
    found.forEach((v, i) => {
      expect(v).toBeCloseTo((each[0]![i]! + each[1]![i]! + each[2]![i]!) / 3, 5);
    });
    expect(Math.max(...found.map((v, i) => Math.abs(v - each[0]![i]!)))).toBeGreaterThan(0.01);
  });
});
