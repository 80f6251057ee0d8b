import { z } from 'zod/mini';
import type { Json } from '../../core/json.ts';
import { parseRecord } from '../../core/record.ts';
import type { RecordedChoices } from '../../imaging/dataset/choices.ts';
import { CHOICES_SCHEMA } from '../../imaging/dataset/choices-schema.ts';
import type { LesionSizeCount } from '../../imaging/evaluate/lesion-sizes.ts';
import { METRIC_KEYS, type ScanMetrics } from '../../imaging/evaluate/metrics.ts';

/** The files of an experiment's folder. */
export const EXPERIMENT_FILES: Readonly<
  Record<'plan' | 'units' | 'result' | 'run' | 'predictions' | 'maps', string>
> = {
  /** {@link ExperimentRecord}: written before the first unit starts, and never changed by a unit. */
  plan: 'experiment.json',
  /** Holds one folder a unit, named as the unit is. */
  units: 'units',
  /** {@link UnitResult}: written last in a unit's folder, so that it says that the unit is finished. */
  result: 'result.json',
  /** In a `net` or `stage-1` unit: the run, as `voxelgrad train` writes it. */
  run: 'run',
  /** In a `net` unit: masks and probabilities of the held-out scans, as `voxelgrad predict` writes them. */
  predictions: 'predictions',
  /** In a `tissue` unit: maps as `voxelgrad tissue` writes them; in a `correction` unit: those maps corrected. */
  maps: 'maps',
};

interface UnitBase {
  /** Name of the unit and of its folder: letters, digits, `_`, `-` and `.` only. */
  readonly id: string;
  /** Units that must be finished before. */
  readonly needs: readonly string[];
}

/** Tissue maps of all scans, uncorrected. */
export interface TissueUnit extends UnitBase {
  readonly kind: 'tissue';
}

/** A net that finds lesions from the modalities alone, for the correction of tissue maps. */
export interface StageOneUnit extends UnitBase {
  readonly kind: 'stage-1';
  readonly training: readonly string[];
  /** Patients whose lesions it predicts. */
  readonly predicts: readonly string[];
  readonly seed: number;
}

/** Corrected maps of every patient, as the nets of one fold may see them. */
export interface CorrectionUnit extends UnitBase {
  readonly kind: 'correction';
  /** `all` in the paper's protocol, whose maps are the same for every fold. */
  readonly fold: string;
  readonly seed: number;
  /** By patient, the stage-1 unit whose lesions become white matter in that patient's maps. */
  readonly by: Readonly<Record<string, string>>;
}

/** One variant trained with one loss and seed on one fold, and judged on its held-out patients. */
export interface NetUnit extends UnitBase {
  readonly kind: 'net';
  readonly fold: string;
  readonly variant: string;
  readonly loss: string;
  readonly seed: number;
}

/** One piece of an experiment's work: it can be done alone, once what it needs is finished. */
export type ExperimentUnit = TissueUnit | StageOneUnit | CorrectionUnit | NetUnit;

/** `experiment.json`: what an experiment does, decided before it starts. */
export interface ExperimentRecord {
  readonly format: 'voxelgrad-experiment';
  readonly formatVersion: 1;
  /** Of voxelgrad. */
  readonly version: string;
  /** The path as it was given, and what was found in it. */
  readonly dataset: {
    readonly path: string;
    readonly layout: string;
    readonly subjects: readonly string[];
    /** What was chosen between files that could serve alike. */
    readonly choices?: RecordedChoices | undefined;
  };
  readonly protocol: 'paper' | 'corrected';
  readonly variants: readonly string[];
  readonly losses: readonly string[];
  readonly seeds: readonly number[];
  /** Whose mask is trained on and judged by; `mean` trains on the mean and averages the metrics over raters. */
  readonly rater: string;
  readonly folds: readonly {
    readonly name: string;
    readonly training: readonly string[];
    readonly heldOut: readonly string[];
  }[];
  /** Patients without true masks: predicted by every net, never judged. */
  readonly unjudged: readonly string[];
  /** Settings that all nets share, by name. */
  readonly settings: Readonly<Record<string, Json>>;
  /** What a reader of the results must know, a sentence each: repairs, leaks of the paper's protocol. */
  readonly notes: readonly string[];
  readonly units: readonly ExperimentUnit[];
}

/** A metric that is not defined is null. */
export type RecordedMetrics = { readonly [Key in keyof ScanMetrics]: number | null };

/** `result.json`: what came of a unit. */
export interface UnitResult {
  readonly unit: string;
  /** Of voxelgrad. */
  readonly version: string;
  readonly adapter: string;
  /** Of the whole unit. */
  readonly seconds: number;
  readonly steps: number | null;
  readonly finalLoss: number | null;
  /** Chosen on the training scans. */
  readonly threshold: number | null;
  readonly trainDice: number | null;
  /** Held-out scans against the truth at that threshold. */
  readonly scans: readonly {
    readonly subject: string;
    readonly session: string | null;
    readonly metrics: RecordedMetrics;
    readonly sizes: readonly LesionSizeCount[];
  }[];
}

const name = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/));
const names = z.array(z.string());
const base = { id: name, needs: z.array(name) };

const UNIT: z.ZodMiniType<ExperimentUnit> = z.discriminatedUnion('kind', [
  z.object({ ...base, kind: z.literal('tissue') }),
  z.object({ ...base, kind: z.literal('stage-1'), training: names, predicts: names, seed: z.int() }),
  z.object({
    ...base,
    kind: z.literal('correction'),
    fold: z.string(),
    seed: z.int(),
    by: z.record(z.string(), name),
  }),
  z.object({
    ...base,
    kind: z.literal('net'),
    fold: z.string(),
    variant: z.string(),
    loss: z.string(),
    seed: z.int(),
  }),
]);

const RECORD: z.ZodMiniType<ExperimentRecord> = z.object({
  format: z.literal('voxelgrad-experiment'),
  formatVersion: z.literal(1),
  version: z.string(),
  dataset: z.object({
    path: z.string(),
    layout: z.string(),
    subjects: names,
    choices: z.optional(CHOICES_SCHEMA),
  }),
  protocol: z.enum(['paper', 'corrected']),
  variants: names,
  losses: names,
  seeds: z.array(z.int()),
  rater: z.string(),
  folds: z.array(z.object({ name: z.string(), training: names, heldOut: names })),
  unjudged: names,
  settings: z.record(z.string(), z.json()),
  notes: names,
  units: z.array(UNIT),
});

const number = z.nullable(z.number());
const RESULT: z.ZodMiniType<UnitResult> = z.object({
  unit: name,
  version: z.string(),
  adapter: z.string(),
  seconds: z.number(),
  steps: z.nullable(z.int()),
  finalLoss: number,
  threshold: number,
  trainDice: number,
  scans: z.array(
    z.object({
      subject: z.string(),
      session: z.nullable(z.string()),
      metrics: z.record(z.enum(METRIC_KEYS), number),
      sizes: z.array(z.object({ fromMl: z.number(), toMl: number, lesions: z.int(), found: z.int() })),
    }),
  ),
});

/** Reads `experiment.json`. @throws FileFormatError where it is no record of an experiment. */
export function parseExperiment(bytes: Uint8Array, path: string): ExperimentRecord {
  return parseRecord(RECORD, bytes, path);
}

/** Reads `result.json`. @throws FileFormatError where it is no result of a unit. */
export function parseUnitResult(bytes: Uint8Array, path: string): UnitResult {
  return parseRecord(RESULT, bytes, path);
}
