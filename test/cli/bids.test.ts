import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BoutiquesDescriptor } from '../../src/cli/boutiques.ts';
import { writeNifti } from '../../src/imaging/nifti/write.ts';
import { makePhantom } from '../../src/study/phantom/index.ts';
import { buildCli, type CliRun, errorLines, runCli } from '../support/cli.ts';
import { slurmInstalled, startSlurm, type TestCluster } from '../support/slurm.ts';

const GPU_MS = 300_000;
const folder = mkdtempSync(join(tmpdir(), 'voxelgrad bids '));
const at = (...names: string[]): string => join(folder, ...names);
const SCANS = ['sub-01/ses-1', 'sub-01/ses-2', 'sub-02/ses-1'];

beforeAll(async () => {
  buildCli();
  const put = (path: string, bytes: Uint8Array | string): void => {
    mkdirSync(dirname(at('set', path)), { recursive: true });
    writeFileSync(at('set', path), bytes);
  };
  put('dataset_description.json', '{"Name":"phantoms","BIDSVersion":"1.11.0"}');
  for (const [i, scan] of SCANS.entries()) {
    const { grid, modalities, brain } = makePhantom({
      ...{ seed: 5, subjectIndex: i, shape: [24, 28, 24], spacing: 7, noise: 0.02, biasField: 0.2 },
    });
    const stem = `${scan}/anat/${scan.replace('/', '_')}`;
    put(`${stem}_FLAIR.nii.gz`, writeNifti({ grid, data: modalities.FLAIR }, { datatype: 'float32' }));
    put(
      `derivatives/brain/${stem}_desc-brain_mask.nii.gz`,
      writeNifti({ grid, data: brain }, { datatype: 'uint8' }),
    );
  }
  const made = await runCli([
    'phantom',
    at('isbi'),
    '--subjects',
    '1',
    '--shape',
    '24,28,24',
    '--spacing',
    '7',
  ]);
  expect(made.code, made.stderr).toBe(0);
  const small = ['--steps', '2', '--patch', '8', '--levels', '2', '--base-channels', '2'];
  const net = ['--preset', 'single', '--modalities', 'FLAIR', ...small];
  const trained = await runCli(['train', at('isbi'), at('run'), ...net]);
  expect(trained.code, trained.stderr).toBe(0);
}, GPU_MS);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const bids = (out: string, ...words: string[]): Promise<CliRun> =>
  runCli(['bids', at('set'), at(out), ...words]);
const filesOf = (out: string): string[] =>
  readdirSync(at(out), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(at(out).length + 1))
    .sort();

/** Entities of BIDS in the order that names must have (bids-specification 1.11, schema/rules/entities.yaml). */
const ENTITIES = [
  'sub',
  'ses',
  'sample',
  'acq',
  'ce',
  'rec',
  'run',
  'mod',
  'hemi',
  'space',
  'res',
  'label',
  'desc',
];

/** Whether a path is one that BIDS 1.11 allows in derivatives, for the images that are made here. */
function isBidsPath(path: string): boolean {
  const [, folders = '', name = ''] = /^((?:[^/]+\/)*)([^/]+)$/.exec(path) ?? [];
  if (folders === '')
    return /^(dataset_description\.json|README(\.md)?|participants\.(tsv|json))$/.test(name);
  const [, entities = '', suffix = ''] =
    /^((?:[a-z]+-[a-zA-Z0-9]+_)+)(FLAIR|T1w|mask|probseg|dseg)\.(?:nii\.gz|json|tsv)$/.exec(name) ?? [];
  const keys = entities
    .split('_')
    .slice(0, -1)
    .map((part) => part.split('-')[0]!);
  const places = keys.map((key) => ENTITIES.indexOf(key));
  const [sub, ses] = entities.split('_');
  const folder = keys[1] === 'ses' ? `${sub}/${ses}/anat/` : `${sub}/anat/`;
  return (
    suffix !== '' &&
    !places.includes(-1) &&
    places.join() === [...places].sort((a, b) => a - b).join() &&
    folder === folders
  );
}

