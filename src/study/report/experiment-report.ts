import type { Table } from '../../imaging/evaluate/tables.ts';
import { markdownText, tableMarkdown } from '../../imaging/report/table-files.ts';
import { type Answer, answerQuestion } from './experiment-answer.ts';
import { interactions, lossDifferences, variantDifferences } from './experiment-effects.ts';
import { methodSentences } from './experiment-methods.ts';
import { networkTable } from './experiment-networks.ts';
import { type ExperimentResults, hasCell, judgedScans } from './experiment-results.ts';
import { fileTable, modelTable } from './experiment-sources.ts';
import {
  factorialTable,
  foldTable,
  lossTableOne,
  metricsTable,
  netTable,
  progressTable,
  scanTable,
  seedTable,
  sizeTable,
} from './experiment-tables.ts';
import { tableTwo } from './paper-tables.ts';

/** Where a table stands in the report. */
export type TableGroup = 'paper' | 'factorial' | 'metrics' | 'nets' | 'scans' | 'sources';

/** A table with the name of its file. */
export interface NamedTable {
  /** `factorial`: of `tables/factorial.csv` and in `report.json`. */
  readonly name: string;
  readonly group: TableGroup;
  readonly table: Table;
}

/** An experiment's numbers, from which page, Markdown, CSV and JSON are all made. */
export interface ExperimentNumbers {
  readonly answer: Answer;
  readonly tables: readonly NamedTable[];
}

/** All tables of an experiment, as far as it is finished; those that would be empty are left out. */
export function experimentNumbers(experiment: ExperimentResults): ExperimentNumbers {
  const { plan } = experiment;
  const scans = judgedScans(experiment);
  const losses = plan.losses.filter((loss) => plan.variants.some((variant) => hasCell(scans, variant, loss)));
  const paper = losses.map((loss) => ({
    name: losses.length === 1 ? 'table-1' : `table-1-${fileName(loss)}`,
    group: 'paper' as const,
    table: lossTableOne(plan, scans, loss),
  }));
  const rest: readonly (readonly [string, TableGroup, Table])[] = [
    ['table-2', 'paper', tableTwo()],
    ['factorial', 'factorial', factorialTable(plan, scans)],
    ['variant-differences', 'factorial', variantDifferences(plan, scans)],
    ['loss-differences', 'factorial', lossDifferences(plan, scans)],
    ['interactions', 'factorial', interactions(plan, scans)],
    ['metrics', 'metrics', metricsTable(plan, scans)],
    ['lesion-sizes', 'metrics', sizeTable(plan, scans)],
    ['networks', 'nets', networkTable(experiment)],
    ['folds', 'nets', foldTable(plan, scans)],
    ['seeds', 'nets', seedTable(plan, scans)],
    ['progress', 'nets', progressTable(experiment)],
    ['nets', 'nets', netTable(experiment)],
    ['scans', 'scans', scanTable(scans)],
    ['models', 'sources', modelTable(experiment)],
    ['files', 'sources', fileTable(experiment)],
  ];
  const tables = [...paper, ...rest.map(([name, group, table]) => ({ name, group, table }))];
  return {
    answer: answerQuestion(experiment),
    tables: tables.filter(({ table }) => table.rows.length > 0),
  };
}

/** The report in GitHub's Markdown: the answer and all tables but those of single scans and files, without pictures. */
export function experimentMarkdown(
  { answer, tables }: ExperimentNumbers,
  { plan }: ExperimentResults,
): string {
  const shown = tables
    .filter(({ group }) => group !== 'scans' && group !== 'sources')
    .map(({ table }) => tableMarkdown(table));
  const about = [
    `protocol ${plan.protocol}`,
    `${plan.folds.length} folds`,
    `seeds ${plan.seeds.join(', ')}`,
    `rater ${plan.rater}`,
    `${plan.dataset.subjects.length} patients`,
    `voxelgrad ${plan.version}`,
  ];
  return `${[
    `# ${markdownText(answer.headline)}`,
    [...answer.sentences, ...plan.notes].map(markdownText).join('\n'),
    markdownText(about.join('; ')),
    ...shown,
    `**How it was done**\n\n${methodSentences(plan).map(markdownText).join('\n')}`,
  ].join('\n\n')}\n`;
}

/** A loss's name as part of a file's: `generalized-dice+1-tpr` becomes `generalized-dice-1-tpr`. */
function fileName(loss: string): string {
  return loss.replace(/[^A-Za-z0-9]+/g, '-');
}
