import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SchedulerError, UsageError } from '../../../src/core/errors.ts';
import { MemoryFiles } from '../../../src/core/files.ts';
import { readJobs } from '../../../src/pipeline/slurm/slurm-jobs.ts';
import { parseSlurmOptions } from '../../../src/pipeline/slurm/slurm-options.ts';
import { parseStates, type RunSlurm, submit } from '../../../src/pipeline/slurm/slurm-queue.ts';
import { sbatchScript } from '../../../src/pipeline/slurm/slurm-script.ts';
import { type SlurmRequest, submitUnits } from '../../../src/pipeline/slurm/slurm-submit.ts';
import { waitForUnits } from '../../../src/pipeline/slurm/slurm-wait.ts';
import { planWaves, withDependents } from '../../../src/pipeline/slurm/slurm-waves.ts';

const CHAIN = [
  { id: 'tissue', needs: [] },
  { id: 'stage-1', needs: [] },
  { id: 'correction', needs: ['tissue', 'stage-1'] },
  { id: 'net_single', needs: [] },
  { id: 'net_multi', needs: ['correction'] },
];
const SHARED = {
  version: '0.1.0',
  about: 'Work.',
  most: 2,
  options: [],
  folder: '/work',
  command: ['voxelgrad'],
};

describe('planWaves', () => {
  it('puts what is needed into earlier waves, and the rest as late as it may be', () => {
    const waves = planWaves(CHAIN).map((wave) => wave.map(({ id }) => id));
    expect(waves).toEqual([['tissue', 'stage-1'], ['correction'], ['net_single', 'net_multi']]);
  });

  it('splits a wave that is larger than an array may be', () => {
    const units = Array.from({ length: 5 }, (_, i) => ({ id: `u${i}`, needs: [] }));
    expect(planWaves(units, 2).map((wave) => wave.length)).toEqual([2, 2, 1]);
    expect(planWaves([])).toEqual([]);
  });

  it('finds everything that waits for a unit', () => {
    expect([...withDependents(CHAIN, ['stage-1'])].sort()).toEqual(['correction', 'net_multi', 'stage-1']);
  });
});

describe('sbatchScript', () => {
  const wave = { ...SHARED, name: 'wave-2', units: ['a', 'b', 'c'], after: ['41', '42'] };

  it('holds the units, what they wait for, and the command', () => {
    const script = sbatchScript({ ...wave, options: ['--partition=gpu'] });
    expect(script).toContain('#SBATCH --array=0-2%2\n');
    expect(script).toContain('#SBATCH --dependency=afterany:41:42\n');
    expect(script).toContain('#SBATCH --partition=gpu\n');
    expect(script).toContain('units=(\n  a\n  b\n  c\n)\n');
    expect(script).toMatch(/\ncd \/work \|\| exit\nexec voxelgrad "\$\{units\[SLURM_ARRAY_TASK_ID\]\}"\n$/);
  });

  it('is what the page on the experiment shows', () => {
    const page = readFileSync(new URL('../../../src/docs/experiment.md', import.meta.url), 'utf8');
    const program = '/home/me/study/node_modules/.bin/voxelgrad';
    const script = sbatchScript({
      version: '0.1.0',
      about:
        'One task of the job array is one unit of the experiment; a unit that is\nfinished ends at once, and one that was interrupted resumes from its last checkpoint.',
      name: 'wave-2',
      units: ['correction_07_seed-1', 'correction_19_seed-1'],
      after: ['1234'],
      most: 4,
      options: ['--partition=gpu', '--gres=gpu:1'],
      folder: '/home/me/study',
      command: ['node', program, 'experiment', 'DATASET', 'STUDY', '--units'],
    });
    expect(page).toContain(`\`\`\`bash\n${script}\`\`\``);
  });

  it('quotes paths for the shell', () => {
    const script = sbatchScript({ ...wave, folder: "/it's here; rm x", command: ['$(false)'] });
    expect(script).toContain(`cd '/it'\\''s here; rm x' || exit`);
    expect(script).toContain(`exec '$(false)' "`);
  });
});

describe('parseSlurmOptions', () => {
  it('takes options with and without dashes', () => {
    expect(parseSlurmOptions(' partition=gpu  --gres=gpu:1 exclusive ')).toEqual([
      '--partition=gpu',
      '--gres=gpu:1',
      '--exclusive',
    ]);
  });

  it.each([
    ['a line break', 'partition=gpu\ntouch x'],
    ['a short option', '-p gpu'],
    ['a quote', "comment='x'"],
    ['what voxelgrad sets itself', 'array=0-3'],
    ['where it writes its logs', 'output=x.log'],
    ['the beginning of such a name', 'arra=0-3'],
    ['the beginning of another such name', '--outpu=x.log'],
    ['the beginning of an allowed name', 'parti=gpu'],
    ['an unknown name', 'no-such-option'],
  ])('refuses %s', (_, text) => {
    expect(() => parseSlurmOptions(text)).toThrow(UsageError);
  });
});

