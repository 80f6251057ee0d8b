import { gunzipSync } from 'fflate';
import { DatasetError, FileFormatError, StorageError, UsageError } from '../core/errors.ts';
import { collect, type FileSink, type WrittenContent } from '../core/files.ts';
import { canonicalJson, type Json, parseJson, toJson } from '../core/json.ts';
import { setting, worded } from '../core/wording.ts';
import { type Dataset, findScans, type Scan, scanName } from '../imaging/dataset/dataset.ts';
import { parseSubmissionName, predictionPath } from '../imaging/dataset/prediction-path.ts';
import { sidecarPath } from '../imaging/dataset/sidecar.ts';

/** Scans of the challenge's test set: 14 patients. */
export const TEST_SCANS = 61;

/** @throws UsageError where a team's name cannot stand in a file name of the challenge. */
export function requireTeam(team: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/.test(team)) return;
  throw new UsageError(
    worded`${setting('team')} must be letters, digits and hyphens, not ${JSON.stringify(team)}`,
    {
      hint: 'The masks will be called test01_01_TEAM.nii.',
    },
  );
}

/** `test01_02_TEAM.nii`: the mask of a visit, as the ISBI 2015 challenge names it. */
export function submissionName(
  { subject, session }: Pick<Scan, 'subject' | 'session'>,
  team: string,
): string {
  return `${subject}_${session}_${team}.nii`;
}

/**
 * The scans of a submission: the data set's test subjects, or those that are named.
 * @throws DatasetError for a data set in another layout, without test subjects, or a subject of the training set.
 */
export function submissionScans(dataset: Dataset, subjects?: readonly string[]): Scan[] {
  if (dataset.layout !== 'isbi2015')
    throw new DatasetError(`${dataset.name}: is not a data set of the ISBI 2015 challenge (it is BIDS)`, {
      hint: 'Give the folder that holds testdata_website/ or the test* folders.',
    });
  const scans = subjects
    ? findScans(dataset, subjects)
    : findScans(dataset).filter(({ subject }) => subject.startsWith('test'));
  const other = scans.find(({ subject }) => !subject.startsWith('test'));
  if (other)
    throw new DatasetError(`${scanName(other)}: is not a test subject, so it is not part of a submission`, {
      hint: worded`Leave ${setting('subjects')} out to take the whole test set.`,
    });
  if (scans.length === 0)
    throw new DatasetError(`${dataset.name}: there are no test subjects (test01, test02, ...)`, {
      hint: 'Give the folder that holds testdata_website/ or the test* folders.',
    });
  return scans;
}

/**
 * A sink for `predict` that keeps the lesion masks alone and stores them as the challenge wants them: uncompressed,
 * in one folder, on the scan's own grid.
 */
export class SubmissionSink implements FileSink {
  readonly name: string;
  readonly #out: FileSink;
  readonly #names: ReadonlyMap<string, string>;
  readonly #described: ReadonlyMap<string, string>;
  readonly #describe: (masks: ReadonlyMap<string, Json>) => Promise<void>;
  readonly #record: Map<string, Json> = new Map();

  /** @param describe keeps what the sidecars of the masks say, by the masks' names: they may not lie beside them */
  constructor(
    out: FileSink,
    scans: readonly Scan[],
    team: string,
    describe: (masks: ReadonlyMap<string, Json>) => Promise<void> = async () => {},
  ) {
    this.name = out.name;
    this.#out = out;
    this.#describe = describe;
    this.#names = new Map(
      scans.map((scan) => [
        predictionPath(scan, { label: 'lesion', suffix: 'mask' }),
        submissionName(scan, team),
      ]),
    );
    this.#described = new Map([...this.#names].map(([path, name]) => [sidecarPath(path), name]));
  }

  async write(path: string, content: WrittenContent): Promise<void> {
    const name = this.#names.get(path);
    if (name !== undefined) await this.#out.write(name, gunzipSync(collect(content)));
    const described = this.#described.get(path);
    if (described === undefined) return;
    this.#record.set(described, toJson(JSON.parse(new TextDecoder().decode(collect(content)))));
    await this.#describe(this.#record);
  }

  append(): Promise<void> {
    return Promise.reject(new StorageError(`${this.name}: a submission holds whole masks only`));
  }
}

const RECORD_NAME = 'voxelgrad submission';

/**
 * Where the masks of a submission come from: their sidecars by name, in one file beside the folder, which holds masks
 * alone.
 * @param before the file as it is; what it says of other masks is kept
 * @throws FileFormatError if that is another file
 */
export function submissionRecord(
  masks: ReadonlyMap<string, Json>,
  before: Uint8Array | undefined,
  path: string,
): Uint8Array {
  const record = {
    Name: RECORD_NAME,
    Masks: { ...(before && recordedMasks(before, path)), ...Object.fromEntries(masks) },
  };
  return new TextEncoder().encode(`${canonicalJson(record, 2)}\n`);
}

function recordedMasks(bytes: Uint8Array, path: string): Readonly<Record<string, Json>> {
  try {
    const { Name, Masks } = parseJson(new TextDecoder().decode(bytes)) as {
      readonly Name?: Json;
      readonly Masks?: Readonly<Record<string, Json>>;
    };
    if (Name === RECORD_NAME && Masks) return Masks;
  } catch {
    // Said below.
  }
  throw new FileFormatError(path, 'it is not a record of a submission, and would be replaced', {
    hint: 'Move it, or choose another folder for the masks.',
  });
}

/** Names in a folder that are no masks of a team's submission. */
export function foreignNames(names: readonly string[], team: string): string[] {
  return names.filter((name) => {
    const parsed = parseSubmissionName(name);
    return !name.startsWith('.') && (parsed?.team !== team || !parsed.subject.startsWith('test'));
  });
}