/** Whether a pattern of `.bidsignore`, which has the rules of `.gitignore`, names a path. */
function isIgnored(path: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith('/')
      ? `/${path}`.includes(`/${pattern}`)
      : new RegExp(`(^|/)${pattern.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`).test(path),
  );
}

describe('bids', () => {
  it(
    'segments the scans that labels choose, makes the tables as the group, and names its files by BIDS',
    async () => {
      const done = await bids(
        'out',
        'participant',
        '--participant_label',
        'sub-01',
        '02',
        '--session-label',
        'ses-1',
        '--run',
        at('run'),
        '--n_procs',
        '2',
        '--mem',
        '4000',
      );
      expect(done.code, done.stderr).toBe(0);
      expect(done.stderr).toContain('holds raw scans: they are prepared and segmented');
      expect(done.stderr).toContain('--n-procs: scans are done one after the other');
      const masks = filesOf('out').filter((path) => path.endsWith('_label-L_mask.nii.gz'));
      expect(masks).toEqual(
        ['sub-01/ses-1', 'sub-02/ses-1'].map(
          (scan) => `${scan}/anat/${scan.replace('/', '_')}_space-orig_label-L_mask.nii.gz`,
        ),
      );
      expect(existsSync(at('out', 'qc.html'))).toBe(false);
      const group = await bids('out', 'group', '--json');
      expect(group.code, group.stderr).toBe(0);
      expect(JSON.parse(group.stdout)).toMatchObject({ scans: 2 });
      const text = readFileSync(at('out', 'volumes.tsv'), 'utf8').trimEnd().split('\n');
      expect(text.slice(1).map((line) => line.split('\t').slice(0, 2).join())).toEqual([
        'sub-01,ses-1',
        'sub-02,ses-1',
      ]);
      const patterns = readFileSync(at('out', '.bidsignore'), 'utf8').trim().split('\n');
      const rest = filesOf('out').filter((path) => path !== '.bidsignore' && !isIgnored(path, patterns));
      expect(rest.filter((path) => !isBidsPath(path))).toEqual([]);
      expect(rest.length).toBeGreaterThan(6);
      const description = JSON.parse(readFileSync(at('out', 'dataset_description.json'), 'utf8')) as object;
      expect(description).toMatchObject({
        DatasetType: 'derivative',
        BIDSVersion: '1.11.0',
        GeneratedBy: [{ Name: 'voxelgrad' }],
      });
    },
    GPU_MS,
  );

  it('says what is wrong with labels, levels and data sets, and lists what there is', async () => {
    const first = async (...words: string[]): Promise<string> =>
      errorLines(await runCli(['bids', ...words])).find((line) => line.startsWith('error:'))!;
    const to = ['--run', at('run')];
    const set = [at('set'), at('none')];
    expect(await first(...set, 'participant', '--participant-label', '01', 'sub-9', ...to)).toMatch(
      /no subject "9"; there are 01, 02$/,
    );
    expect(await first(...set, 'participant', '--session-label', '7', ...to)).toMatch(
      /there is no visit "7"; there are 1, 2$/,
    );
    expect(await first(...set, 'both')).toContain('ANALYSIS_LEVEL must be participant or group, not "both"');
    expect(await first(...set)).toContain('ANALYSIS_LEVEL is missing');
    mkdirSync(at('bare'), { recursive: true });
    expect(await first(at('bare'), at('none'), 'participant', ...to)).toContain(
      'there is no dataset_description.json',
    );
    writeFileSync(at('bare', 'dataset_description.json'), '{"Name":"bare"}');
    expect(await first(at('bare'), at('none'), 'participant', ...to)).toContain('has no BIDSVersion');
    expect(await first(at('bare'), at('none'), 'participant', '--skip-bids-validation', ...to)).toContain(
      'no data set found',
    );
    writeFileSync(at('bare', 'dataset_description.json'), '{"Name":"bare","DatasetType":"derivative"}');
    expect(await first(at('bare'), at('none'), 'participant')).toContain('--run is missing');
    expect(existsSync(at('none'))).toBe(false);
  });

  it('describes itself for Boutiques, by the rules of its schema', async () => {
    const run = await runCli(['bids', '--boutiques']);
    const descriptor = JSON.parse(run.stdout) as BoutiquesDescriptor;
    const { inputs } = descriptor;
    const line = descriptor['command-line'];
    expect(descriptor['schema-version']).toBe('0.5');
    expect(line.startsWith('voxelgrad bids [BIDS_DIR] [OUTPUT_DIR] [ANALYSIS_LEVEL] ')).toBe(true);
    expect(new Set(inputs.map(({ id }) => id)).size).toBe(inputs.length);
    const help = (await runCli(['bids', '--help'])).stdout;
    for (const input of inputs) {
      expect(input.id).toMatch(/^[0-9_a-zA-Z]+$/);
      expect(line.split(input['value-key']!).length, input.id).toBe(2);
      const flag = input['command-line-flag'];
      if (flag === undefined) expect(input.optional).toBe(false);
      else expect(help).toContain(flag);
      if (input['list-separator'] !== undefined) expect(input.list).toBe(true);
      if (input.minimum !== undefined) expect(input.type).toBe('Number');
      if (input.type === 'Flag') expect(flag).toBeDefined();
    }
    const flags = new Set(inputs.map((input) => input['command-line-flag']));
    const known = [...help.matchAll(/ (--[a-z-]+)/g)]
      .map(([, flag]) => flag!)
      .filter((flag) => !['--boutiques', '--unit'].includes(flag));
    expect(known.filter((flag) => !flags.has(flag))).toEqual([]);
  });
});

