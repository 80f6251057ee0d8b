import { StorageError, UsageError } from '../core/errors.ts';
import { canonicalJson, toJson } from '../core/json.ts';
import { sleep } from '../core/sleep.ts';
import { choicesOfRecord } from '../imaging/dataset/choices.ts';
import { openDataset } from '../imaging/dataset/open-dataset.ts';
import { formatTable } from '../imaging/evaluate/tables.ts';
import { tableCsv } from '../imaging/report/table-files.ts';
import { runPage } from '../pipeline/train/run-page.ts';
import { hasFile, RUN_FILES, readManifest, readRunConfig } from '../pipeline/train/run-record.ts';
import { parseLog } from '../pipeline/train/step-log.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { paintFigures } from '../study/experiment/paint-figures.ts';
import { readExperiment } from '../study/experiment/read-results.ts';
import { type ExperimentFigures, experimentPage } from '../study/report/experiment-page.ts';
import { experimentMarkdown, experimentNumbers } from '../study/report/experiment-report.ts';
import type { ExperimentResults } from '../study/report/experiment-results.ts';
import { type Command, command } from './command.ts';
import type { Output } from './output.ts';

/** What `voxelgrad report` writes into an experiment's folder, beside `tables/*.csv`. */
const FILES = { page: 'report.html', numbers: 'report.json', text: 'report.md', tables: 'tables' } as const;

/** Seconds between two pages of a run that is watched. */
const WATCH_SECONDS = 10;

export const report: Command = command({
  name: 'report',
  description: 'An experiment, or a training run, finished or not, in one HTML file',
  args: {
    out: {
      type: 'positional',
      description: 'Folder that `voxelgrad experiment` or `voxelgrad train` writes',
    },
    dataset: {
      type: 'string',
      valueHint: 'DIR',
      description: 'Where the data set is now, for the pictures (default: where it was)',
    },
    watch: {
      type: 'boolean',
      description: `Write the page of a run again every ${WATCH_SECONDS} seconds until the run is finished`,
    },
  },
  examples: [
    { line: 'report ./run --watch', does: 'the curves of a run while it trains, for a browser beside it' },
    { line: 'report ./experiment', does: `${Object.values(FILES).join(', ')} in that folder` },
    { line: 'report ./experiment --dataset /mnt/isbi', does: 'the same, where the data set has moved' },
  ],
  async run(options, output) {
    options.seed();
    const out = new NodeFolder(options.required('out'));
    if (await isRun(out)) {
      await reportRun(out, options.flag('watch'), output);
      return;
    }
    if (options.flag('watch'))
      throw new UsageError('--watch is for the folder of a run, not of an experiment', {
        hint: 'Repeat the command while the experiment runs.',
      });
    const experiment = await readExperiment(out);
    await out.checkWritable();
    await out.tidy();
    const numbers = experimentNumbers(experiment);
    const figures = await figuresOf(experiment, out, options.text('dataset'));
    for (const note of [...experiment.problems, ...figures.missing]) output.note(`note: ${note}`);
    const write = async (path: string, text: string): Promise<void> =>
      await out.write(path, new TextEncoder().encode(text));
    for (const { name, table } of numbers.tables) await write(`${FILES.tables}/${name}.csv`, tableCsv(table));
    const { plan, results } = experiment;
    const record = {
      answer: numbers.answer,
      finished: plan.units.filter(({ id }) => results.has(id)).length,
      units: plan.units.length,
      problems: [...experiment.problems, ...figures.missing],
      tables: Object.fromEntries(numbers.tables.map(({ name, table }) => [name, table])),
    };
    await write(FILES.numbers, `${canonicalJson(toJson(record), 2)}\n`);
    await write(FILES.text, experimentMarkdown(numbers, experiment));
    await write(FILES.page, experimentPage(experiment, numbers, figures, new Date().toISOString()));
    const shown = numbers.tables.find(({ name }) => name === 'factorial');
    output.result(
      { report: `${out.name}/${FILES.page}`, ...record },
      [
        numbers.answer.headline,
        ...(shown ? ['', formatTable(shown.table)] : []),
        '',
        `report: ${out.name}/${FILES.page}`,
      ].join('\n'),
    );
  },
});

/** Whether a folder holds a training run. */
async function isRun(folder: NodeFolder): Promise<boolean> {
  return (await hasFile(folder, RUN_FILES.config)) && (await hasFile(folder, RUN_FILES.log));
}

async function reportRun(folder: NodeFolder, watch: boolean, output: Output): Promise<void> {
  await folder.checkWritable();
  for (;;) {
    const config = await readRunConfig(folder);
    const manifest = await readManifest(folder);
    const { steps } = parseLog(await folder.read(RUN_FILES.log), `${folder.name}/${RUN_FILES.log}`);
    const goesOn = watch && !manifest;
    const text = runPage({ config, steps, manifest, refresh: goesOn ? WATCH_SECONDS : undefined });
    await folder.write(FILES.page, new TextEncoder().encode(text));
    if (!goesOn) {
      const page = `${folder.name}/${FILES.page}`;
      const finished = manifest !== undefined;
      output.result(
        { report: page, finished, steps: steps.length },
        `report: ${page}, ${steps.length} steps`,
      );
      return;
    }
    await sleep(1000 * WATCH_SECONDS);
  }
}

/** The pictures; none where the data set is not where it was, and then a line that says so. */
async function figuresOf(
  experiment: ExperimentResults,
  out: NodeFolder,
  given: string | undefined,
): Promise<ExperimentFigures> {
  const path = given ?? experiment.plan.dataset.path;
  try {
    const choices = choicesOfRecord(experiment.plan.dataset.choices);
    return await paintFigures(experiment, out, await openDataset(new NodeFolder(path), choices));
  } catch (error) {
    if (given !== undefined || !(error instanceof StorageError)) throw error;
    return {
      overlays: [],
      missing: [
        `There are no pictures: the data set is not at ${path} any more. Say where it is with --dataset.`,
      ],
    };
  }
}
