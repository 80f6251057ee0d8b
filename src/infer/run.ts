import type { Scan } from '../dataset/dataset.ts';
import { loadScan } from '../dataset/load-scan.ts';
import { predictionPath } from '../dataset/prediction-path.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { takesTissues } from '../nn/variants.ts';
import type { Predictor } from './predictor.ts';
import type { PredictedScan, PredictRequest } from './request.ts';
import { encodeSegmentation, segmentWith, withPredictor } from './segment.ts';

/**
 * Predicts scans one after the other and writes, on each scan's own grid with its own affine and codes, the lesion
 * mask and the lesion probabilities, and the tissue probabilities where the network has that head.
 *
 * @throws DatasetError, GridMismatchError, FileFormatError for a scan that cannot be read; StorageError;
 *   CheckpointError; OutOfMemoryError, GpuError, DeviceLostError. Scans that were done before stay written.
 */
export async function predict(gpu: Gpu, request: PredictRequest): Promise<readonly PredictedScan[]> {
  return await withPredictor(gpu, request.model, async (predictor) => {
    const done: PredictedScan[] = [];
    for (const scan of request.scans) {
      const predicted = await predictScan(predictor, scan, request);
      done.push(predicted);
      request.onScan?.(done.length, predicted);
    }
    return done;
  });
}

async function predictScan(
  predictor: Predictor,
  scan: Scan,
  request: PredictRequest,
): Promise<PredictedScan> {
  const start = performance.now();
  const { variant, modalities } = request.model.info;
  const loaded = await loadScan(request.dataset, scan, {
    modalities,
    tissue: takesTissues(variant) ? request.tissue : false,
  });
  const segmentation = await segmentWith(predictor, request.model, loaded, {
    threshold: request.threshold,
    overlap: request.overlap,
    onTile: (done, total) => request.onTile?.(done, total, scan),
  });
  const paths: string[] = [];
  for (const { kind, bytes } of encodeSegmentation(segmentation, loaded)) {
    const path = predictionPath(scan, kind);
    await request.out.write(path, bytes);
    paths.push(path);
  }
  const { subject, session } = scan;
  return {
    subject,
    session,
    mask: paths[0]!,
    probabilities: paths[1]!,
    seconds: (performance.now() - start) / 1000,
  };
}
