import { z } from 'zod/mini';
import { FileFormatError } from '../../core/errors.ts';
import type { FileSource } from '../../core/files.ts';
import { hashJson } from '../../core/json.ts';
import { parseRecord } from '../../core/record.ts';
import type { RecordedChoices } from '../../imaging/dataset/choices.ts';
import { CHOICES_SCHEMA } from '../../imaging/dataset/choices-schema.ts';
import type { InputFile } from '../../imaging/dataset/inputs.ts';
import type { BestCheck } from './request.ts';
import type { RunLength } from './same-run.ts';
import { type ResolvedTrainSettings, trainSettings } from './settings.ts';

/** The files of a run. */
export const RUN_FILES: {
  readonly config: string;
  readonly log: string;
  readonly model: string;
  readonly checkpoints: string;
  readonly manifest: string;
  readonly stageOne: string;
} = {
  config: 'config.json',
  log: 'log.jsonl',
  model: 'model.safetensors',
  checkpoints: 'checkpoints',
  manifest: 'manifest.json',
  // Beside a net that reads maps: the one that they are made with (see stage-one.ts).
  stageOne: 'stage-1/model.safetensors',
};

/** `config.json`: what a run does, and with what. */
export interface RunConfig {
  readonly settings: ResolvedTrainSettings;
  /** SHA-256 of what is trained on, by scan. */
  readonly data: Readonly<Record<string, string>>;
  /** Kernel variants by slot. */
  readonly kernels: Readonly<Record<string, string>>;
  readonly adapter: string;
  /** Of voxelgrad. */
  readonly version: string;
  /** SHA-256 of the weights that the run began from; missing where the seed drew them. */
  readonly initial?: string | undefined;
  /** The network that they come from. */
  readonly initialModel?: ModelSource | undefined;
  /** The files that were read, by scan, with their hashes. */
  readonly inputs?: Readonly<Record<string, readonly InputFile[]>> | undefined;
  /** SHA-256 of the validation scans, by scan. */
  readonly validation?: Readonly<Record<string, string>> | undefined;
  /** What was chosen about the data set. */
  readonly choices?: RecordedChoices | undefined;
  /** What a user of the network must know about the scans. */
  readonly warnings?: readonly string[] | undefined;
  /** Each time that the run was made longer: after which step, and how long it was to be before. */
  readonly extended?: readonly RunExtension[] | undefined;
}

/** A trained network that a run began from. */
export interface ModelSource {
  /** As it was asked for, without the folders above it. */
  readonly name: string;
  /** Of its file. */
  readonly sha256: string;
  /** What of it could not be taken as it is, a sentence each. */
  readonly notes: readonly string[];
}

/** A run that was made longer. */
export interface RunExtension {
  readonly step: number;
  readonly from: RunLength;
  /** Of voxelgrad, that went on. */
  readonly version: string;
}

/** A `config.json` that was read. */
export interface RecordedRunConfig extends RunConfig {
  /** Hash of the settings as they stand in the file, which may be of an older version. */
  readonly configHash: string;
}

/** `manifest.json`: written last, so that it says that a run is finished. */
export interface RunManifest {
  /** The preset, or the task. */
  readonly task: string;
  readonly steps: number;
  readonly seconds: number;
  readonly finalLoss: number;
  readonly threshold: number | null;
  readonly trainDice: number | null;
  readonly trainError: number | null;
  /** The validation that decided which network is kept; null without validation. */
  readonly best: BestCheck | null;
  /** `stateHash` after the last step. */
  readonly hash: string;
  /** SHA-256 of all settings. */
  readonly configHash: string;
  readonly adapter: string;
  readonly version: string;
  /** SHA-256 of the run's other files by name. */
  readonly files: Readonly<Record<string, string>>;
}

