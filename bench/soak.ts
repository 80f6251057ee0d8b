/**
 * `npm run soak -- --minutes 20`: what the README promises of runs that are killed, devices that are lost, memory and
 * bad input, tried for that long, and a table of what was counted. Exits with 1 where a promise is broken.
 *
 * `--seed N` repeats what was drawn; `--only kills,inputs` runs some of the parts.
 */
import { parseArgs } from 'node:util';
import { Random } from '../src/core/random.ts';
import { formatTable } from '../src/imaging/evaluate/tables.ts';
import { fullDisks } from './soak/disk.ts';
import { leaks, lostDevices } from './soak/endurance.ts';
import { experiments } from './soak/experiments.ts';
import { inputs } from './soak/inputs.ts';
import { kills } from './soak/kills.ts';
import { large } from './soak/large.ts';
import { killedPredictions, lostInPredictions } from './soak/predictions.ts';
import { realHeaders } from './soak/real-headers.ts';
import { repeat } from './soak/repeat.ts';
import { server } from './soak/server.ts';
import { crowds, signals } from './soak/signals.ts';
import { type Outcome, Workspace } from './soak/workspace.ts';

const PARTS =
  'repeat,kills,signals,crowds,disks,leaks,devices,predictions,lost,server,large,inputs,experiment';
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: PARTS },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
if (!(minutes > 0) || !Number.isSafeInteger(seed)) {
  console.error('npm run soak -- --minutes 20 --seed 1: minutes above 0, and a whole number');
  process.exit(2);
}

/** Says no until a share of the time is over. */
function until(share: number): () => boolean {
  const end = performance.now() + share * minutes * 60_000;
  return () => performance.now() >= end;
}

const workspace = await Workspace.create();
const parts: Readonly<Record<string, () => Promise<Outcome>>> = {
  repeat: () => repeat(workspace, 50),
  kills: () => kills(workspace, new Random(seed), until(0.4)),
  devices: () => lostDevices(workspace, seed, 20),
  signals: () => signals(workspace, new Random(seed).fork('signals'), until(0.1)),
  crowds: () => crowds(workspace, 3),
  disks: () => fullDisks(workspace, new Random(seed).fork('disks'), 20),
  leaks: () => leaks(workspace, until(0.15)),
  predictions: () => killedPredictions(workspace, new Random(seed).fork('predictions'), until(0.1)),
  lost: () => lostInPredictions(workspace, new Random(seed).fork('lost'), 20),
  server: () => server(workspace, new Random(seed).fork('server'), 2000),
  large: () => large(workspace, [512, 512, 400], 512),
  inputs: async () => inputs(await realHeaders(), seed, until(0.15)),
  experiment: () => experiments(workspace, new Random(seed).fork('experiments'), until(0.15)),
};
const rows: Outcome[] = [];
try {
  const wanted = values.only.split(',').map((name) => {
    const part = parts[name];
    if (!part) throw new Error(`--only takes ${Object.keys(parts).join(', ')}, not ${name}`);
    return [name, part] as const;
  });
  for (const [name, part] of wanted) {
    const start = performance.now();
    rows.push(await part());
    console.error(`${name}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
  }
} finally {
  workspace.destroy();
}
const columns = [
  { key: 'promise', label: 'promise', kind: 'text' },
  { key: 'kept', label: 'kept', kind: 'text' },
  { key: 'counts', label: 'counts', kind: 'text' },
] as const;
const shown = rows.map(({ kept, ...row }) => ({ ...row, kept: kept ? 'yes' : 'NO' }));
console.log(formatTable({ caption: 'promises', columns, rows: shown }));
process.exitCode = rows.every(({ kept }) => kept) ? 0 : 1;
