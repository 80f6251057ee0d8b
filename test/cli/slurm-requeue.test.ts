import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shellWord } from '../../src/core/shell-word.ts';
import { buildCli, CLI_MAIN, runCli } from '../support/cli.ts';
import { slurmInstalled, startSlurm, type TestCluster, until } from '../support/slurm.ts';

const MS = 300_000;
const hasNamespaces =
  spawnSync('unshare', ['--pid', '--fork', '--mount-proc', '--uts', 'true'], { timeout: 10_000 }).status ===
  0;
const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-requeue-'));
const at = (name: string): string => join(folder, name);
const text = (name: string): string => (existsSync(at(name)) ? readFileSync(at(name), 'utf8') : '');

/** A run that is started, or goes on, on a node of this name: with a host name and process ids of its own. */
function onNode(node: string): string {
  const net = ['--preset', 'single', '--patch', '16', '--levels', '2', '--base-channels', '2'];
  const length = ['--subjects', '01', '--steps', '1000', '--checkpoint-steps', '5'];
  const words = [
    process.execPath,
    CLI_MAIN,
    'train',
    at('phantoms'),
    at('run'),
    ...net,
    ...length,
    '--resume',
  ];
  const inside = `hostname ${node}; exec ${words.map(shellWord).join(' ')}`;
  return `unshare --pid --fork --mount-proc --uts --kill-child sh -c ${shellWord(inside)}`;
}

describe.skipIf(!hasNamespaces || !slurmInstalled())('a job that Slurm puts back into the queue', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    buildCli();
    const made = await runCli([
      ...['phantom', at('phantoms'), '--subjects', '1', '--shape', '24,28,24', '--spacing', '7'],
    ]);
    expect(made.code, made.stderr).toBe(0);
    cluster = await startSlurm();
  }, MS);
  afterAll(async () => {
    await cluster?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it(
    'takes its folder over from the node that died, at once, and so does another job once that one has ended',
    async () => {
      const script = [
        '#!/bin/bash',
        '#SBATCH --requeue',
        '#SBATCH --open-mode=append',
        `#SBATCH --output=job.log`,
        'if [ -z "$SLURM_RESTART_COUNT" ]; then',
        `  ${onNode('node-a')} &`,
        '  echo $! > pid',
        // The node hangs after its process has died.
        '  sleep 600',
        'fi',
        `exec ${onNode('node-b')}`,
      ];
      writeFileSync(at('job.sh'), `${script.join('\n')}\n`);
      const id = (await cluster.run('sbatch', ['--parsable', 'job.sh'], folder)).trim();
      const isTraining = (): Promise<boolean> =>
        Promise.resolve(text('run/log.jsonl').split('\n').length > 20 && text('pid') !== '');
      expect(await until(isTraining, 120), text('job.log')).toBe(true);
      process.kill(Number(text('pid')), 'SIGKILL');
      const lock = JSON.parse(text('run/.lock')) as object;
      expect(lock).toMatchObject({ host: 'node-a', job: { id, restarts: 0 } });
      const killed = performance.now();
      await cluster.run('scontrol', ['requeue', id]);
      // Slurm waits for two minutes before it starts a job again, unless it is told otherwise once it has noted the time.
      let asked = performance.now();
      const isTaken = async (): Promise<boolean> => {
        if (text('run/.lock').includes('"node-b"')) return true;
        if (performance.now() - asked < 5000) return false;
        asked = performance.now();
        const state = await cluster.run('squeue', ['--noheader', '--format=%T %r', `--jobs=${id}`]);
        if (state.trim() === 'PENDING BeginTime')
          await cluster.run('scontrol', ['update', `jobid=${id}`, 'starttime=now']);
        return false;
      };
      expect(await until(isTaken, 140), text('job.log')).toBe(true);
      // A lock of another node counts for three minutes otherwise.
      expect(performance.now() - killed).toBeLessThan(150_000);
      expect(await until(() => Promise.resolve(existsSync(at('run/manifest.json'))), 120)).toBe(true);
      const steps = text('run/log.jsonl').trimEnd().split('\n');
      expect(steps.map((line) => (JSON.parse(line) as { step: number }).step)).toEqual(
        Array.from({ length: 1000 }, (_, i) => i + 1),
      );
      expect(text('job.log')).not.toMatch(/waiting:|^error:/m);

      // The same once more for a job that is another one: Slurm says that the first has ended.
      const hasEnded = async (): Promise<boolean> =>
        !/RUNNING|COMPLETING/.test(
          await cluster.run('squeue', ['--noheader', '--format=%T', `--jobs=${id},${id}`]),
        );
      expect(await until(hasEnded, 60)).toBe(true);
      mkdirSync(at('run'), { recursive: true });
      writeFileSync(at('run/.lock'), JSON.stringify({ ...lock, token: 'x' }));
      writeFileSync(at('next.sh'), `#!/bin/bash\n#SBATCH --output=next.log\nexec ${onNode('node-c')}\n`);
      await cluster.run('sbatch', ['--wait', 'next.sh'], folder);
      expect(text('next.log')).toMatch(/the run is finished; there is nothing to resume/);
      expect(text('next.log')).not.toMatch(/waiting:|^error:/m);
    },
    MS,
  );
});
