import { CheckpointError } from '../../core/errors.ts';
import { canonicalJson, toJson } from '../../core/json.ts';
import type { Dataset } from '../../imaging/dataset/dataset.ts';
import type { Variant } from '../presets/index.ts';
import type { ExperimentRecord, ExperimentUnit } from '../report/experiment-record.ts';
import type { ExperimentOptions } from './options.ts';
import { planExperiment } from './plan.ts';
import { requireSameExperiment } from './same-experiment.ts';

/** The lists that an experiment can be given more of: each entry adds units and changes none. */
const GROWING = ['variants', 'losses', 'seeds'] as const;

/** Settings that nothing was made with as long as every net is a single one. */
const OF_MAPS = ['tissue', 'stage1Loss'] as const;

/**
 * Resumes an experiment, or adds variants, losses or seeds to it. What was planned stays as it was, in name and
 * content, so that finished units stay finished.
 *
 * @param wanted everything that is wanted now, what was planned included
 * @param about version of voxelgrad, and the data set's path as it was given
 * @param path how messages call the record
 * @returns `recorded` itself where nothing is added
 * @throws CheckpointError naming every setting that differs, also where something planned is left out; and what
 *   `planExperiment` throws.
 */
export function extendExperiment(
  recorded: ExperimentRecord,
  dataset: Dataset,
  wanted: ExperimentOptions,
  about: { readonly version: string; readonly path: string },
  path: string,
): ExperimentRecord {
  const planned = planExperiment(
    dataset,
    {
      ...wanted,
      variants: plannedFirst(recorded.variants as readonly Variant[], wanted.variants),
      losses: plannedFirst(recorded.losses, wanted.losses),
      seeds: plannedFirst(recorded.seeds, wanted.seeds),
    },
    about,
  );
  const grown = GROWING.filter((name) => isMore(recorded[name], planned[name]));
  const firstMaps = needsNoMaps(recorded) && !needsNoMaps(planned);
  requireSameExperiment(
    recorded,
    {
      ...planned,
      ...Object.fromEntries(grown.map((name) => [name, recorded[name]])),
      settings: {
        ...planned.settings,
        ...(firstMaps ? Object.fromEntries(OF_MAPS.map((name) => [name, recorded.settings[name]!])) : {}),
      },
    },
    path,
  );
  requirePlannedUnits(recorded, planned, grown.length > 0, path);
  if (grown.length === 0) return recorded;
  return {
    ...planned,
    dataset: recorded.dataset,
    notes: [...new Set([...recorded.notes, ...planned.notes])],
  };
}

/**
 * What a reader of the results must know of an extension: anyone who adds seeds after a look at the results has chosen
 * when to stop.
 * @param finished units of `recorded` that were finished when it was extended
 */
export function extensionNote(
  recorded: ExperimentRecord,
  extended: ExperimentRecord,
  finished: number,
): string {
  const added = GROWING.flatMap((name) => {
    const known = new Set<unknown>(recorded[name]);
    const more = (extended[name] as readonly unknown[]).filter((each) => !known.has(each));
    return more.length === 0 ? [] : [`${name} ${more.join(', ')}`];
  });
  return `added to the experiment later, when ${finished} of its ${recorded.units.length} units were finished: ${added.join('; ')}`;
}

function plannedFirst<T>(recorded: readonly T[], wanted: readonly T[]): T[] {
  return [
    ...recorded.filter((each) => wanted.includes(each)),
    ...wanted.filter((each) => !recorded.includes(each)),
  ];
}

function isMore(before: readonly unknown[], now: readonly unknown[]): boolean {
  return now.length > before.length && before.every((each) => now.includes(each));
}

function needsNoMaps({ variants }: ExperimentRecord): boolean {
  return variants.every((variant) => variant === 'single');
}

/** The units follow from the settings, but by rules that another version may not share. @throws CheckpointError */
function requirePlannedUnits(
  recorded: ExperimentRecord,
  planned: ExperimentRecord,
  grown: boolean,
  path: string,
): void {
  const text = (unit: ExperimentUnit): string => canonicalJson(toJson(unit));
  const now = new Set(planned.units.map(text));
  const kept = recorded.units.every((unit) => now.has(text(unit)));
  if (kept && (grown || planned.units.length === recorded.units.length)) return;
  throw new CheckpointError(`${path}: voxelgrad ${recorded.version} planned other units`, {
    hint: 'Continue with that version, or start anew in another folder.',
  });
}
