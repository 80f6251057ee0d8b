import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeNifti } from '../../src/imaging/nifti/encode.ts';
import { axisAlignedGrid } from '../../src/imaging/volume/volume.ts';
import { buildCli, errorLines, runCli } from '../support/cli.ts';
import { onnxBreaches, readOnnx } from '../support/onnx.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-exchange-'));
beforeAll(buildCli);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A model of TensorFlow.js that finds what is brighter than half of the range, for a cube of 24 voxels. */
function writeBrightness(): string {
  const convolution = (name: string, filters: number, edge: number, before: string): object => ({
    class_name: 'Conv3D',
    name,
    config: {
      filters,
      kernel_size: [edge, edge, edge],
      padding: 'same',
      dilation_rate: [1, 1, 1],
      use_bias: true,
    },
    inbound_nodes: [[[before, 0, 0, {}]]],
  });
  const layers = [
    {
      class_name: 'InputLayer',
      name: 'input',
      config: { batch_input_shape: [null, 24, 24, 24, 1] },
      inbound_nodes: [],
    },
    convolution('first', 1, 3, 'input'),
    {
      class_name: 'Activation',
      name: 'act',
      config: { activation: 'relu' },
      inbound_nodes: [[['first', 0, 0, {}]]],
    },
    convolution('output', 2, 1, 'act'),
  ];
  const weights = [
    ['first/kernel', [3, 3, 3, 1, 1]],
    ['first/bias', [1]],
    ['output/kernel', [1, 1, 1, 1, 2]],
    ['output/bias', [2]],
  ].map(([name, shape]) => ({ name, shape, dtype: 'float32' }));
  const values = new Float32Array(27 + 1 + 2 + 2);
  values[13] = 1;
  values.set([0, 1, 0.5, 0], 28);
  const model = join(folder, 'light.json');
  writeFileSync(
    model,
    JSON.stringify({
      format: 'layers-model',
      modelTopology: { model_config: { class_name: 'Functional', config: { layers } } },
      weightsManifest: [{ paths: ['light.bin'], weights }],
    }),
  );
  writeFileSync(join(folder, 'light.bin'), values);
  writeFileSync(join(folder, 'labels.json'), JSON.stringify({ 0: 'dark', 1: 'bright' }));
  return model;
}

describe('networks in and out', () => {
  it('import, list, verify, predict and export one', async () => {
    const model = writeBrightness();
    const net = join(folder, 'nets', 'light');
    const imported = await runCli(['import', 'brainchop', model, net, '--json']);
    expect(imported.stderr).toBe('');
    expect(JSON.parse(imported.stdout)).toMatchObject({
      channels: ['T1w'],
      labels: ['bright'],
      network: 'meshnet',
    });
    expect(readdirSync(net).sort()).toEqual(['card.md', 'import.json', 'model.safetensors']);

    const listed = await runCli(['models', join(folder, 'nets'), '--json']);
    const { models } = JSON.parse(listed.stdout) as { models: { origin: string; name: string }[] };
    expect(models.find(({ origin }) => origin === 'imported')).toMatchObject({
      name: 'light',
      network: 'meshnet',
      channels: ['T1w'],
      labels: ['bright'],
      licence: null,
      problem: null,
    });
    const text = await runCli(['models', join(folder, 'nets')]);
    expect(text.stdout).toMatch(
      /light \(imported\): .*\n {2}task \w+, reads T1w, finds bright\n {2}meshnet, 32 parameters, .*, licence not known/,
    );

    const verified = await runCli(['verify', net]);
    expect(verified.code).toBe(0);

    const grid = axisAlignedGrid([16, 12, 14], [1, 1, 1]);
    const data = new Float32Array(16 * 12 * 14);
    for (let z = 4; z < 9; z++)
      for (let y = 3; y < 8; y++) data.fill(900, (z * 12 + y) * 16 + 5, (z * 12 + y) * 16 + 11);
    const scan = join(folder, 'data', 'sub-01', 'anat');
    mkdirSync(scan, { recursive: true });
    writeFileSync(
      join(folder, 'data', 'dataset_description.json'),
      '{"Name": "light", "BIDSVersion": "1.9.0"}',
    );
    writeFileSync(join(scan, 'sub-01_T1w.nii.gz'), encodeNifti({ grid, data }, { datatype: 'int16' }));
    const predicted = await runCli(['predict', net, join(folder, 'data'), join(folder, 'out'), '--json']);
    expect(errorLines(predicted).filter((line) => line.startsWith('error'))).toEqual([]);
    const { scans } = JSON.parse(predicted.stdout) as { scans: { files: string[] }[] };
    expect(scans[0]!.files).toHaveLength(1);
    expect(scans[0]!.files[0]).toMatch(/desc-\w+_dseg\.nii\.gz$/);

    for (const format of ['onnx', 'torch', 'tfjs']) {
      const exported = await runCli(['export', net, join(folder, format), '--format', format, '--json']);
      const { files } = JSON.parse(exported.stdout) as { files: string[] };
      expect(files.length).toBeGreaterThan(0);
      for (const file of files) expect(readFileSync(file).length).toBeGreaterThan(0);
      if (format === 'onnx') expect(onnxBreaches(readOnnx(readFileSync(files[0]!)))).toEqual([]);
    }
    const again = await runCli(['export', net, join(folder, 'onnx')]);
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/holds light\.onnx already/);
  });

  it('refuse what they do not know in one line', async () => {
    const cases: readonly (readonly [string[], RegExp])[] = [
      [['import', 'caffe', 'a', 'b'], /"caffe" cannot be imported/],
      [['import', 'brainchop', join(folder, 'none.json'), join(folder, 'x')], /none\.json/],
      [
        ['import', 'brainchop', writeBrightness(), join(folder, 'x'), '--range', '0.9,0.1'],
        /--range must be/,
      ],
      [['export', join(folder, 'none'), join(folder, 'y')], /model\.safetensors/],
      [
        ['export', join(folder, 'none'), join(folder, 'y'), '--format', 'caffe'],
        /there is no format "caffe"/,
      ],
    ];
    for (const [words, message] of cases) {
      const run = await runCli(words);
      expect(run.code).not.toBe(0);
      expect(errorLines(run)[0]).toMatch(message);
    }
  });
});
