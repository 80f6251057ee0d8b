import { canonicalJson } from '../../core/json.ts';
import { RAW_DATASET } from './sidecar.ts';

/** The file that says what a folder of BIDS holds. */
export const DESCRIPTION_FILE = 'dataset_description.json';

/** The file that names what BIDS's validator leaves out. */
export const IGNORE_FILE = '.bidsignore';

/** What derivatives hold that BIDS has no names for yet: tables, pages, transforms, pictures, jobs. */
const NOT_BIDS = [
  'qc.html',
  'qc.tsv',
  'volumes.tsv',
  'volumes.json',
  'task.json',
  'slurm/',
  '*_lesions.tsv',
  '*_lesions.json',
  '*_parts.tsv',
  '*_parts.json',
  '*_xfm.txt',
  '*_xfm.json',
  '*_desc-dicom_*.json',
  'figures/',
];

/** The content of {@link IGNORE_FILE}. */
export function ignoredNames(): Uint8Array {
  return new TextEncoder().encode(`${NOT_BIDS.join('\n')}\n`);
}

/** Where derivatives come from. */
export interface DerivativeOrigin {
  /** Where the data set lies that was read: a path from the derivatives' folder, or a URI. */
  readonly raw?: string | undefined;
  /** SHA-256 of the network that makes them, if one does. */
  readonly model?: string | undefined;
  /** Where other trees lie that were read, by the names that sidecars give them, as `raw` is told. */
  readonly trees?: Readonly<Record<string, string>> | undefined;
}

const MODEL_IS = 'By the model with the SHA-256';

/** The SHA-256 of the network that a description names; undefined if it names none. */
export function describedModel(text: string): string | undefined {
  return new RegExp(`${MODEL_IS} ([0-9a-f]{64})`).exec(text)?.[1];
}

/**
 * What BIDS wants of a folder of derivatives; a later run tells predictions from truth by it.
 * @param name of the content: `voxelgrad predictions`
 * @param version of voxelgrad
 */
export function derivativeDescription(
  name: string,
  version: string,
  origin: DerivativeOrigin = {},
): Uint8Array {
  const { raw, model, trees = {} } = origin;
  const links = { ...(raw === undefined ? {} : { [RAW_DATASET]: raw }), ...trees };
  const content = {
    Name: name,
    BIDSVersion: '1.11.0',
    DatasetType: 'derivative',
    GeneratedBy: [
      {
        Name: 'voxelgrad',
        Version: version,
        ...(model === undefined ? {} : { Description: `${MODEL_IS} ${model}` }),
      },
    ],
    ...(Object.keys(links).length === 0 ? {} : { DatasetLinks: links }),
    ...(raw === undefined ? {} : { SourceDatasets: [{ URL: raw }] }),
  };
  return new TextEncoder().encode(`${canonicalJson(content, 2)}\n`);
}
