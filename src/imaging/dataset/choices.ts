import { DatasetError, UsageError } from '../../core/errors.ts';
import { definedFields } from '../../core/record.ts';
import { setting, worded } from '../../core/wording.ts';

/** One condition on the names of files: of images alike, those with this entity, of one modality or of all. */
export interface NameFilter {
  /** Canonical name; left out: every modality, and masks. */
  readonly modality?: string;
  /** `acq`, `run`, `rec`, ... */
  readonly entity: string;
  readonly value: string;
}

/** What somebody chose about a data set in which several files could serve for one purpose. Kept with what is made. */
export interface DatasetChoices {
  /** Which of several images or masks of a kind. */
  readonly filter?: readonly NameFilter[] | undefined;
  /** Whose lesion masks: a folder of derivatives, `raw` for those beside the images, or {@link ALL_SOURCES}. */
  readonly lesions?: string | undefined;
  /** Whose brain masks, likewise. */
  readonly brainmask?: string | undefined;
  /** Take a brain as it is found even if it looks like a whole head. */
  readonly trustBrain?: boolean | undefined;
}

/** Purposes for which folders of derivatives may compete. */
export type ContestedPurpose = 'lesions' | 'brainmask';

/** Stands for all sources of lesion masks, each a rater of its own. */
export const ALL_SOURCES = 'all';

/** What the files are, in messages. */
export const CONTESTED: Readonly<Record<ContestedPurpose, string>> = {
  lesions: 'lesion masks',
  brainmask: 'brain masks',
};

/**
 * Refuses to go on until somebody has chosen between folders that could serve alike.
 * @param sources the folders; fewer than two are no contest
 * @throws DatasetError that lists them.
 */
export function requireChosen(
  purpose: ContestedPurpose,
  sources: readonly string[] | undefined,
  scan: string,
): void {
  if (!sources || sources.length < 2) return;
  throw new DatasetError(
    `${scan}: there are ${CONTESTED[purpose]} from several sources: ${sources.join(', ')}; which are meant?`,
    {
      hint: worded`Choose one by ${setting(purpose, 'SOURCE')}${purpose === 'lesions' ? `; ${ALL_SOURCES} counts each as a rater` : ''}.`,
      setting: purpose,
    },
  );
}

const FILTER = /^(?:([A-Za-z0-9-]+(?:_[A-Za-z0-9]+)?):)?([a-zA-Z]+)-([a-zA-Z0-9+]+)$/;

/**
 * `acq-3D`, or `FLAIR:run-2` for one modality alone.
 * @throws UsageError
 */
export function parseNameFilter(text: string): NameFilter {
  const [, modality, entity, value] = FILTER.exec(text.trim()) ?? [];
  if (entity === undefined || value === undefined)
    throw new UsageError(
      `a filter is an entity and its value as in a file's name, not ${JSON.stringify(text)}`,
      {
        hint: worded`Give it as ${setting('bidsFilter', 'acq-3D')}; FLAIR:acq-3D is for one modality alone.`,
      },
    );
  return { entity, value, ...(modality === undefined ? {} : { modality }) };
}

/** How a filter is written. */
export function formatNameFilter({ modality, entity, value }: NameFilter): string {
  return `${modality === undefined ? '' : `${modality}:`}${entity}-${value}`;
}

/**
 * The files that a filter leaves of several of one kind: those with another value of one of its entities go; of the
 * others those that have the entity go before those that do not.
 */
export function filterNames<T extends { readonly entities: ReadonlyMap<string, string> }>(
  candidates: readonly T[],
  modality: string | undefined,
  filter: readonly NameFilter[] = [],
): T[] {
  let left = [...candidates];
  for (const { modality: only, entity, value } of filter) {
    if (only !== undefined && only !== modality) continue;
    left = left.filter(({ entities }) => (entities.get(entity) ?? value) === value);
    const exact = left.filter(({ entities }) => entities.has(entity));
    if (exact.length > 0) left = exact;
  }
  return left;
}

/** Choices as records hold them. */
export interface RecordedChoices {
  readonly bidsFilter?: readonly string[] | undefined;
  readonly lesions?: string | undefined;
  readonly brainmask?: string | undefined;
  readonly trustBrain?: boolean | undefined;
}

/** The choices for a record; undefined if nothing was chosen. */
export function recordedChoices(choices: DatasetChoices | undefined): RecordedChoices | undefined {
  const { filter = [], lesions, brainmask, trustBrain } = choices ?? {};
  const record = definedFields({
    bidsFilter: filter.length > 0 ? filter.map(formatNameFilter) : undefined,
    lesions,
    brainmask,
    trustBrain: trustBrain || undefined,
  });
  return Object.keys(record).length > 0 ? record : undefined;
}

/** The choices that a record holds. @throws UsageError for a filter that is none. */
export function choicesOfRecord(record: RecordedChoices | undefined): DatasetChoices {
  const { bidsFilter, ...others } = record ?? {};
  return { ...others, filter: bidsFilter?.map(parseNameFilter) };
}