const text = z.record(z.string(), z.string());
const count = z.nullable(z.number());
const CONFIG = z.object({
  settings: z.record(z.string(), z.json()),
  data: text,
  kernels: text,
  adapter: z.string(),
  version: z.string(),
  initial: z.optional(z.string()),
  initialModel: z.optional(z.object({ name: z.string(), sha256: z.string(), notes: z.array(z.string()) })),
  inputs: z.optional(
    z.record(z.string(), z.array(z.object({ role: z.string(), path: z.string(), sha256: z.string() }))),
  ),
  validation: z.optional(text),
  choices: z.optional(CHOICES_SCHEMA),
  warnings: z.optional(z.array(z.string())),
  extended: z.optional(
    z.array(
      z.object({
        step: z.int().check(z.minimum(1)),
        from: z.object({ epochs: count, steps: count, minutes: count }),
        version: z.string(),
      }),
    ),
  ),
});
const MANIFEST = z.object({
  // Older runs call it so.
  variant: z.optional(z.string()),
  task: z.optional(z.string()),
  steps: z.int().check(z.minimum(1)),
  seconds: z.number().check(z.minimum(0)),
  finalLoss: z.number(),
  threshold: z.nullable(z.number()),
  trainDice: z.nullable(z.number()),
  trainError: z._default(z.nullable(z.number()), null),
  best: z._default(
    z.union([
      z.nullable(
        z.object({
          step: z.int().check(z.minimum(1)),
          dice: z.nullable(z.number()),
          error: z.nullable(z.number()),
        }),
      ),
      // Older runs: the lowest loss of a single step, which says nothing about a network.
      z.pipe(
        z.object({ step: z.int(), loss: z.number() }),
        z.transform(() => null),
      ),
    ]),
    null,
  ),
  hash: z.string(),
  configHash: z.string(),
  adapter: z.string(),
  version: z.string(),
  files: text,
});

/** Reads `config.json`. @throws FileFormatError where it is none, UsageError for a setting; StorageError. */
export async function readRunConfig(files: FileSource): Promise<RecordedRunConfig> {
  const path = `${files.name}/${RUN_FILES.config}`;
  const { settings, initial, initialModel, extended, ...rest } = parseRecord(
    CONFIG,
    await files.read(RUN_FILES.config),
    path,
  );
  const checked = trainSettings(settings, path);
  const { subjects, modalities } = checked;
  if (!subjects || !modalities)
    throw new FileFormatError(path, 'the settings name no subjects or no modalities', {
      hint: 'Give the config.json that `voxelgrad train` wrote.',
    });
  return {
    settings: { ...checked, subjects, modalities },
    configHash: await hashJson(settings),
    ...rest,
    initial,
    initialModel,
    extended,
  };
}

/** Reads `manifest.json`; undefined where a run is not finished. @throws FileFormatError; StorageError. */
export async function readManifest(files: FileSource): Promise<RunManifest | undefined> {
  if (!(await hasFile(files, RUN_FILES.manifest))) return undefined;
  const path = `${files.name}/${RUN_FILES.manifest}`;
  const {
    variant = '',
    task = variant,
    ...rest
  } = parseRecord(MANIFEST, await files.read(RUN_FILES.manifest), path);
  return { task, ...rest };
}

/** Hashes of all files that a run read; undefined if it does not say. @throws as {@link readRunConfig}. */
export async function readTrainingFiles(run: FileSource): Promise<ReadonlySet<string> | undefined> {
  if (!(await hasFile(run, RUN_FILES.config))) return undefined;
  const { inputs } = await readRunConfig(run);
  return inputs && new Set(Object.values(inputs).flatMap((files) => files.map(({ sha256 }) => sha256)));
}

/** Whether a tree holds a file. */
export async function hasFile(files: FileSource, path: string): Promise<boolean> {
  const slash = path.lastIndexOf('/');
  const entries = await files.list(path.slice(0, Math.max(0, slash)));
  return entries.some(({ name, kind }) => name === path.slice(slash + 1) && kind === 'file');
}
