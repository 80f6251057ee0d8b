import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { MemoryFiles } from '../../../src/core/files.ts';
import { readSafetensors } from '../../../src/engine/checkpoint/safetensors.ts';
import { traceNetwork } from '../../../src/engine/nn/graph.ts';
import { architectureOf } from '../../../src/engine/nn/networks/index.ts';
import { findFormat } from '../../../src/pipeline/exchange/index.ts';
import { expressionOf } from '../../../src/pipeline/exchange/torch/torch-ops.ts';
import { EXPORTED, exportedModel, predictionOf } from '../../support/exchange.ts';
import { useGpu } from '../../support/gpu.ts';
import { normal, toFloat32 } from '../../support/nd.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-torch-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A Python that has PyTorch; undefined where there is none. */
const python = [process.env.VOXELGRAD_PYTHON ?? 'python3', '/usr/bin/python3'].find(
  (program) => spawnSync(program, ['-c', 'import torch']).status === 0,
);

/** Loads every exported network, runs it, and checks that its weights can be trained. */
const DRIVER = `
import importlib.util, json, struct, sys
import torch
torch.manual_seed(1)
for name in sys.argv[2:]:
    base = f'{sys.argv[1]}/{name}'
    spec = importlib.util.spec_from_file_location(name, base + '.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.load(base + '.safetensors')
    data = torch.frombuffer(bytearray(open(base + '.bin', 'rb').read()), dtype=torch.float32)
    for head, value in network.predict(data.reshape(1, 2, 4, 8, 12)).items():
        open(f'{base}-{head}.bin', 'wb').write(value.contiguous().numpy().tobytes())
    sum(value.sum() for value in network(data.reshape(1, 2, 4, 8, 12)).values()).backward()
    without = [key for key, value in network.named_parameters() if value.grad is None]
    print(json.dumps([name, module.FACTS['channels'], without]))
`;

describe('export for PyTorch', () => {
  const context = useGpu();

  it.skipIf(python === undefined)('every kind loads in PyTorch and predicts the same', async () => {
    const names = EXPORTED.map(({ name }) => name);
    const out = new MemoryFiles();
    const input = normal([1, 2, 4, 8, 12], 7);
    for (const name of names) {
      await findFormat('torch').write({ model: exportedModel(name), name, version: '1' }, out);
      writeFileSync(join(folder, `${name}.bin`), toFloat32(input));
    }
    for (const [path, bytes] of out.files) writeFileSync(join(folder, path), bytes);
    const driver = join(folder, 'driver.py');
    writeFileSync(driver, DRIVER);
    const told = execFileSync(python!, [driver, folder, ...names], { encoding: 'utf8' });
    const lines = told
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as [string, string[], string[]]);
    expect(lines).toEqual(names.map((name) => [name, ['T1w', 'FLAIR'], []]));
    for (const name of names)
      for (const [head, ours] of await predictionOf(context.gpu, exportedModel(name), input)) {
        const bytes = readFileSync(join(folder, `${name}-${head}.bin`));
        const theirs = new Float32Array(new Uint8Array(bytes).buffer);
        expect(theirs.length, name).toBe(ours.length);
        const largest = ours.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
        const apart = ours.reduce((most, value, i) => Math.max(most, Math.abs(value - theirs[i]!)), 0);
        expect(apart / largest, `${name}, ${head}`).toBeLessThan(1e-4);
      }
  });

  it('is one Python file and the weights, under the names that the model has', async () => {
    const out = new MemoryFiles();
    const model = exportedModel('elu');
    const { files } = await findFormat('torch').write({ model, name: 'elu', version: '1' }, out);
    expect(files).toEqual(['elu.py', 'elu.safetensors']);
    const { tensors } = readSafetensors(out.files.get('elu.safetensors')!, 'elu.safetensors');
    expect([...tensors.keys()].sort()).toEqual([...model.weights.keys()].sort());
    const text = new TextDecoder().decode(out.files.get('elu.py'));
    expect(text).toContain(
      "F.conv3d(input, t['model.0.0.weight'], t['model.0.0.bias'], stride=1, padding=1, dilation=1)",
    );
  });

  it('refuses an op that it has no words for, naming it', () => {
    const graph = traceNetwork(architectureOf(exportedModel('elu').info.network));
    const other = { ...graph.nodes[0]!, op: 'fourier-mix' };
    expect(() => expressionOf(other, ({ name }) => name)).toThrow(
      /PyTorch.* cannot express fourier-mix \(conv3d_0\)/,
    );
  });
});
