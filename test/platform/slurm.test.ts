import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { slurmInstalled, startSlurm, type TestCluster, until } from '../support/slurm.ts';

describe.skipIf(!slurmInstalled())('a Slurm of the test', () => {
  const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-jobs-'));
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startSlurm();
  });
  afterAll(async () => {
    await cluster?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('runs an array, and what depends on it afterwards', async () => {
    const submit = async (name: string, lines: readonly string[], command: string): Promise<string> => {
      writeFileSync(
        join(folder, name),
        ['#!/bin/bash', ...lines.map((line) => `#SBATCH ${line}`), command, ''].join('\n'),
      );
      return (await cluster.run('sbatch', ['--parsable', name], folder)).trim();
    };
    const first = await submit('first.sbatch', ['--array=0-2', '--output=%a.log'], 'sleep 0.2; date +%s%N');
    await submit('second.sbatch', [`--dependency=afterany:${first}`, '--output=last.log'], 'date +%s%N');
    const log = (name: string): bigint => BigInt(readFileSync(join(folder, name), 'utf8').trim());
    expect(
      await until(
        () => Promise.resolve(readdirSync(folder).includes('last.log') && log('last.log') > 0n),
        30,
      ),
    ).toBe(true);
    for (const name of ['0.log', '1.log', '2.log']) expect(log(name) < log('last.log')).toBe(true);
  });
});
