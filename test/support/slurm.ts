import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const DAEMONS = ['munged', 'slurmctld', 'slurmd'] as const;
type Daemon = (typeof DAEMONS)[number];

/** Daemons lie where an ordinary user's PATH does not look. */
const FOLDERS = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/local/sbin'];

function find(program: string): string | undefined {
  return FOLDERS.map((folder) => join(folder, program)).find((path) => existsSync(path));
}

/**
 * Whether Slurm and munge are here. Tests that need them skip where they are absent:
 * `describe.skipIf(!slurmInstalled())`.
 */
export function slurmInstalled(): boolean {
  const missing = [...DAEMONS, 'sbatch', 'squeue', 'scancel', 'sinfo'].filter((program) => !find(program));
  if (missing.length > 0)
    console.warn(
      `${missing.join(', ')} not found: tests on Slurm are skipped (apt-get install slurm-wlm munge)`,
    );
  return missing.length === 0;
}

/** A Slurm of one node with two processors, for one test file: real daemons, own key, own ports. */
export interface TestCluster {
  /** Makes Slurm's commands speak to this cluster. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs one of Slurm's commands. @returns what it printed @throws with what it said where it fails */
  run(program: string, words: readonly string[], cwd?: string): Promise<string>;
  /** Cancels all jobs, waits for their end and stops the daemons. */
  stop(): Promise<void>;
}

/** Starts munged, slurmctld and slurmd as the user who runs the test, and waits until the node takes jobs. */
export async function startSlurm(): Promise<TestCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-slurm-'));
  const at = (name: string): string => join(folder, name);
  for (const name of ['state', 'spool']) mkdirSync(at(name));
  writeFileSync(at('munge.key'), crypto.getRandomValues(new Uint8Array(256)), { mode: 0o600 });
  writeFileSync(at('slurm.conf'), configuration(folder, await freePort(), await freePort()));
  const env = { SLURM_CONF: at('slurm.conf') };
  const running: ChildProcess[] = [];
  const start = (name: Daemon, words: readonly string[]): void => {
    running.push(startDaemon(name, words, env, at(`${name}.out`)));
  };
  const run: TestCluster['run'] = (program, words, cwd = folder) =>
    new Promise((resolve, reject) => {
      execFile(
        find(program)!,
        words,
        { cwd, env: { ...process.env, ...env }, timeout: 30_000 },
        (error, stdout, stderr) => (error ? reject(new Error(`${program}: ${stderr}`)) : resolve(stdout)),
      );
    });
  const idle = async (): Promise<boolean> =>
    (await run('sinfo', ['--noheader', '--format=%T']).catch(() => '')).trim() === 'idle';
  const stop = async (): Promise<void> => {
    await run('scancel', ['--user', userInfo().username]).catch(() => undefined);
    // A node whose jobs have all ended, their epilogue included, is idle.
    await until(idle, 20);
    for (const child of running.reverse()) {
      child.stdin!.end();
      if (child.exitCode === null) await once(child, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  };

  start('munged', [
    '--force',
    '--foreground',
    '--num-threads=1',
    `--key-file=${at('munge.key')}`,
    `--socket=${at('munge.sock')}`,
    `--pid-file=${at('munged.pid')}`,
    `--log-file=${at('munged.log')}`,
    `--seed-file=${at('munged.seed')}`,
  ]);
  await until(() => Promise.resolve(existsSync(at('munge.sock'))), 20);
  start('slurmctld', ['-D']);
  start('slurmd', ['-D']);
  if (await until(idle, 60)) return { env, run, stop };
  const said = DAEMONS.map((name) => `${name}:\n${readFileSync(at(`${name}.out`), 'utf8')}`).join('\n');
  await stop();
  throw new Error(`Slurm does not start.\n${said}`);
}

/** The whole of slurm.conf: nothing of the machine's own Slurm is read, and no control groups are needed. */
function configuration(folder: string, controllerPort: number, nodePort: number): string {
  const host = hostname().split('.')[0]!;
  const { username } = userInfo();
  return `ClusterName=voxelgrad-test
SlurmctldHost=${host}(127.0.0.1)
SlurmctldPort=${controllerPort}
SlurmdPort=${nodePort}
SlurmUser=${username}
SlurmdUser=${username}
AuthType=auth/munge
AuthInfo=socket=${folder}/munge.sock
CredType=cred/munge
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/slurmd.pid
SlurmctldLogFile=${folder}/slurmctld.log
SlurmdLogFile=${folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,sched_min_interval=0
# A busy machine may keep the daemons from answering each other for minutes.
SlurmctldTimeout=3600
SlurmdTimeout=3600
ReturnToService=2
KillWait=10
SlurmdParameters=config_overrides
NodeName=${host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes=${host} Default=YES MaxTime=INFINITE State=UP
`;
}

/** Starts a daemon that ends when its stdin does: on `stop`, and also where the test is killed. */
function startDaemon(
  name: Daemon,
  words: readonly string[],
  env: Readonly<Record<string, string>>,
  output: string,
): ChildProcess {
  const log = openSync(output, 'a');
  try {
    const script = '"$@" & pid=$!; read -r _; kill "$pid"; wait "$pid"';
    return spawn('/bin/sh', ['-c', script, 'sh', find(name)!, ...words], {
      env: { ...process.env, ...env },
      stdio: ['pipe', log, log],
      // A signal to the test's group (Ctrl+C) must not come before the end of its stdin.
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}

/** Asks again and again. @returns whether it became true within the time */
export async function until(holds: () => Promise<boolean>, seconds: number): Promise<boolean> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    if (await holds()) return true;
    if (performance.now() > end) return false;
    await sleep(50);
  }
}
