import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { image, inBrain, maskFile, type Value } from '../imaging/dataset/make.ts';
import { buildCli, runCli } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-task-'));
const at = (name: string): string => join(folder, name);
const dataset = at('dataset');
const MS = 300_000;
const STEPS = '300';
const AGES = { a: 30, b: 40, c: 50 };

function put(path: string, content: Uint8Array | string): void {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), content);
}

/** Three parts of a brain by their values in a label image, and a rest. */
const part: Value = (x, y, z) => {
  if (inBrain(x, y, z) === 0) return 0;
  if (z < 4) return 2;
  if (y < 7) return 3;
  return x < 5 ? 1 : 0;
};

const parts = {
  name: 'parts',
  channels: ['T1w'],
  heads: [
    {
      name: 'parts',
      labels: ['low', 'front', 'left'],
      target: { from: 'dseg', values: [2, 3, 1] },
    },
  ],
};
const age = {
  name: 'age',
  channels: ['T2w'],
  heads: [{ name: 'age', target: { from: 'column', column: 'age' } }],
};

async function run(...words: string[]): Promise<Record<string, unknown>> {
  const result = await runCli([...words, '--json']);
  expect(result.code, result.stderr).toBe(0);
  return JSON.parse(result.stdout) as Record<string, unknown>;
}

async function train(out: string, task: object, ...words: string[]): Promise<Record<string, unknown>> {
  put(`${out}.json`, JSON.stringify(task));
  const size = ['--patch', '8', '--levels', '2', '--base-channels', '4'];
  return await run('train', dataset, at(out), '--task', at(`${out}.json`), ...size, ...words);
}

function bytes(path: string): Buffer {
  return readFileSync(at(path));
}

beforeAll(() => {
  buildCli();
  put('dataset/dataset_description.json', JSON.stringify({ Name: 'parts', BIDSVersion: '1.8.0' }));
  const rows = Object.entries(AGES).map(([id, years]) => `sub-${id}\t${years}\t3\n`);
  put('dataset/participants.tsv', `participant_id\tage\tsite\n${rows.join('')}`);
  for (const [id, years] of Object.entries(AGES)) {
    const anat = `sub-${id}/anat/sub-${id}`;
    const noise: Value = (x, y, z) => (x * 7 + y * 3 + z * 5 + years) % 11;
    put(
      `dataset/${anat}_T1w.nii.gz`,
      image((x, y, z) => inBrain(x, y, z) * (100 + 60 * part(x, y, z) + noise(x, y, z))),
    );
    const bright: Value = (_x, y) => (y < years / 10 + 2 ? 300 : 100);
    put(
      `dataset/${anat}_T2w.nii.gz`,
      image((x, y, z) => inBrain(x, y, z) * (bright(x, y, z) + noise(x, y, z))),
    );
    put(`dataset/derivatives/parts/${anat}_dseg.nii.gz`, maskFile(part));
    put(`dataset/derivatives/brainmask/${anat}_desc-brain_mask.nii.gz`, maskFile(inBrain));
  }
}, MS);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a task of three labels', () => {
  beforeAll(async () => {
    const trained = await train('run', parts, '--steps', STEPS, '--hash-every', '100', '--lr', '0.01');
    expect(trained).toMatchObject({ task: 'parts', steps: Number(STEPS), threshold: null });
  }, MS);

  it('is predicted as a label image with its table and a map per label, and evaluated by label', {
    timeout: MS,
  }, async () => {
    await run('predict', at('run'), dataset, at('predictions'));
    const files = readdirSync(at('predictions/sub-a/anat')).sort();
    expect(files.filter((name) => !name.endsWith('.json'))).toEqual([
      'sub-a_space-orig_desc-parts_dseg.nii.gz',
      'sub-a_space-orig_desc-parts_dseg.tsv',
      'sub-a_space-orig_label-front_parts.tsv',
      'sub-a_space-orig_label-front_probseg.nii.gz',
      'sub-a_space-orig_label-left_parts.tsv',
      'sub-a_space-orig_label-left_probseg.nii.gz',
      'sub-a_space-orig_label-low_parts.tsv',
      'sub-a_space-orig_label-low_probseg.nii.gz',
    ]);
    expect(bytes('predictions/sub-a/anat/sub-a_space-orig_desc-parts_dseg.tsv').toString()).toBe(
      'index\tname\n0\tbackground\n2\tlow\n3\tfront\n1\tleft\n',
    );
    const found = await run('evaluate', at('predictions'), dataset);
    const labels = found.labels as { label: string; dice: number }[];
    expect(labels.map(({ label }) => label)).toEqual(['low', 'front', 'left']);
    for (const { label, dice } of labels) expect(dice, label).toBeGreaterThan(0.6);
    const mean = labels.reduce((sum, { dice }) => sum + dice / 3, 0);
    expect((found.mean as { dice: number }).dice).toBeCloseTo(mean, 6);
    expect(found.scans).toHaveLength(9);
  });

  it('is verified, and gives the same bits again', { timeout: MS }, async () => {
    await run('verify', at('run'));
    await train('short', parts, '--steps', STEPS, '--hash-every', '100', '--lr', '0.01');
    expect(bytes('short/model.safetensors').equals(bytes('run/model.safetensors'))).toBe(true);
  });
});

