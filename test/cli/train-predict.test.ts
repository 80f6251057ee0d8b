import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sizeOf } from '../../src/core/shape.ts';
import { readNifti } from '../../src/imaging/nifti/read.ts';
import { sameGrid, voxelVolume } from '../../src/imaging/volume/volume.ts';
import { decodeModel, encodeModel } from '../../src/pipeline/models/model.ts';
import { variantConfig } from '../../src/study/presets/index.ts';
import { buildCli, errorLines, runCli } from '../support/cli.ts';
import { presetInfo } from '../support/models.ts';
import { tensorsOf } from '../support/network-tensors.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-train-'));
const dataset = join(folder, 'phantoms');
const run = join(folder, 'run');
const at = (name: string): string => join(folder, name);
/** The smallest run that still has every part. */
const TINY = ['--patch', '16', '--levels', '2', '--base-channels', '2', '--steps', '3', '--subjects', '01'];

async function train(out: string, ...words: string[]): Promise<Record<string, unknown>> {
  const result = await runCli(['train', dataset, out, ...TINY, ...words, '--json']);
  expect(result.code, result.stderr).toBe(0);
  expect(result.stdout.trimEnd()).not.toContain('\n');
  return JSON.parse(result.stdout) as Record<string, unknown>;
}

async function expectFailure(words: readonly string[], code: 1 | 2, message: string | RegExp): Promise<void> {
  const result = await runCli(words);
  const errors = errorLines(result).filter((line) => /^(error|hint): |^\s+at /.test(line));
  expect(errors[0]).toMatch(message);
  expect(errors.filter((line) => !line.startsWith('hint: '))).toHaveLength(1);
  expect(result.stdout).toBe('');
  expect(result.code).toBe(code);
}

/** A software driver compiles for seconds, in every process anew. */
const GPU_MS = 300_000;

