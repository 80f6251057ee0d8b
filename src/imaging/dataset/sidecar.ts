import { canonicalJson, type Json, toJson } from '../../core/json.ts';
import type { RecordedChoices } from './choices.ts';
import type { InputFile } from './inputs.ts';
import type { PredictionKind } from './prediction-path.ts';

/** What BIDS calls the data set that was read, in the URIs of sidecars; `DatasetLinks` says where it is. */
export const RAW_DATASET = 'raw';

/** Whether a network was trained on a scan: its very images, a patient of the same name, or not; null if not known. */
export type Seen = 'images' | 'name' | 'no' | null;

/** The network that made a file. */
export interface ModelFacts {
  readonly file: string;
  readonly sha256: string;
  /** Patients that it was trained on; null if it does not say. */
  readonly trainedOn: readonly string[] | null;
  readonly seen: Seen;
}

/** Where a file that is written comes from. */
export interface SidecarFacts {
  /** Of voxelgrad. */
  readonly version: string;
  /** What was read, the image whose grid the file has first. */
  readonly inputs: readonly InputFile[];
  /** Where the brain was taken from; missing if none was needed. */
  readonly brain?: 'mask' | 'skull-stripped' | 'whole' | undefined;
  readonly choices?: RecordedChoices | undefined;
  readonly model?: ModelFacts | undefined;
  /** Of masks: the probability from which a voxel counts. */
  readonly threshold?: number | undefined;
  /** How it was made, in the program's own terms. */
  readonly method?: Readonly<Record<string, unknown>> | undefined;
  readonly warnings: readonly string[];
}

const BRAIN = {
  mask: 'from a file',
  'skull-stripped': 'what is not 0 in the images',
  whole: 'none: the network reads whole images',
} as const;

/** Where the sidecar of an image goes: the same name with .json. */
export function sidecarPath(path: string): string {
  return path.replace(/\.nii(\.gz)?$/i, '.json');
}

/** The JSON beside a mask or map, as BIDS wants derivatives to be described, and what else a reader must know. */
export function sidecar(kind: PredictionKind, facts: SidecarFacts): Uint8Array {
  return new TextEncoder().encode(`${canonicalJson(sidecarFields(kind, facts), 2)}\n`);
}

/** The fields of {@link sidecar}. */
export function sidecarFields(
  { label, desc, suffix }: PredictionKind,
  facts: SidecarFacts,
): Record<string, Json> {
  const { version, inputs, brain, choices, model, threshold, method, warnings } = facts;
  const what = label === 'lesion' ? 'Lesion' : (label ?? desc ?? 'Map');
  const uri = ({ path, tree }: InputFile): string => `bids:${tree ?? RAW_DATASET}:${path}`;
  const content = {
    ...(suffix === 'mask' ? { Type: what } : {}),
    Description: `${what}, ${suffix}: found by a program and looked at by nobody`,
    Manual: false,
    Sources: inputs.map(uri),
    ...(inputs[0] ? { SpatialReference: uri(inputs[0]) } : {}),
    ...(suffix === 'mask' && threshold !== undefined ? { Threshold: threshold } : {}),
    GeneratedBy: [{ Name: 'voxelgrad', Version: version }],
    Inputs: inputs.map(({ role, path, sha256 }) => ({ Role: role, Path: path, SHA256: sha256 })),
    ...(brain ? { BrainMask: BRAIN[brain] } : {}),
    ...(choices ? { Choices: choices } : {}),
    ...(model
      ? {
          Model: {
            File: model.file,
            SHA256: model.sha256,
            TrainedOn: model.trainedOn,
            TrainedOnThisScan: model.seen,
          },
        }
      : {}),
    ...(method ? { Method: method } : {}),
    Warnings: warnings,
  };
  return toJson(content) as Record<string, Json>;
}

/** Whether the sidecar of a prediction says that its network was trained on the scan; null if it does not say. */
export function seenIn(bytes: Uint8Array): Seen {
  try {
    const { Model } = JSON.parse(new TextDecoder().decode(bytes)) as {
      Model?: { readonly TrainedOnThisScan?: Json };
    };
    const said = Model?.TrainedOnThisScan;
    return said === 'images' || said === 'name' || said === 'no' ? said : null;
  } catch {
    // A sidecar of another program says nothing.
    return null;
  }
}
