import { type BenchReport, formatMarkdown } from '../bench/report.ts';
import { rooflinePicture } from '../bench/roofline.ts';
import { runBench } from '../bench/run.ts';
import { checkout } from '../platform/checkout.ts';
import { openNodeGpu } from '../platform/node.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { type Command, command } from './command.ts';
import type { Output } from './output.ts';
import type { Progress } from './progress.ts';

/** Below the root of a checkout. */
const RESULTS = 'bench/results';
const FILES = { history: 'history.jsonl', table: 'bench.md', picture: 'roofline.svg' } as const;
const SECONDS = 1;

export const bench: Command = command({
  name: 'bench',
  description: 'Check and time the kernels and a training step',
  args: {
    pattern: {
      type: 'positional',
      required: false,
      description:
        'Rows whose names contain one of these words, such as conv3d/forward or 16->16 (default: all)',
    },
    variants: { type: 'boolean', description: 'Time every variant that can run, not only the one chosen' },
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
    { line: 'bench training-step --json', does: 'the step and its kernels, for a program to read' },
  ],
  async run(options, output) {
    options.seed();
    const seconds = options.number('seconds', { above: 0, max: 600 }) ?? SECONDS;
    const repository = checkout();
    const out = options.text('out') ?? (repository && `${repository.folder}${RESULTS}`);
    const folder = out === undefined ? undefined : new NodeFolder(out);
    await folder?.checkWritable();
    const gpu = await openNodeGpu();
    try {
      let bar: Progress | undefined;
      const report = await runBench(gpu, {
        patterns: options.words(),
        variants: options.flag('variants'),
        seconds,
        commit: repository?.commit ?? null,
        onRow(done, total, name) {
          bar ??= output.progress({ label: 'bench', total, unit: 'row' });
          bar.update(done, name);
        },
      });
      const text = formatMarkdown(report);
      if (folder) await writeResults(folder, report, text, output);
      output.result(report, text.trimEnd());
    } finally {
      await gpu.close();
    }
  },
});

async function writeResults(
  folder: NodeFolder,
  report: BenchReport,
  text: string,
  output: Output,
): Promise<void> {
  const encode = (content: string): Uint8Array => new TextEncoder().encode(content);
  const line = { time: new Date().toISOString(), ...report };
  await folder.append(FILES.history, encode(`${JSON.stringify(line)}\n`));
  await folder.write(FILES.table, encode(text));
  await folder.write(FILES.picture, encode(rooflinePicture(report)));
  output.note(`written to ${folder.name}: ${Object.values(FILES).join(', ')}`);
}
