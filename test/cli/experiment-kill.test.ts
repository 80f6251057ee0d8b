import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { bidsPatient } from '../imaging/dataset/make.ts';
import { buildCli, CLI_MAIN, runCli } from '../support/cli.ts';
import { experimentBitsOf } from '../support/experiment-bits.ts';
import { killExperiment } from '../support/killed-experiment.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-kill-'));
const KILLS = 3;
const TINY = ['--patch', '8', '--levels', '2', '--base-channels', '2', '--steps', '6', '--tissue', 'spm'];
const words = (out: string): string[] => ['experiment', 'data', out, '--variants', 'multi-input', ...TINY];
/** Stage-1 nets, corrections and nets of three patients. */
const UNITS = 6 + 3 + 3;

beforeAll(() => {
  buildCli();
  for (const id of ['01', '02', '03'])
    for (const [path, bytes] of Object.entries(bidsPatient(id))) {
      mkdirSync(dirname(join(folder, 'data', path)), { recursive: true });
      writeFileSync(join(folder, 'data', path), bytes);
    }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('an experiment that is killed', () => {
  it('goes on to the bits of one that was left alone, and leaves nothing half-written', {
    // A software driver compiles for seconds, in every process anew.
    timeout: 300_000,
  }, async () => {
    const out = join(folder, 'killed');
    const random = new Random(4).fork('kills');
    for (let kill = 0; kill < KILLS; kill++) {
      const child = spawn(process.execPath, [CLI_MAIN, ...words('killed')], { cwd: folder, stdio: 'ignore' });
      // One kill in each third of the units, at any moment of a unit.
      const third = (UNITS - 2) / KILLS;
      const finished = Math.floor((kill + random.uniform()) * third);
      expect(await killExperiment(child, out, finished, random.integer(150)), `kill ${kill + 1}`).toBe(true);
    }
    const [left, alone] = [
      await runCli(words('killed'), { cwd: folder }),
      await runCli(words('alone'), { cwd: folder }),
    ];
    expect(left.code, left.stderr).toBe(0);
    expect(alone.code, alone.stderr).toBe(0);
    const bits = experimentBitsOf(join(folder, 'alone'));
    expect(bits.size).toBeGreaterThan(5 * UNITS);
    expect(experimentBitsOf(out)).toEqual(bits);
  });
});
