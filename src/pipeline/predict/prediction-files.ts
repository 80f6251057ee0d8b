import type { LoadedScan } from '../../imaging/dataset/load-scan.ts';
import type { PredictionKind } from '../../imaging/dataset/prediction-path.ts';
import { thresholdMask } from '../../imaging/evaluate/threshold.ts';
import { ESTIMATE_INTENT, LABEL_INTENT } from '../../imaging/nifti/encode.ts';
import {
  type PlaneVolume,
  type WriteNiftiOptions,
  writeNifti,
  writeNiftiPlanes,
} from '../../imaging/nifti/write.ts';
import type { Voxels } from '../../imaging/volume/voxels.ts';
import type { BoxSegmentation, Segmentation } from './segment.ts';

/** One file of a prediction. */
export interface PredictionFile {
  readonly kind: PredictionKind;
  /** A whole .nii.gz. */
  readonly bytes: Uint8Array;
}

/** A segmentation as NIfTI files on the scan's own grid, with its own affine and codes: mask first, then the maps. */
export function encodeSegmentation(
  segmentation: Segmentation,
  scan: Pick<LoadedScan, 'grid' | 'header'>,
): PredictionFile[] {
  const file = (kind: PredictionKind, data: Float32Array | Uint8Array): PredictionFile => ({
    kind,
    bytes: writeNifti({ grid: scan.grid, data }, storage(kind, scan)),
  });
  return [
    file({ label: 'lesion', suffix: 'mask' }, segmentation.mask),
    file({ label: 'lesion', suffix: 'probseg' }, segmentation.probabilities),
    ...[...segmentation.tissues].map(([label, map]) => file({ label, suffix: 'probseg' }, map)),
  ];
}

/** One file of a prediction that is made as it is written. */
export interface PredictionStream {
  readonly kind: PredictionKind;
  /** Pieces of a .nii.gz. */
  readonly content: Iterable<Uint8Array>;
}

/** {@link encodeSegmentation} plane by plane: of the scan's whole grid, nothing is made but the plane that is written. */
export function streamSegmentation(
  segmentation: BoxSegmentation,
  scan: Pick<LoadedScan<Voxels>, 'grid' | 'header' | 'brain'>,
): PredictionStream[] {
  const { grid, brain } = scan;
  const { box, threshold, probabilities, tissues } = segmentation;
  const file = (kind: PredictionKind, plane: PlaneVolume['plane']): PredictionStream => ({
    kind,
    content: writeNiftiPlanes({ grid, plane }, storage(kind, scan)),
  });
  const planeOf =
    (map: Float32Array) =>
    (z: number, target: Float32Array): void => {
      target.fill(0);
      const inBox = z - box.start[2];
      if (inBox < 0 || inBox >= box.shape[2]) return;
      const [width, height] = box.shape;
      for (let y = 0; y < height; y++) {
        const from = (inBox * height + y) * width;
        target.set(map.subarray(from, from + width), (y + box.start[1]) * grid.shape[0] + box.start[0]);
      }
    };
  const lesion = planeOf(probabilities);
  return [
    file({ label: 'lesion', suffix: 'mask' }, (z, target) => {
      lesion(z, target);
      const inside = brain.subarray(z * target.length, (z + 1) * target.length);
      target.set(thresholdMask(target, threshold, inside));
    }),
    file({ label: 'lesion', suffix: 'probseg' }, lesion),
    ...[...tissues].map(([label, map]) => file({ label, suffix: 'probseg' }, planeOf(map))),
  ];
}

/** How a file of a prediction is stored. */
function storage(
  { label, suffix }: PredictionKind,
  { header }: Pick<LoadedScan, 'header'>,
): WriteNiftiOptions {
  return suffix === 'mask'
    ? { datatype: 'uint8', like: header, intent: LABEL_INTENT, description: `${label} mask`, calMax: 1 }
    : {
        datatype: 'float32',
        like: header,
        intent: ESTIMATE_INTENT,
        description: `${label} probability`,
        calMax: 1,
      };
}