let summary: Record<string, unknown>;
beforeAll(async () => {
  buildCli();
  const words = ['phantom', dataset, '--subjects', '2', '--shape', '24,28,24', '--spacing', '7'];
  expect((await runCli(words)).code).toBe(0);
  summary = await train(run, '--variant', 'single');
}, GPU_MS);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('train', () => {
  it('tells what came of it', () => {
    expect(Object.keys(summary)).toEqual([
      'run',
      'task',
      'steps',
      'seconds',
      'finalLoss',
      'threshold',
      'trainDice',
      'trainError',
      'best',
    ]);
    expect(summary).toMatchObject({ run, task: 'single', steps: 3 });
    for (const key of ['seconds', 'finalLoss', 'threshold', 'trainDice'])
      expect(summary[key], key).toBeTypeOf('number');
  });

  it('logs every step', () => {
    const lines = readFileSync(join(run, 'log.jsonl'), 'utf8').trimEnd().split('\n');
    const steps = lines.map((line) => JSON.parse(line));
    expect(steps.map((step) => step.step)).toEqual([1, 2, 3]);
    for (const step of steps) {
      expect(step.epoch).toBe(1);
      expect(step.loss).toBeTypeOf('number');
      expect(step.seconds).toBeTypeOf('number');
    }
    expect(steps[2].loss).toBe(summary.finalLoss);
  });

  it('writes every setting, and the network with its threshold', () => {
    const config = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8'));
    expect(config.settings).toMatchObject({
      preset: 'single',
      subjects: ['01'],
      modalities: ['FLAIR', 'T1w', 'T2w', 'PDw'],
      patch: 16,
      steps: 3,
      epochs: null,
      tpr: 'off',
      seed: 1,
    });
    const model = decodeModel(readFileSync(join(run, 'model.safetensors')), 'm');
    expect(model.info).toMatchObject({
      task: { name: 'single' },
      decisions: { lesion: { kind: 'threshold', thresholds: [summary.threshold] } },
      patch: 16,
    });
  });

  it(
    'gives the same bits again from its own config.json',
    async () => {
      const bytes = readFileSync(join(run, 'model.safetensors'));
      const words = ['train', dataset, at('again'), '--config', join(run, 'config.json')];
      const result = await runCli(words);
      expect(result.code, result.stderr).toBe(0);
      expect(readFileSync(join(at('again'), 'model.safetensors')).equals(bytes)).toBe(true);
    },
    GPU_MS,
  );

  it(
    'refuses a folder that holds a trained network unless told to, and another seed gives other bits',
    async () => {
      const bytes = readFileSync(join(run, 'model.safetensors'));
      cpSync(run, at('old'), { recursive: true });
      const words = ['train', dataset, at('old'), ...TINY, '--variant', 'single', '--seed', '9'];
      await expectFailure(words, 1, /there is a trained network already/);
      expect(readFileSync(join(at('old'), 'model.safetensors')).equals(bytes)).toBe(true);
      const result = await runCli([...words, '--overwrite']);
      expect(result.code, result.stderr).toBe(0);
      expect(readFileSync(join(at('old'), 'model.safetensors')).equals(bytes)).toBe(false);
    },
    GPU_MS,
  );

  it.each<[string, string[], 1 | 2, RegExp]>([
    ['no preset', [], 2, /--preset is missing/],
    [
      'a wrong preset',
      ['--variant', 'double'],
      2,
      /--preset must be one of single, multi-input, multi-output/,
    ],
    ['two lengths', ['--variant', 'single', '--minutes', '1'], 2, /--steps and --minutes exclude each other/],
    ['an option given twice', ['--variant', 'single', '--patch=15'], 2, /--patch is given twice/],
    ['an unknown rater', ['--variant', 'single', '--rater', 'x'], 1, /no lesion mask of rater x/],
    [
      'a missing modality',
      ['--variant', 'single', '--modalities', 'FLAIR,DIR'],
      1,
      /there is no DIR image; there are FLAIR, T1w, T2w, PDw/,
    ],
    [
      'a missing tissue folder',
      ['--variant', 'multi-input', '--tissue', '/nonexistent'],
      1,
      /"\/nonexistent" is neither a source of maps in .* nor a folder/,
    ],
    ['a missing config', ['--config', '/nonexistent.json'], 1, /nonexistent.json: cannot be read/],
  ])('refuses %s', async (_, words, code, message) => {
    await expectFailure(['train', dataset, at('refused'), ...TINY, ...words], code, message);
    expect(existsSync(join(at('refused'), 'model.safetensors'))).toBe(false);
  });

  it('refuses unknown subjects, patches that are too large and folders that cannot be written', async () => {
    const words = (out: string, ...more: string[]): string[] => [
      'train',
      dataset,
      out,
      '--variant',
      'single',
      ...more,
    ];
    await expectFailure(
      words(at('x'), '--subjects', '09'),
      1,
      /no subject "09"; there are training01, training02/,
    );
    await expectFailure(
      words(at('x'), '--patch', '32'),
      1,
      /a patch of 32x32x32 voxels is larger than the volume, 24x28x24/,
    );
    await expectFailure(
      words(at('x'), '--patch', '20'),
      2,
      /--patch must be a multiple of 8 with 4 levels, not 20/,
    );
    await expectFailure(words('/proc/voxelgrad'), 1, /cannot be written to/);
    writeFileSync(at('bad.json'), '{"patches": 3}');
    await expectFailure(
      [...words(at('x')), '--config', at('bad.json')],
      2,
      /bad.json: there is no setting "patches"/,
    );
  });
});

