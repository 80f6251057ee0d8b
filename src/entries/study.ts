/**
 * The paper's study: cross-validated experiments, their report, phantoms, and submissions to the ISBI 2015 challenge.
 *
 * @module
 */

export { extendExperiment, extensionNote } from '../study/experiment/extend-experiment.ts';
export { inspectScans } from '../study/experiment/inspect.ts';
export { type NamedLoss, namedLoss } from '../study/experiment/losses.ts';
export {
  type ExperimentOptions,
  experimentOptions,
  type Protocol,
  recordedOptions,
} from '../study/experiment/options.ts';
export { paintFigures } from '../study/experiment/paint-figures.ts';
export { planExperiment } from '../study/experiment/plan.ts';
export { readExperiment } from '../study/experiment/read-results.ts';
export { type ExperimentContext, runUnits, type UnitsDone } from '../study/experiment/run-experiment.ts';
export { runUnit } from '../study/experiment/run-unit.ts';
export { requireSubjects } from '../study/experiment/same-experiment.ts';
export { ScanShelf } from '../study/experiment/scan-shelf.ts';
export { type Shard, unitsOf } from '../study/experiment/share.ts';
export { type ExperimentSummary, summarise, summaryText } from '../study/experiment/summary.ts';
export type { UnitContext } from '../study/experiment/unit-context.ts';
export { readUnitResult } from '../study/experiment/unit-files.ts';
export { type SharedSettings, sharedSettings } from '../study/experiment/unit-settings.ts';
export {
  makePhantom,
  type Phantom,
  type PhantomDatasetOptions,
  type PhantomOptions,
  type PhantomProgress,
  PhantomSubject,
  type WrittenScan,
  writePhantomDataset,
} from '../study/phantom/index.ts';
export {
  EXPERIMENT_VARIANTS,
  lesionsOf,
  PAPER_VARIANTS,
  PRESET_FAMILIES,
  PRESETS,
  VARIANTS,
  type Variant,
  variantConfig,
} from '../study/presets/index.ts';
export { type DemoReportData, type DemoVariant, demoReport, demoTable } from '../study/report/demo-report.ts';
export { type Answer, answerQuestion } from '../study/report/experiment-answer.ts';
export { type Effect, effect, LEAST_PATIENTS } from '../study/report/experiment-effects.ts';
export {
  type ExperimentFigures,
  experimentPage,
  type PaintedFigure,
} from '../study/report/experiment-page.ts';
export {
  type CorrectionUnit,
  EXPERIMENT_FILES,
  type ExperimentRecord,
  type ExperimentUnit,
  type NetUnit,
  parseExperiment,
  parseUnitResult,
  type RecordedMetrics,
  type StageOneUnit,
  type TissueUnit,
  type UnitResult,
} from '../study/report/experiment-record.ts';
export {
  type ExperimentNumbers,
  experimentMarkdown,
  experimentNumbers,
  type NamedTable,
  type TableGroup,
} from '../study/report/experiment-report.ts';
export {
  contrast,
  type ExperimentResults,
  type JudgedScan,
  judgedScans,
  netUnits,
  type ScanValue,
  type Term,
} from '../study/report/experiment-results.ts';
export {
  type DiceByVariant,
  PAPER_METHODS,
  type PaperMethod,
  tableOne,
  tableTwo,
} from '../study/report/paper-tables.ts';
export { SubmissionSink, submissionName, submissionScans } from '../study/submission.ts';
export { tissueProvider } from '../study/tissue-provider.ts';
