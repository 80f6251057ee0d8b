import type { ArgDef } from 'citty';
import { definedFields } from '../core/record.ts';
import {
  choicesOfRecord,
  type DatasetChoices,
  parseNameFilter,
  type RecordedChoices,
} from '../imaging/dataset/choices.ts';
import { CHOICES_SCHEMA } from '../imaging/dataset/choices-schema.ts';
import type { Dataset } from '../imaging/dataset/dataset.ts';
import { openDataset } from '../imaging/dataset/open-dataset.ts';
import { NodeFolder } from '../platform/node-files.ts';
import type { Options } from './common.ts';
import type { Output } from './output.ts';

/** The options that decide which of several files serves; `lesions` for commands that read true masks. */
export const DATASET_ARGS: {
  readonly lesions: ArgDef;
  readonly brainmask: ArgDef;
  readonly 'bids-filter': ArgDef;
  readonly 'trust-brain': ArgDef;
} = {
  lesions: {
    type: 'string',
    valueHint: 'SOURCE',
    description: 'Whose lesion masks are the truth: a folder in derivatives, raw, or all (each a rater)',
  },
  brainmask: {
    type: 'string',
    valueHint: 'SOURCE',
    description: 'Whose brain masks: a folder in derivatives, or raw',
  },
  'bids-filter': {
    type: 'string',
    valueHint: 'acq-3D,run-2',
    description: 'Which of several images of a kind, by its BIDS name; FLAIR:acq-3D for one kind alone',
  },
  'trust-brain': {
    type: 'boolean',
    description: 'Take the brain as it is found even if it looks like a whole head; outputs record it',
  },
};

/** The option that chooses visits. */
export const SESSIONS_ARG: ArgDef = {
  type: 'string',
  valueHint: 'ID,ID',
  description: 'Which visits (default: all)',
};

/** What the options choose. @throws UsageError */
export function datasetChoices<Name extends string>(options: Options<Name>): DatasetChoices {
  const given = options.only(Object.keys(DATASET_ARGS));
  const filter = given.list('bids-filter')?.map(parseNameFilter);
  const lesions = given.text('lesions');
  const brainmask = given.text('brainmask');
  return {
    filter,
    lesions,
    brainmask,
    trustBrain: given.flag('trust-brain') || undefined,
  };
}

/**
 * What the options choose; what they leave open is taken from a record.
 * @throws UsageError
 */
export function choicesOrRecorded<Name extends string>(
  options: Options<Name>,
  recorded: RecordedChoices | undefined,
): DatasetChoices {
  return { ...choicesOfRecord(recorded), ...definedFields(datasetChoices(options)) };
}

/** The choices that the text of a run's `config.json` holds; undefined if it is another file, or holds none. */
export function recordedIn(text: string | undefined): RecordedChoices | undefined {
  if (text === undefined) return undefined;
  try {
    const { choices } = JSON.parse(text) as { choices?: unknown };
    const parsed = CHOICES_SCHEMA.safeParse(choices);
    return parsed.success ? parsed.data : undefined;
  } catch {
    // Whoever reads the settings says what is wrong with the file.
    return undefined;
  }
}

/** Warnings of a data set that are printed; the rest is counted. */
const MOST_WARNINGS = 20;

/**
 * Opens a data set, and prints what was found in it and is not used: every command that reads one goes through here.
 * @param only the subject to look at (default: all)
 * @throws DatasetError, StorageError
 */
export async function openDatasetOf(
  path: string,
  choices: DatasetChoices,
  output: Output,
  only?: string,
): Promise<Dataset> {
  const dataset = await openDataset(new NodeFolder(path), choices, only);
  const { warnings } = dataset;
  for (const warning of warnings.slice(0, MOST_WARNINGS)) output.note(`note: ${warning}`);
  if (warnings.length > MOST_WARNINGS)
    output.note(`note: and ${warnings.length - MOST_WARNINGS} more of this kind`);
  return dataset;
}
