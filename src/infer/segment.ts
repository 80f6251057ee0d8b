import type { Model } from '../checkpoint/checkpoint.ts';
import type { LoadedScan } from '../dataset/load-scan.ts';
import type { PredictionKind } from '../dataset/prediction-path.ts';
import { preprocess } from '../dataset/preprocess.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { ESTIMATE_INTENT, LABEL_INTENT, writeNifti } from '../nifti/write.ts';
import { UNet3d } from '../nn/unet3d.ts';
import { LESION_HEAD, TISSUE_HEAD, TISSUES } from '../nn/variants.ts';
import { thresholdMask } from '../report/threshold.ts';
import { uncrop } from '../volume/crop.ts';
import { Predictor } from './predictor.ts';
import type { WindowSnapshot } from './sliding-window.ts';

/** Voxels kept around the brain, as in training. */
const MARGIN = 8;

/** Settings of {@link segment}. */
export interface SegmentOptions {
  /** A voxel is lesion where its probability is at or above this (default: what training chose). */
  readonly threshold?: number;
  /** Overlap of neighbouring windows, as a share of their edge; 0 to below 1 (default 0.5). */
  readonly overlap?: number;
  /** Called after each tile. */
  readonly onTile?: (done: number, total: number) => void;
  /** Stops between tiles; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Kept up to date, and where the run starts: for going on after the device was lost. */
  readonly snapshot?: WindowSnapshot;
  /** Seconds between two updates of the snapshot, each a readback (default 2). */
  readonly snapshotSeconds?: number;
}

/** What a network says of a scan. Every array has the voxels of the scan's own grid, x fastest. */
export interface Segmentation {
  /** 1 where the probability is at or above the threshold, inside the brain. */
  readonly mask: Uint8Array;
  /** Of lesion; 0 outside the brain. */
  readonly probabilities: Float32Array;
  /** By tissue, where the network has that head. */
  readonly tissues: ReadonlyMap<(typeof TISSUES)[number], Float32Array>;
}

/**
 * Segments one scan with a trained network: standardises it, runs the sliding window over the whole of it, and brings
 * the maps back to the scan's grid. For many scans, {@link withPredictor} keeps the network on the GPU.
 *
 * @param scan with the model's modalities in its order, and with tissue maps where the model reads them
 * @throws DatasetError for an image that is one value, or missing tissue maps; ShapeError for other channels than the
 *   model's; OutOfMemoryError, GpuError, DeviceLostError, the signal's reason.
 */
export async function segment(
  gpu: Gpu,
  model: Model,
  scan: LoadedScan,
  options: SegmentOptions = {},
): Promise<Segmentation> {
  return await withPredictor(gpu, model, (predictor) => segmentWith(predictor, model, scan, options));
}

/** Puts a network on the GPU for as long as `work` takes. @throws OutOfMemoryError, GpuError, and what `work` throws. */
export async function withPredictor<T>(
  gpu: Gpu,
  { info, weights }: Model,
  work: (predictor: Predictor) => Promise<T>,
): Promise<T> {
  const net = await UNet3d.create(gpu, info.network, { training: false });
  try {
    net.load(weights);
    const predictor = await Predictor.create(gpu, net, info.variant, info.patch);
    try {
      return await work(predictor);
    } finally {
      predictor.destroy();
    }
  } finally {
    net.destroy();
  }
}

/** {@link segment} with a network that is on the GPU already: `model`'s. */
export async function segmentWith(
  predictor: Predictor,
  { info }: Model,
  scan: LoadedScan,
  options: SegmentOptions = {},
): Promise<Segmentation> {
  const { threshold = info.threshold, ...window } = options;
  const { patch } = info;
  // Without the true lesions: they would move the cut, and the windows with it, where they reach out of the brain.
  const { lesions: _, ...blind } = scan;
  const prepared = preprocess(blind, { crop: { margin: MARGIN, minimum: [patch, patch, patch] } });
  const maps = await predictor.predict(prepared, window);
  const whole = (map: Float32Array): Float32Array => uncrop(map, prepared.box, scan.grid).data;
  const probabilities = whole(maps.get(LESION_HEAD.name)![0]!);
  const tissues = maps.get(TISSUE_HEAD.name);
  return {
    mask: thresholdMask(probabilities, threshold, scan.brain),
    probabilities,
    tissues: new Map(TISSUES.flatMap((name, i) => (tissues ? [[name, whole(tissues[i]!)]] : []))),
  };
}

/** One file of a prediction. */
export interface PredictionFile {
  readonly kind: PredictionKind;
  /** A whole .nii.gz. */
  readonly bytes: Uint8Array;
}

/** A segmentation as NIfTI files on the scan's own grid, with its own affine and codes: mask first, then the maps. */
export function encodeSegmentation(segmentation: Segmentation, scan: LoadedScan): PredictionFile[] {
  const { grid, header } = scan;
  const map = (label: PredictionKind['label'], data: Float32Array): PredictionFile => ({
    kind: { label, suffix: 'probseg' },
    bytes: writeNifti(
      { grid, data },
      {
        datatype: 'float32',
        like: header,
        intent: ESTIMATE_INTENT,
        description: `${label} probability`,
        calMax: 1,
      },
    ),
  });
  const mask = writeNifti(
    { grid, data: segmentation.mask },
    { datatype: 'uint8', like: header, intent: LABEL_INTENT, description: 'lesion mask', calMax: 1 },
  );
  return [
    { kind: { label: 'lesion', suffix: 'mask' }, bytes: mask },
    map('lesion', segmentation.probabilities),
    ...[...segmentation.tissues].map(([tissue, data]) => map(tissue, data)),
  ];
}