describe("Slurm's answers", () => {
  it('reads states, and passes over lines of other jobs', () => {
    expect(parseStates('12|0|RUNNING\n12|1|PENDING\n13|N/A|RUNNING\n12|2|NODE_FAIL\n')).toEqual([
      { job: '12', task: 0, state: 'RUNNING', phase: 'running' },
      { job: '12', task: 1, state: 'PENDING', phase: 'waiting' },
      { job: '12', task: 2, state: 'NODE_FAIL', phase: 'ended' },
    ]);
  });

  it('takes the number of a job, with a cluster or without', async () => {
    const answer =
      (text: string): RunSlurm =>
      () =>
        Promise.resolve(text);
    expect(await submit(answer('17\n'), 'x')).toBe('17');
    expect(await submit(answer('17;main\n'), 'x')).toBe('17');
    await expect(submit(answer('Submitted batch job 17'), 'x')).rejects.toThrow(SchedulerError);
  });
});

/** A Slurm that takes jobs and says of their tasks what it is told. */
class PretendSlurm {
  readonly calls: string[] = [];
  readonly states: Map<string, string> = new Map();
  readonly finished: Set<string> = new Set();
  readonly out: MemoryFiles = new MemoryFiles('out');
  #jobs = 0;
  readonly run: RunSlurm = (program, words) => {
    this.calls.push([program, ...words].join(' '));
    if (program === 'sbatch') return Promise.resolve(`${++this.#jobs}\n`);
    if (program === 'scancel') return Promise.resolve('');
    return Promise.resolve(
      [...this.states].map(([task, state]) => `${task.replace('_', '|')}|${state}`).join('\n'),
    );
  };
  get request(): SlurmRequest {
    const { out, run, finished } = this;
    return { out, run, units: CHAIN, finishedOf: () => Promise.resolve(finished) };
  }
}

describe('submitUnits', () => {
  it('submits one array a wave, each after the one before, and writes the jobs down', async () => {
    const slurm = new PretendSlurm();
    const { submitted } = await submitUnits(slurm.request, SHARED);
    expect(submitted.map(({ units }) => units.length)).toEqual([2, 1, 2]);
    expect(await readJobs(slurm.out)).toEqual(submitted);
    const script = new TextDecoder().decode(await slurm.out.read('slurm/wave-3.sbatch'));
    expect(script).toContain('--dependency=afterany:2');
  });

  it('submits 10,000 units that need nothing as arrays side by side, or in turn if only so many may run', async () => {
    const slurm = new PretendSlurm();
    const units = Array.from({ length: 10_000 }, (_, i) => ({ id: `sub-${i}`, needs: [] }));
    const request = { ...slurm.request, units };
    const { submitted } = await submitUnits(request, { ...SHARED, most: undefined });
    expect(submitted.map(({ units: own }) => own.length)).toEqual(Array(10).fill(1000));
    const text = async (path: string): Promise<string> =>
      new TextDecoder().decode(await slurm.out.read(`slurm/${path}`));
    expect(await text('wave-10.sbatch')).not.toContain('--dependency');
    const limited = new PretendSlurm();
    await submitUnits({ ...limited.request, units }, SHARED);
    const script = new TextDecoder().decode(await limited.out.read('slurm/wave-10.sbatch'));
    expect(script).toContain('--dependency=afterany:9\n');
  });

  it('submits nothing that is queued or finished, and again what failed with what waits for it', async () => {
    const slurm = new PretendSlurm();
    await submitUnits(slurm.request, SHARED);
    slurm.finished.add('tissue');
    for (const [task, state] of [
      ['1_1', 'FAILED'],
      ['2_0', 'PENDING'],
      ['3_0', 'RUNNING'],
      ['3_1', 'PENDING'],
    ] as const)
      slurm.states.set(task, state);
    const again = await submitUnits(slurm.request, SHARED);
    expect(again).toMatchObject({ finished: 1, queued: 1 });
    expect(again.submitted.map(({ units }) => units)).toEqual([['stage-1'], ['correction'], ['net_multi']]);
    expect(slurm.calls).toContain('scancel 2_0 3_1');
  });
});

describe('waitForUnits', () => {
  it('names the unit that failed, why, its log, and what could not run', async () => {
    const slurm = new PretendSlurm();
    await submitUnits(slurm.request, SHARED);
    for (const unit of ['tissue', 'net_single']) slurm.finished.add(unit);
    for (const task of ['1_1', '2_0', '3_1']) slurm.states.set(task, 'FAILED');
    await slurm.out.write('slurm/logs/1_1.log', new TextEncoder().encode('x\nerror: no lesion\nhint: y\n'));
    await expect(waitForUnits(slurm.request, { seconds: 0.01 })).rejects.toThrow(
      'unit stage-1 failed (Slurm: FAILED): no lesion; 2 that need what failed could not run',
    );
  });

  it('bears a controller that does not answer for a while', async () => {
    const slurm = new PretendSlurm();
    await submitUnits(slurm.request, SHARED);
    let asked = 0;
    const run: RunSlurm = (program, words) => {
      if (asked++ < 2) return Promise.reject(new SchedulerError('squeue: no answer'));
      for (const { id } of CHAIN) slurm.finished.add(id);
      return slurm.run(program, words);
    };
    const warned: string[] = [];
    await waitForUnits({ ...slurm.request, run }, { seconds: 0.01, warn: (text) => warned.push(text) });
    expect(warned).toEqual(['squeue: no answer; asking again until it answers']);
  });
});
