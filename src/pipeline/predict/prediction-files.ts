import type { LoadedScan } from '../../imaging/dataset/load-scan.ts';
import type { PredictionKind } from '../../imaging/dataset/prediction-path.ts';
import { ESTIMATE_INTENT, LABEL_INTENT } from '../../imaging/nifti/encode.ts';
import {
  type PlaneVolume,
  type WriteNiftiOptions,
  writeNifti,
  writeNiftiPlanes,
} from '../../imaging/nifti/write.ts';
import type { Box } from '../../imaging/volume/crop.ts';
import type { Voxels } from '../../imaging/volume/voxels.ts';
import type { HeadDecision } from '../models/model.ts';
import { isValueHead, type TaskHead } from '../task/task.ts';
import type { DecidedBox } from './decide-box.ts';
import { type HeadMaps, imageValues } from './head-result.ts';
import type { Segmentation } from './segment.ts';

/** One file of a prediction. */
export interface PredictionFile {
  readonly kind: PredictionKind;
  /** A whole .nii.gz. */
  readonly bytes: Uint8Array;
}

/**
 * A segmentation as NIfTI files on the scan's own grid, with its own affine and codes. By head: what is decided (a mask
 * per label, or a label image), then the maps.
 */
export function encodeSegmentation(
  segmentation: Segmentation,
  scan: Pick<LoadedScan, 'grid' | 'header'>,
): PredictionFile[] {
  return [...segmentation.heads.values()].flatMap(({ head, decision, maps, masks, labels, decided }) => {
    const file = (kind: PredictionKind, data: Float32Array | Uint8Array): PredictionFile => ({
      kind,
      bytes: writeNifti({ grid: scan.grid, data }, storage(kind, { head, decision }, scan)),
    });
    const values = [0, ...imageValues(head, decision)];
    return [
      ...(labels
        ? [
            file(
              segmentationKind(head),
              Float32Array.from(labels, (k) => values[k]!),
            ),
          ]
        : []),
      // What is decided already has no probabilities.
      ...(decided ? [] : [...maps]).flatMap(([key, map]) => {
        const mask = masks.get(key);
        return [...(mask ? [file({ label: key, suffix: 'mask' }, mask)] : []), file(mapKind(head, key), map)];
      }),
    ];
  });
}

/** One file of a prediction that is made as it is written. */
export interface PredictionStream {
  readonly kind: PredictionKind;
  /** Pieces of a .nii.gz. */
  readonly content: Iterable<Uint8Array>;
}

/** {@link encodeSegmentation} plane by plane: of the scan's whole grid, nothing is made but the plane that is written. */
export function streamSegmentation(
  { box, heads }: Pick<DecidedBox, 'box' | 'heads'>,
  scan: Pick<LoadedScan<Voxels>, 'grid' | 'header'>,
): PredictionStream[] {
  const { grid } = scan;
  return [...heads.values()].flatMap(({ head, decision, maps, masks, labels, decided }) => {
    const file = (kind: PredictionKind, plane: PlaneVolume['plane']): PredictionStream => ({
      kind,
      content: writeNiftiPlanes({ grid, plane }, storage(kind, { head, decision }, scan)),
    });
    const values = [0, ...imageValues(head, decision)];
    const inBox = labels && planeOf(labels, box, grid.shape);
    return [
      ...(inBox
        ? [
            file(segmentationKind(head), (z, target) => {
              inBox(z, target);
              for (let i = 0; i < target.length; i++) target[i] = values[target[i]!]!;
            }),
          ]
        : []),
      // What is decided already has no probabilities.
      ...(decided ? [] : [...maps]).flatMap(([key, map]) => {
        const mask = masks.get(key);
        return [
          ...(mask ? [file({ label: key, suffix: 'mask' }, planeOf(mask, box, grid.shape))] : []),
          file(mapKind(head, key), planeOf(map, box, grid.shape)),
        ];
      }),
    ];
  });
}

/** Writes a plane of the whole grid from a map of a box in it. */
function planeOf(
  map: Float32Array | Uint8Array,
  box: Box,
  shape: readonly [number, number, number],
): (z: number, target: Float32Array) => void {
  return (z, target) => {
    target.fill(0);
    const inBox = z - box.start[2];
    if (inBox < 0 || inBox >= box.shape[2]) return;
    const [width, height] = box.shape;
    for (let y = 0; y < height; y++) {
      const from = (inBox * height + y) * width;
      target.set(map.subarray(from, from + width), (y + box.start[1]) * shape[0] + box.start[0]);
    }
  };
}

/** A label image of a box as a .nii.gz on the scan's whole grid, in pieces. @param values what its values mean, from 1 */
export function streamLabels(
  voxels: Uint8Array,
  values: readonly string[],
  box: Box,
  { grid, header }: Pick<LoadedScan<Voxels>, 'grid' | 'header'>,
): Iterable<Uint8Array> {
  return writeNiftiPlanes(
    { grid, plane: planeOf(voxels, box, grid.shape) },
    {
      like: header,
      datatype: 'uint8',
      intent: LABEL_INTENT,
      description: values.join(', ').slice(0, 79),
      calMax: values.length,
    },
  );
}

/** The label image of a head. */
export function segmentationKind({ name }: Pick<TaskHead, 'name'>): PredictionKind {
  return { desc: name, suffix: 'dseg' };
}

/** BIDS's table of a label image's values. */
export function labelTable(head: TaskHead, decision: HeadDecision): Uint8Array {
  const values = imageValues(head, decision);
  const lines = head.labels.map((label, i) => `${values[i]}\t${label}`);
  return new TextEncoder().encode(['index\tname', '0\tbackground', ...lines, ''].join('\n'));
}

/** A probability map of a label, or a map of values. */
export function mapKind(head: TaskHead, key: string): PredictionKind {
  if (!isValueHead(head)) return { label: key, suffix: 'probseg' };
  return { desc: head.name, suffix: head.target.from === 'map' ? head.target.suffix : 'map' };
}

/** How a file of a prediction is stored. */
function storage(
  { label, suffix }: PredictionKind,
  { head, decision }: Pick<HeadMaps, 'head' | 'decision'>,
  { header }: Pick<LoadedScan, 'header'>,
): WriteNiftiOptions {
  const like = { like: header } as const;
  if (suffix === 'mask')
    return { ...like, datatype: 'uint8', intent: LABEL_INTENT, description: `${label} mask`, calMax: 1 };
  if (suffix === 'dseg') {
    const largest = Math.max(...imageValues(head, decision));
    return {
      ...like,
      datatype: largest > 255 ? 'uint16' : 'uint8',
      intent: LABEL_INTENT,
      description: head.labels.join(', ').slice(0, 79),
      calMax: largest,
    };
  }
  if (isValueHead(head))
    return { ...like, datatype: 'float32', intent: ESTIMATE_INTENT, description: head.name };
  return {
    ...like,
    datatype: 'float32',
    intent: ESTIMATE_INTENT,
    description: `${label} probability`,
    calMax: 1,
  };
}

/** Where the numbers of whole scans of a head are written. */
export function valuesPath(head: string): string {
  return `desc-${head}_values.tsv`;
}
