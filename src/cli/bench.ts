import { TuningCache, tuningKey } from '../engine/tune/cache.ts';
import { chooseCases } from '../pipeline/bench/catalogue.ts';
import { formatPeers } from '../pipeline/bench/peer-report.ts';
import { type BenchReport, formatMarkdown, type PeerTime, round } from '../pipeline/bench/report.ts';
import { rooflinePicture } from '../pipeline/bench/roofline.ts';
import { runBench } from '../pipeline/bench/run.ts';
import { cacheFolder } from '../platform/cache-folder.ts';
import { checkout } from '../platform/checkout.ts';
import { machineLoad } from '../platform/machine.ts';
import { openNodeGpu } from '../platform/node.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { askPeer, PEERS, type PeerRequest } from '../platform/peers.ts';
import { type Command, command } from './command.ts';
import { GPU_ARGS } from './common.ts';
import type { Output } from './output.ts';
import type { Progress } from './progress.ts';

/** Below the root of a checkout. */
const RESULTS = 'bench/results';
const FILES = {
  history: 'history.jsonl',
  table: 'bench.md',
  picture: 'roofline.svg',
  peers: 'peers.md',
} as const;
const SECONDS = 1;

export const bench: Command = command({
  name: 'bench',
  description: 'Check and time the kernels and a training step',
  args: {
    ...GPU_ARGS,
    pattern: {
      type: 'positional',
      required: false,
      description:
        'Rows whose names contain one of these words, such as conv3d/forward or 16->16 (default: all)',
    },
    variants: { type: 'boolean', description: 'Time every variant that can run, not only the one chosen' },
    peers: {
      type: 'boolean',
      description: 'Time TensorFlow.js, jax-js, ONNX Runtime Web and PyTorch too, those that are installed',
    },
    seconds: {
      type: 'string',
      valueHint: 'S',
      description: `How long each variant is timed (default ${SECONDS})`,
    },
    out: {
      type: 'string',
      valueHint: 'DIR',
      description: `Folder for ${Object.values(FILES).join(', ')} (default: ${RESULTS} of a checkout, else none)`,
    },
  },
  many: true,
  examples: [
    { line: 'bench', does: 'every kernel and a training step; some minutes on a processor' },
    {
      line: 'bench conv3d/forward --variants',
      does: 'all forms of the forward convolution against each other',
    },
    { line: "bench '8+8->8@2x32x32x32'", does: 'the convolutions of a shape of your own' },
    {
      line: 'bench conv3d network --peers',
      does: 'convolutions and networks, and other engines beside them',
    },
    { line: 'bench training-step --json', does: 'the step and its kernels, for a program to read' },
  ],
  async run(options, output) {
    options.seed();
    const seconds = options.number('seconds', { above: 0, max: 600 }) ?? SECONDS;
    const repository = checkout();
    const out = options.text('out') ?? (repository && `${repository.folder}${RESULTS}`);
    const folder = out === undefined ? undefined : new NodeFolder(out);
    await folder?.checkWritable();
    // A pattern that means nothing is refused before a device is opened.
    chooseCases(options.words());
    const machine = machineLoad();
    const gpu = await openNodeGpu({ exactTimestamps: true, quiet: true });
    try {
      const tuned = await new TuningCache(new NodeFolder(cacheFolder())).read(
        await tuningKey(gpu.capabilities),
      );
      if (tuned.size > 0) output.note(`${tuned.size} slots were tuned before: their choices are timed`);
      let bar: Progress | undefined;
      let report = await runBench(gpu, {
        patterns: options.words(),
        variants: options.flag('variants'),
        seconds,
        commit: repository?.commit ?? null,
        machine,
        wanted: (slot) => tuned.get(slot)?.variant,
        onRow(done, total, name) {
          bar ??= output.progress({ label: 'bench', total, unit: 'row' });
          bar.update(done, name);
        },
      });
      if (options.flag('peers')) report = await withPeers(report, output);
      const text = [formatMarkdown(report), ...(options.flag('peers') ? [formatPeers(report)] : [])];
      if (folder) await writeResults(folder, report, text, output);
      output.result(report, text.join('\n').trimEnd());
    } finally {
      await gpu.close();
    }
  },
});

/** Longest that one peer may take, in seconds. */
const PEER_SECONDS = 1200;

/** Adds other engines' times to the rows; each that does not run, or cannot do a row, is told once a reason. */
async function withPeers(report: BenchReport, output: Output): Promise<BenchReport> {
  const requests = [...report.rows, ...report.networks.map(({ pass }) => pass)];
  const asked = new Map(requests.map(({ kernel, shape }) => [`${kernel} ${shape}`, { kernel, shape }]));
  const found = new Map<string, Record<string, PeerTime>>();
  for (const peer of Object.keys(PEERS)) {
    output.note(`peer ${peer}: timing`);
    const reasons = new Map<string, number>();
    for (const { kernel, shape, ms, bestMs, skip } of await askPeer(
      peer,
      [...asked.values()],
      PEER_SECONDS,
    )) {
      const row = `${kernel} ${shape}`;
      if (ms !== undefined && bestMs !== undefined)
        found.set(row, { ...found.get(row), [peer]: { ms: round(ms), bestMs: round(bestMs) } });
      else if (skip) reasons.set(skip, (reasons.get(skip) ?? 0) + (kernel === undefined ? asked.size : 1));
    }
    for (const [reason, rows] of reasons) output.note(`peer ${peer}: skipped in ${rows} rows: ${reason}`);
  }
  const timesOf = ({ kernel, shape }: PeerRequest): Record<string, PeerTime> =>
    found.get(`${kernel} ${shape}`) ?? {};
  return {
    ...report,
    rows: report.rows.map((row) => ({ ...row, peers: timesOf(row) })),
    networks: report.networks.map((row) => {
      const times = Object.entries(timesOf(row.pass));
      return {
        ...row,
        peers: Object.fromEntries(
          times.map(([peer, { ms, bestMs }]) => [
            peer,
            { ms: round(ms * row.passes), bestMs: round(bestMs * row.passes) },
          ]),
        ),
      };
    }),
  };
}

async function writeResults(
  folder: NodeFolder,
  report: BenchReport,
  [table, peers]: readonly string[],
  output: Output,
): Promise<void> {
  const encode = (content: string): Uint8Array => new TextEncoder().encode(content);
  const line = { time: new Date().toISOString(), ...report };
  await folder.append(FILES.history, encode(`${JSON.stringify(line)}\n`));
  await folder.write(FILES.table, encode(table!));
  await folder.write(FILES.picture, encode(rooflinePicture(report)));
  if (peers !== undefined) await folder.write(FILES.peers, encode(peers));
  const names = Object.values(FILES).filter((name) => name !== FILES.peers || peers !== undefined);
  output.note(`written to ${folder.name}: ${names.join(', ')}`);
}
