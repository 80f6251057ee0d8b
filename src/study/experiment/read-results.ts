import { FileFormatError } from '../../core/errors.ts';
import type { FileStore } from '../../core/files.ts';
import { Subfolder } from '../../core/subfolder.ts';
import { binLosses, type LossPoint } from '../../imaging/report/chart.ts';
import { RUN_FILES, readManifest, readRunConfig } from '../../pipeline/train/run-record.ts';
import { parseLog } from '../../pipeline/train/step-log.ts';
import { EXPERIMENT_FILES, parseExperiment, type UnitResult } from '../report/experiment-record.ts';
import { type ExperimentResults, type NetSource, netUnits } from '../report/experiment-results.ts';
import { readUnitResult, unitFolder } from './unit-files.ts';

/**
 * Reads what an experiment's folder holds, finished or not. A result or a log that is damaged is left out, and
 * `problems` says so: a report of the others is worth more than none.
 *
 * @throws FileFormatError where the plan is none; StorageError where a file cannot be read.
 */
export async function readExperiment(out: FileStore): Promise<ExperimentResults> {
  const plan = parseExperiment(await out.read(EXPERIMENT_FILES.plan), `${out.name}/${EXPERIMENT_FILES.plan}`);
  const problems: string[] = [];
  const orProblem = async <T>(what: Promise<T>): Promise<T | undefined> => {
    try {
      return await what;
    } catch (error) {
      if (!(error instanceof FileFormatError)) throw error;
      problems.push(`${error.message}; it is left out.`);
      return undefined;
    }
  };
  const results = new Map<string, UnitResult>();
  for (const { id } of plan.units) {
    const result = await orProblem(readUnitResult(out, id));
    if (result) results.set(id, result);
  }
  const curves = new Map<string, readonly LossPoint[]>();
  for (const { id } of netUnits(plan)) {
    const losses = await orProblem(readLosses(out, id));
    if (losses) curves.set(id, binLosses(losses));
  }
  const sources = new Map<string, NetSource>();
  for (const { id, kind } of plan.units) {
    if (kind !== 'net' && kind !== 'stage-1') continue;
    const source = await orProblem(readSource(out, id));
    if (source) sources.set(id, source);
  }
  return { plan, results, curves, sources, problems };
}

/** Where a net comes from that is trained. @throws FileFormatError, StorageError */
async function readSource(out: FileStore, unit: string): Promise<NetSource | undefined> {
  const run = new Subfolder(unitFolder(out, unit), EXPERIMENT_FILES.run);
  const manifest = await readManifest(run);
  const model = manifest?.files[RUN_FILES.model];
  if (!manifest || model === undefined) return undefined;
  const { settings, inputs = {} } = await readRunConfig(run);
  return { model, trainedOn: settings.subjects, threshold: manifest.threshold, inputs };
}

/** Loss of every step of a net that was begun. */
async function readLosses(out: FileStore, unit: string): Promise<number[] | undefined> {
  const folder = `${EXPERIMENT_FILES.units}/${unit}/${EXPERIMENT_FILES.run}`;
  if (!(await out.list(folder)).some(({ name }) => name === RUN_FILES.log)) return undefined;
  const path = `${folder}/${RUN_FILES.log}`;
  return parseLog(await out.read(path), `${out.name}/${path}`).steps.map(({ loss }) => loss);
}
