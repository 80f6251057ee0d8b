import type { ArgDef } from 'citty';
import { formatExtents } from '../core/shape.ts';
import type { Gpu } from '../engine/gpu/gpu.ts';
import { compilesAtFirstRun } from '../engine/tune/compile-ahead.ts';
import { DEFAULT_TUNING } from '../engine/tune/tune.ts';
import { type TuningResult, tuneNetwork } from '../engine/tune/tuner.ts';
import { formatTable } from '../imaging/evaluate/tables.ts';
import { taskName } from '../pipeline/train/settings.ts';
import { stepRequest } from '../pipeline/train/step-request.ts';
import { cacheFolder } from '../platform/cache-folder.ts';
import { openNodeGpu } from '../platform/node.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { type Command, command } from './command.ts';
import { GPU_ARGS } from './common.ts';
import type { Progress } from './progress.ts';
import { gatherSettings, readSettingFiles, SETTING_ARGS } from './settings.ts';

/** Where there is no data set to tell. */
const MODALITIES = ['FLAIR', 'T1w', 'PDw', 'T2w'];

/** What of a run's settings decides which kernels its step needs. */
const SHAPE_ARGS = {
  preset: { ...SETTING_ARGS.preset, description: `${SETTING_ARGS.preset.description} (default single)` },
  task: SETTING_ARGS.task,
  network: SETTING_ARGS.network,
  'network-config': SETTING_ARGS['network-config'],
  modalities: {
    type: 'string',
    valueHint: 'FLAIR,T1w',
    description: `Input images; only their number counts (default ${MODALITIES.join(',')})`,
  },
  patch: SETTING_ARGS.patch,
  batch: SETTING_ARGS.batch,
  'base-channels': SETTING_ARGS['base-channels'],
  levels: SETTING_ARGS.levels,
} as const satisfies Readonly<Record<string, ArgDef>>;

export const tune: Command = command({
  name: 'tune',
  description: 'Find the fastest kernels for a network on this adapter, for training runs to come',
  args: {
    ...GPU_ARGS,
    ...SHAPE_ARGS,
    'compile-seconds': {
      type: 'string',
      valueHint: 'S',
      description: `A kernel that compiles longer may not win (default ${DEFAULT_TUNING.compileSeconds})`,
    },
    again: { type: 'boolean', description: 'Search again what is known already' },
  },
  examples: [
    { line: 'tune', does: "for train's default settings and four modalities" },
    { line: 'tune --base-channels 32 --batch 1', does: "for the paper's widths, one patch per step" },
    { line: 'tune --network nnunet --patch 64', does: "for nnU-Net's network" },
    { line: 'tune --patch 32 --levels 3 --base-channels 8 --again', does: 'once more, for a small network' },
  ],
  async run(options, output) {
    const own = options.only(Object.keys(SHAPE_ARGS));
    const settings = gatherSettings(own, undefined, 'single', await readSettingFiles(own));
    const compileSeconds = options.number('compile-seconds', { above: 0 }) ?? DEFAULT_TUNING.compileSeconds;
    const modalities = settings.modalities ?? settings.task?.channels ?? MODALITIES;
    const { baseChannels, levels, patch, batch } = settings;
    const folder = new NodeFolder(cacheFolder());
    await folder.checkWritable();
    const gpu = await openNodeGpu({ quiet: true });
    let beside: Gpu | undefined;
    try {
      if (compilesAtFirstRun(gpu.capabilities)) beside = await openNodeGpu({ quiet: true });
      const { description } = gpu.capabilities;
      output.note(
        `tuning ${taskName(settings)} ${modalities.length} modalities, base ${baseChannels}, ${levels} levels, patch ${formatExtents(patch)}, batch ${batch} on ${description}`,
      );
      const start = performance.now();
      let bar: Progress | undefined;
      const results = await tuneNetwork(gpu, stepRequest({ ...settings, modalities }), folder, {
        compileSeconds,
        again: options.flag('again'),
        beside,
        onSlot(done, total, slot) {
          bar ??= output.progress({ label: 'tuning', total, unit: 'slot' });
          bar.update(done, slot);
        },
      });
      const seconds = (performance.now() - start) / 1000;
      output.result(
        { adapter: description, seconds, cache: folder.root, slots: results },
        `${describeResults(results)}\n${summary(results, seconds)}; kept in ${folder.root}`,
      );
    } finally {
      await gpu.close();
      await beside?.close();
    }
  },
});

function describeResults(results: readonly TuningResult[]): string {
  return formatTable({
    caption: 'Tuned kernels',
    columns: [
      { key: 'slot', label: 'Slot', kind: 'text' },
      { key: 'variant', label: 'Chosen', kind: 'text' },
      { key: 'ms', label: 'Time', unit: 'ms', kind: 'number', digits: 2 },
      { key: 'guess', label: 'Best guess', kind: 'text' },
      { key: 'guessMs', label: 'Time', unit: 'ms', kind: 'number', digits: 2 },
    ],
    rows: results.map(({ slot, variant, guess, times }) => ({
      slot,
      variant,
      ms: times[variant],
      guess,
      guessMs: times[guess],
    })),
  });
}

function summary(results: readonly TuningResult[], seconds: number): string {
  const searched = results.filter((result) => result.searched).length;
  const changed = results.filter(({ variant, guess }) => variant !== guess).length;
  return `${results.length} slots, ${searched} of them searched in ${seconds.toFixed(0)} s; ${changed} got another variant than the best guess`;
}
