import { trainSettings } from '../../pipeline/train/settings.ts';
import { PAPER_VARIANTS, type Variant } from '../presets/index.ts';
import type { ExperimentRecord } from '../report/experiment-record.ts';
import { type RecordedSettings, type SharedSettings, sharedSettings } from './unit-settings.ts';

/** `paper` repeats what is printed, its leak and its loss included; `corrected` nests the stage-1 nets. */
export type Protocol = ExperimentRecord['protocol'];

/** What an experiment is asked to do. */
export interface ExperimentOptions {
  readonly protocol: Protocol;
  readonly variants: readonly Variant[];
  /** Names as of `namedLoss`. */
  readonly losses: readonly string[];
  readonly stage1Loss: string;
  readonly folds: number | 'patient';
  readonly seeds: readonly number[];
  readonly rater: string;
  /** Patients; null for all. */
  readonly subjects: readonly string[] | null;
  /** Whose tissue maps; null to make them. */
  readonly tissue: string | null;
  readonly shared: SharedSettings;
}

/** The losses of a protocol where none are named. */
const DEFAULT_LOSSES: Readonly<Record<Protocol, { readonly nets: string; readonly stage1: string }>> = {
  corrected: { nets: 'paper-intent', stage1: 'generalized-dice' },
  paper: { nets: 'as-printed', stage1: 'literal' },
};

/**
 * Fills in what is not wanted otherwise: the paper's variants with the protocol's loss, one fold a patient, seed 1, the
 * first rater, all patients, and tissue maps that are made from the T1.
 */
export function experimentOptions(
  wanted: {
    readonly [Name in keyof ExperimentOptions]?: ExperimentOptions[Name] | undefined;
  },
): ExperimentOptions {
  const protocol = wanted.protocol ?? 'corrected';
  return {
    protocol,
    variants: wanted.variants ?? PAPER_VARIANTS,
    losses: wanted.losses ?? [DEFAULT_LOSSES[protocol].nets],
    stage1Loss: wanted.stage1Loss ?? DEFAULT_LOSSES[protocol].stage1,
    folds: wanted.folds ?? 'patient',
    seeds: wanted.seeds ?? [1],
    rater: wanted.rater ?? '1',
    subjects: wanted.subjects ?? null,
    tissue: wanted.tissue ?? null,
    shared: wanted.shared ?? sharedSettings(trainSettings({ preset: 'single' })),
  };
}

/** The options that an experiment was planned with, by what its record holds. */
export function recordedOptions(record: ExperimentRecord): ExperimentOptions {
  const { tissue, stage1Loss, folds, ...shared } = record.settings as unknown as RecordedSettings;
  const { protocol, losses, seeds, rater } = record;
  const subjects = record.dataset.subjects;
  const variants = record.variants as readonly Variant[];
  return { protocol, variants, losses, stage1Loss, folds, seeds, rater, subjects, tissue, shared };
}