describe.skipIf(!slurmInstalled())('a cohort on Slurm', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startSlurm();
  });
  afterAll(async () => {
    await cluster?.stop();
  });
  const predict = (out: string, ...words: string[]): Promise<CliRun> =>
    runCli(['predict', at('run'), at('set'), at(out), ...words], { env: cluster.env });
  const onSlurm = (...words: string[]): Promise<CliRun> => predict('slurm', '--executor', 'slurm', ...words);

  it(
    'comes to the tables of a local run, also when a task is lost on the way; other options are refused',
    async () => {
      const local = await predict('local', '--json');
      expect(local.code, local.stderr).toBe(0);
      const waiting = await onSlurm('--slurm-options', 'begin=now+1hour', '--submit-only', '--json');
      expect(waiting.code, waiting.stderr).toBe(0);
      const { submitted } = JSON.parse(waiting.stdout) as { submitted: { id: string; units: string[] }[] };
      expect(submitted.map(({ units }) => units)).toEqual([['sub-01_ses-1', 'sub-01_ses-2', 'sub-02_ses-1']]);
      // One task is lost, with half of a file written; the others may begin.
      const { id } = submitted[0]!;
      await cluster.run('scancel', [`${id}_1`]);
      const anat = at('slurm', 'sub-01/ses-2/anat');
      mkdirSync(anat, { recursive: true });
      writeFileSync(join(anat, 'sub-01_ses-2_space-orig_label-L_mask.nii.gz'), 'half');
      for (const task of [0, 2])
        await cluster.run('scontrol', ['update', `JobId=${id}_${task}`, 'StartTime=now']);
      const done = await onSlurm('--json');
      expect(done.code, done.stderr).toBe(0);
      expect(done.stderr).toMatch(/submitted \S.*: 1 units/);
      const tables = filesOf('local').filter((path) => /\.(tsv|nii\.gz)$/.test(path));
      expect(tables.length).toBeGreaterThan(6);
      for (const path of tables)
        expect(readFileSync(at('slurm', path)).equals(readFileSync(at('local', path))), path).toBe(true);
      const scans = ({ stdout }: CliRun): object[] =>
        (JSON.parse(stdout) as { scans: { seconds: number }[] }).scans.map(({ seconds: _, ...scan }) => scan);
      expect(JSON.stringify(scans(done))).toBe(
        JSON.stringify(scans(local)).replaceAll(at('local'), at('slurm')),
      );
      const again = await onSlurm();
      expect(again.code, again.stderr).toBe(0);
      expect(again.stderr).not.toContain('submitted');
      const other = await onSlurm('--threshold', '0.5');
      expect(errorLines(other).find((line) => line.startsWith('error:'))).toContain(
        'was done by another command',
      );
    },
    GPU_MS,
  );
});