describe('predict', () => {
  const mask = 'sub-training02/ses-01/anat/sub-training02_ses-01_space-orig_label-L_mask.nii.gz';

  it(
    'takes several runs, whose mean is written, and mirrored tiles',
    async () => {
      const words = ['--subjects', '02', '--json'];
      for (const [out, ...runs] of [
        ['once', run],
        ['twice', run, run],
      ] as const) {
        const result = await runCli(['predict', ...runs, dataset, at(out), ...words]);
        expect(result.code, result.stderr).toBe(0);
      }
      // The mean of a network with itself is what it says alone.
      expect(readFileSync(join(at('twice'), mask))).toEqual(readFileSync(join(at('once'), mask)));
      const result = await runCli(['predict', run, dataset, at('mirrored'), '--mirror', ...words]);
      expect(result.code, result.stderr).toBe(0);
      const [twice, mirrored] = ['twice', 'mirrored'].map((name) =>
        JSON.parse(readFileSync(join(at(name), mask.replace('.nii.gz', '.json')), 'utf8')),
      );
      expect(JSON.stringify(twice)).toMatch(/"MeanWithModels":\["[0-9a-f]{64}"\]/);
      expect(JSON.stringify(mirrored)).toContain('"Mirroring":"mean of all 8 mirrored tiles"');
    },
    GPU_MS,
  );
  const flair = join(dataset, 'training/training02/preprocessed/training02_01_flair_pp.nii.gz');

  it(
    "writes mask and probabilities on the input's grid, which evaluate scores",
    async () => {
      const out = at('predictions');
      const result = await runCli(['predict', run, dataset, out, '--subjects', '02', '--json']);
      expect(result.code, result.stderr).toBe(0);
      const { scans } = JSON.parse(result.stdout);
      // A phantom may or may not pass for a brain; what is said of it must agree.
      const isPlaced = scans[0].found[0].Regions !== undefined;
      expect(scans[0].warnings.join().includes('regions are not given')).toBe(!isPlaced);
      const regions = join(out, mask.replace('_mask', '_desc-regions_dseg'));
      expect(existsSync(regions)).toBe(isPlaced);
      expect(scans).toEqual([
        {
          subject: 'training02',
          session: '01',
          mask: join(out, mask),
          probabilities: join(out, mask.replace('_mask', '_probseg')),
          files: [
            join(out, mask),
            join(out, mask.replace('_mask', '_probseg')),
            ...(isPlaced ? [regions] : []),
          ],
          tables: [join(out, mask.replace('_mask.nii.gz', '_lesions.tsv'))],
          found: [expect.objectContaining({ Label: 'lesion', Count: expect.any(Number), Dropped: null })],
          tissue: null,
          tissueMaps: [],
          resampled: null,
          seconds: expect.any(Number),
          warnings: expect.any(Array),
        },
      ]);
      const beside = JSON.parse(readFileSync(scans[0].mask.replace('.nii.gz', '.json'), 'utf8'));
      const model = readFileSync(join(run, 'model.safetensors'));
      expect(beside).toMatchObject({
        Type: 'Lesion',
        Threshold: summary.threshold,
        Model: { SHA256: createHash('sha256').update(model).digest('hex'), TrainedOnThisScan: 'no' },
      });
      expect(beside.Sources[0]).toBe(
        'bids:raw:training/training02/preprocessed/training02_01_flair_pp.nii.gz',
      );
      const input = await readNifti(readFileSync(flair), 'flair');
      const probabilities = (await readNifti(readFileSync(scans[0].probabilities), 'p')).volume;
      const voxels = (await readNifti(readFileSync(scans[0].mask), 'm')).volume.data;
      expect(sameGrid(probabilities.grid, input.volume.grid)).toBe(true);
      const threshold = summary.threshold as number;
      probabilities.data.forEach((p, i) => {
        if (!(p >= 0 && p <= 1)) expect.unreachable(`probability ${p}`);
        if (p < threshold && voxels[i] !== 0) expect.unreachable('lesion below the threshold');
      });
      const [{ Count: count, VolumeMl: ml }] = scans[0].found;
      const rows = readFileSync(scans[0].tables[0], 'utf8').trimEnd().split('\n');
      expect(rows).toHaveLength(1 + count);
      const marked = voxels.reduce((sum, v) => sum + v, 0);
      expect(ml).toBeCloseTo((marked * voxelVolume(probabilities.grid)) / 1000, 9);
      const volumes = readFileSync(join(out, 'volumes.tsv'), 'utf8').trimEnd().split('\n');
      expect(volumes[1]!.split('\t').slice(0, 3)).toEqual(['sub-training02', 'ses-01', String(count)]);
      const scored = await runCli(['evaluate', out, dataset, '--json']);
      expect(JSON.parse(scored.stdout).scans).toMatchObject([{ trainedOn: 'no' }]);
    },
    GPU_MS,
  );

  it('refuses a network that is not its run’s, and a folder of another network’s', async () => {
    const forged = at('forged');
    cpSync(run, forged, { recursive: true });
    const bytes = readFileSync(join(run, 'model.safetensors'));
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(join(forged, 'model.safetensors'), bytes);
    await expectFailure(
      ['predict', forged, dataset, at('never')],
      1,
      /is not the network that the run ended with/,
    );
    rmSync(join(forged, 'manifest.json'));
    await expectFailure(['predict', forged, dataset, at('predictions')], 1, /holds what another model made/);
  });

  it(
    'takes a threshold',
    async () => {
      const out = at('everything');
      const result = await runCli(['predict', run, dataset, out, '--subjects', '02', '--threshold', '0']);
      expect(result.code, result.stderr).toBe(0);
      const input = (await readNifti(readFileSync(flair), 'flair')).volume.data;
      const { data } = (await readNifti(readFileSync(join(out, mask)), 'm')).volume;
      expect(data.reduce((sum, v) => sum + v, 0)).toBeGreaterThan(input.filter((v) => v > 0).length * 0.99);
    },
    GPU_MS,
  );

  it(
    'resamples a scan of another voxel size and says so, or says that it does not',
    async () => {
      const finer = at('finer');
      const words = ['phantom', finer, '--subjects', '1', '--shape', '34,40,34', '--spacing', '5'];
      expect((await runCli(words)).code).toBe(0);
      const image = join(finer, 'training/training01/preprocessed/training01_01_flair_pp.nii.gz');
      const input = await readNifti(readFileSync(image), 'flair');
      for (const [extra, resampled, note] of [
        [[], { from: [5, 5, 5], to: [7, 7, 7] }, /network learned at 7x7x7 mm: it is resampled/],
        [['--no-resample'], null, /network learned at 7x7x7 mm: it is predicted as it is/],
      ] as const) {
        const out = at(`finer${extra.length}`);
        const result = await runCli(['predict', run, finer, out, '--json', ...extra]);
        expect(result.code, result.stderr).toBe(0);
        expect(result.stderr).toMatch(note);
        expect(result.stderr).toMatch(/note: sub-training01_ses-01: its voxels are 5x5x5 mm/);
        const [scan] = JSON.parse(result.stdout).scans;
        expect(scan.resampled).toEqual(resampled);
        const { header } = await readNifti(readFileSync(scan.mask), 'mask');
        expect(header.grid).toEqual(input.header.grid);
      }
    },
    GPU_MS,
  );

  it(
    'of a multi-input model makes the tissue maps that are missing, and corrects them by the stage-1 net',
    async () => {
      const multi = at('run-input');
      const words = ['--variant', 'multi-input', '--stage-1', run];
      await train(multi, ...words);
      expect(readFileSync(join(multi, 'stage-1/model.safetensors'))).toEqual(
        readFileSync(join(run, 'model.safetensors')),
      );
      const verified = await runCli(['verify', multi, '--json']);
      expect(JSON.parse(verified.stdout).checks.map(({ file }: { file: string }) => file)).toContain(
        'stage-1/model.safetensors',
      );
      const bare = at('bare');
      cpSync(dataset, bare, { recursive: true, filter: (path) => !/\/c[123][^/]*$/.test(path) });
      const predict = async (from: string, out: string): Promise<[scan: object, stderr: string]> => {
        const result = await runCli(['predict', from, bare, out, '--subjects', '02', '--json']);
        expect(result.code, result.stderr).toBe(0);
        return [JSON.parse(result.stdout).scans[0], result.stderr];
      };
      const [scan, note] = await predict(multi, at('corrected'));
      const maps = ['GM', 'WM', 'CSF'].map((label) =>
        join(at('corrected'), mask.replace('L_mask', `${label}_probseg`)),
      );
      expect(scan).toMatchObject({ tissue: 'corrected', tissueMaps: maps });
      expect(maps.every((path) => existsSync(path))).toBe(true);
      expect(note).toMatch(/tissue maps of sub-training02_ses-01 are made from the T1; .*stage-1 net/);
      rmSync(join(multi, 'stage-1'), { recursive: true });
      const [plain, warning] = await predict(multi, at('uncorrected'));
      expect(plain).toMatchObject({ tissue: 'uncorrected' });
      expect(warning).toMatch(/they stay uncorrected, since the run has no stage-1\/model.safetensors/);
      await expectFailure(['verify', multi], 1, /manifest.json: .*stage-1.*cannot be read/);
    },
    GPU_MS,
  );

  it('refuses a stage-1 net that does not fit, and tissue maps that are not there', async () => {
    await expectFailure(
      ['train', dataset, at('ill-suited'), ...TINY, '--variant', 'single', '--stage-1', run],
      2,
      /--stage-1 means nothing with --preset single/,
    );
    const words = [
      'train',
      dataset,
      at('ill-suited'),
      ...TINY,
      '--variant',
      'multi-input',
      '--modalities',
      'FLAIR,T1w',
    ];
    await expectFailure(
      [...words, '--stage-1', run],
      1,
      /run\/model.safetensors: reads FLAIR, PDw, T1w, T2w; the run's net FLAIR, T1w/,
    );
    expect(existsSync(at('ill-suited'))).toBe(false);
    const bare = at('no-t1');
    cpSync(dataset, bare, { recursive: true, filter: (path) => !/\/c[123][^/]*$|_mprage_/.test(path) });
    const network = variantConfig('multi-input', ['FLAIR'], { baseChannels: 2, levels: 2 });
    const specs = tensorsOf(network);
    const weights = new Map(specs.map(({ name, shape }) => [name, new Float32Array(sizeOf(shape))]));
    const info = { network, modalities: ['FLAIR'], threshold: 0.5, patch: 16, settings: {} } as const;
    mkdirSync(at('flair-only'));
    writeFileSync(
      join(at('flair-only'), 'model.safetensors'),
      encodeModel({ info: presetInfo({ ...info, variant: 'multi-input' }), weights }),
    );
    await expectFailure(
      ['predict', at('flair-only'), bare, at('unwritten'), '--subjects', '02'],
      1,
      /reads tissue maps; there are none, and no T1w image to make them from/,
    );
    await expectFailure(
      ['predict', run, dataset, at('unwritten'), '--tissue', 'spm', '--make-tissues'],
      2,
      /--maps and --make-tissues exclude each other/,
    );
    expect(existsSync(at('unwritten'))).toBe(false);
  });

  it('never writes among files that are not its own', async () => {
    const before = readdirSync(dataset);
    await expectFailure(
      ['predict', run, dataset, dataset],
      1,
      /holds files that are not predictions \(training\)/,
    );
    expect(readdirSync(dataset)).toEqual(before);
  });

  it('refuses runs and data that do not fit', async () => {
    await expectFailure(['predict', folder, dataset, at('p')], 1, /model.safetensors: cannot be read/);
    cpSync(run, at('broken'), { recursive: true });
    const bytes = readFileSync(join(run, 'model.safetensors'));
    writeFileSync(join(at('broken'), 'model.safetensors'), bytes.subarray(0, bytes.length - 5));
    await expectFailure(
      ['predict', at('broken'), dataset, at('p')],
      1,
      /broken\/model.safetensors: tensor ".*" lies at bytes/,
    );
    const poor = at('poor');
    cpSync(dataset, poor, { recursive: true, filter: (path) => !path.includes('_t2_') });
    await expectFailure(
      ['predict', run, poor, at('p'), '--subjects', '02'],
      1,
      /there is no T2w image; there are FLAIR, T1w, PDw/,
    );
    await expectFailure(['predict', run, dataset, at('p'), '--subjects', '9'], 1, /no subject "9"/);
    await expectFailure(
      ['predict', run, dataset, at('p'), '--threshold', '2'],
      2,
      /--threshold must be a number from 0 to 1/,
    );
    await expectFailure(
      ['predict', run, dataset, at('p'), '--overlap', '1'],
      2,
      /--overlap must be a number from 0 to 0.9/,
    );
    await expectFailure(
      ['predict', run, dataset, at('p'), '--tile', '15'],
      2,
      /--tile must be a multiple of 2 for this network, not 15/,
    );
    await expectFailure(
      ['predict', run, dataset, at('p'), '--memory', '10k'],
      1,
      /prediction needs [\d.]+ kB on the GPU, most of it for .*; the budget is 10.0 kB/,
    );
    await expectFailure(['predict', run, dataset], 2, /OUT is missing/);
  });
});
