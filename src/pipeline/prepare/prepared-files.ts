import { canonicalJson, toJson } from '../../core/json.ts';
import { type Scan, scanFolder, scanName } from '../../imaging/dataset/dataset.ts';
import type { InputFile } from '../../imaging/dataset/inputs.ts';

/** Where the files of a prepared scan go, from the root of the derivatives. */
export interface PreparedPaths {
  readonly flair: string;
  readonly t1w: string;
  readonly brain: string;
  /** ITK affine in LPS that maps a FLAIR point to a T1w point. */
  readonly transform: string;
  /** A picture of the images with the brain's contour. */
  readonly picture: string;
}

/** The paths of a scan's files. */
export function preparedPaths(scan: Pick<Scan, 'subject' | 'session'>): PreparedPaths {
  const stem = `${scanFolder(scan)}/${scanName(scan)}`;
  return {
    flair: `${stem}_space-orig_desc-preproc_FLAIR.nii.gz`,
    t1w: `${stem}_space-FLAIR_desc-preproc_T1w.nii.gz`,
    brain: `${stem}_space-orig_desc-brain_mask.nii.gz`,
    picture: `${scanFolder(scan).replace(/anat$/, 'figures')}/${scanName(scan)}_space-orig_desc-brain_outline.png`,
    transform: `${stem}_from-T1w_to-FLAIR_mode-image_xfm.txt`,
  };
}

/** What a sidecar of a prepared file says. */
export interface PreparedFacts {
  readonly version: string;
  readonly description: string;
  readonly skullStripped?: boolean;
  /** What was read; the whole scan's files, so that a resumed run knows whether they are the same. */
  readonly inputs: readonly InputFile[];
  readonly reference: string;
  readonly method: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
}

/** The JSON beside a prepared file. */
export function preparedSidecar(facts: PreparedFacts): Uint8Array {
  const { version, description, skullStripped, inputs, reference, method, warnings } = facts;
  const content = {
    Description: description,
    SkullStripped: skullStripped,
    Sources: inputs.map(({ path }) => `bids:raw:${path}`),
    SpatialReference: `bids:raw:${reference}`,
    GeneratedBy: [{ Name: 'voxelgrad', Version: version }],
    Inputs: inputs.map(({ role, path, sha256 }) => ({ Role: role, Path: path, SHA256: sha256 })),
    Method: method,
    Warnings: warnings,
  };
  return new TextEncoder().encode(`${canonicalJson(toJson(content), 2)}\n`);
}

/** What a sidecar said of an earlier run. */
export interface EarlierFacts {
  /** `role sha256` of each file that was read. */
  readonly inputs: readonly string[];
  readonly version: string | undefined;
  readonly brainModel: string | undefined;
  readonly warnings: readonly string[];
}

/** Reads a sidecar of {@link preparedSidecar}; undefined if it is none. */
export function earlierFacts(bytes: Uint8Array): EarlierFacts | undefined {
  try {
    const { Inputs, Warnings, GeneratedBy, Method } = JSON.parse(new TextDecoder().decode(bytes)) as {
      Inputs: { Role: string; SHA256: string }[];
      Warnings: string[];
      GeneratedBy: { Version?: string }[];
      Method: { BrainModel?: string };
    };
    return {
      inputs: Inputs.map(({ Role, SHA256 }) => `${Role} ${SHA256}`),
      version: GeneratedBy[0]?.Version,
      brainModel: Method.BrainModel,
      warnings: Warnings,
    };
  } catch {
    return undefined;
  }
}