describe('a task of one value per scan', () => {
  it('is trained by the regression network, predicted into a table, and evaluated by its error', {
    timeout: MS,
  }, async () => {
    const trained = await train('age', age, '--network', 'unet-regression', '--steps', STEPS, '--lr', '0.01');
    expect(trained).toMatchObject({ task: 'age', threshold: null });
    await run('predict', at('age'), dataset, at('ages'));
    const rows = bytes('ages/desc-age_values.tsv').toString().trimEnd().split('\n');
    expect(rows[0]).toBe('participant_id\tage');
    expect(rows.slice(1).map((row) => row.split('\t')[0])).toEqual(['sub-a', 'sub-b', 'sub-c']);
    // The bright part grows with age: so do the predictions.
    const [a, b, c] = rows.slice(1).map((row) => Number(row.split('\t')[1])) as [number, number, number];
    expect(b - a).toBeGreaterThan(1);
    expect(c - b).toBeGreaterThan(1);
    const found = await run('evaluate', at('ages'), dataset);
    const error = (Math.abs(a - AGES.a) + Math.abs(b - AGES.b) + Math.abs(c - AGES.c)) / 3;
    expect((found.errors as { age: number }).age).toBeCloseTo(error, 9);
    expect(trained.trainError).toBeCloseTo(error, 4);
  });
});

describe('bad input', () => {
  const head = parts.heads[0]!;
  const cases: [string, unknown, string[], RegExp][] = [
    ['a field that does not exist', { ...parts, head: [] }, [], /there is no field "head"/],
    ['two heads of one name', { ...parts, heads: [head, head] }, [], /the name "parts" is there twice/],
    [
      'a channel that no scan has',
      { ...parts, channels: ['FLAIR'] },
      [],
      /there is no FLAIR image; there are T1w, T2w/,
    ],
    [
      'a value that no label image holds',
      { ...parts, heads: [{ ...head, target: { from: 'dseg', values: [2, 3, 7] } }] },
      [],
      /no training scan has the label left \(7\)/,
    ],
    [
      'a mask that nobody has',
      { ...parts, heads: [{ name: 'x', labels: ['cyst'], target: { from: 'mask' } }] },
      [],
      /no scan has a cyst mask to train on/,
    ],
    [
      'a column that does not exist',
      { ...age, heads: [{ name: 'age', target: { from: 'column', column: 'edss' } }] },
      ['--network', 'unet-regression'],
      /no scan has a number in the column edss of participants.tsv/,
    ],
    [
      'a column that is constant',
      { ...age, heads: [{ name: 'site', target: { from: 'column', column: 'site' } }] },
      ['--network', 'unet-regression'],
      /site of participants.tsv is 3 for every training scan/,
    ],
    [
      'a value per scan of a network that has none',
      age,
      [],
      /network unet: its output age has a value per voxel, and one per scan is wanted/,
    ],
    [
      'an unknown kind of network',
      parts,
      ['--network', 'transformer'],
      /--network must be one of unet, nnunet, .*not "transformer"/,
    ],
  ];
  it.each(cases)('names %s', { timeout: MS }, async (name, task, words, message) => {
    const out = name.replaceAll(' ', '-');
    put(`${out}.json`, JSON.stringify(task));
    const size = ['--patch', '8', '--levels', '2', '--base-channels', '2', '--steps', '2'];
    const result = await runCli(['train', dataset, at(out), '--task', at(`${out}.json`), ...size, ...words]);
    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(message);
    expect(result.stderr).toMatch(/\nhint: |must be one of/);
  });
});
