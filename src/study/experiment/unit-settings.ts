import type { Json } from '../../core/json.ts';
import { type TrainSettings, trainSettings } from '../../pipeline/train/settings.ts';
import type { Variant } from '../presets/index.ts';
import type { ExperimentRecord, NetUnit, StageOneUnit } from '../report/experiment-record.ts';
import { namedLoss } from './losses.ts';

type Decided =
  | 'preset'
  | 'task'
  | 'subjects'
  | 'validate'
  | 'validateEvery'
  | 'patience'
  | 'maps'
  | 'rater'
  | 'loss'
  | 'tpr'
  | 'crossEntropy'
  | 'seed';

/** Settings of training that an experiment decides for each net by itself. */
export const DECIDED: Readonly<Record<Decided, true>> = {
  preset: true,
  task: true,
  subjects: true,
  validate: true,
  validateEvery: true,
  patience: true,
  maps: true,
  rater: true,
  loss: true,
  tpr: true,
  crossEntropy: true,
  seed: true,
};

/** Settings of training that all nets of an experiment share. */
export type SharedSettings = Omit<TrainSettings, Decided>;

/** Those among all settings. */
export function sharedSettings(settings: TrainSettings): SharedSettings {
  return Object.fromEntries(
    Object.entries(settings).filter(([name]) => !Object.hasOwn(DECIDED, name)),
  ) as unknown as SharedSettings;
}

/** What an experiment's record holds in `settings`. */
export interface RecordedSettings extends SharedSettings {
  readonly modalities: readonly string[];
  /** Whose tissue maps; null if they are made in a unit. */
  readonly tissue: string | null;
  /** Name of the stage-1 nets' loss. */
  readonly stage1Loss: string;
  /** One fold per patient, or the number of folds. */
  readonly folds: number | 'patient';
}

/**
 * The settings of the training run of one net.
 * @param tissue whose maps it sees; null for a net that sees none
 * @throws UsageError where a record holds settings that no run has.
 */
export function unitSettings(
  record: ExperimentRecord,
  unit: NetUnit | StageOneUnit,
  tissue: string | null,
): TrainSettings {
  const { stage1Loss, folds: _, ...shared }: Readonly<Record<string, Json>> = record.settings;
  const variant = (unit.kind === 'net' ? unit.variant : 'single') as Variant;
  const loss = unit.kind === 'net' ? unit.loss : String(stage1Loss);
  const all = {
    ...shared,
    ...namedLoss(loss, variant),
    preset: variant,
    maps: tissue,
    subjects: trainingOf(record, unit),
    rater: record.rater,
    seed: unit.seed,
  };
  return trainSettings(all, unit.id);
}

/** The patients that a net is trained on. */
export function trainingOf(record: ExperimentRecord, unit: NetUnit | StageOneUnit): readonly string[] {
  if (unit.kind === 'stage-1') return unit.training;
  return record.folds.find((fold) => fold.name === unit.fold)?.training ?? [];
}
