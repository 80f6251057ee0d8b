import type { Scan } from '../dataset/dataset.ts';
import { type LoadedScan, loadScan, withTissueMaps } from '../dataset/load-scan.ts';
import { predictionPath } from '../dataset/prediction-path.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { takesTissues } from '../nn/variants.ts';
import { writeTissueDerivative } from '../tissue/write-tissues.ts';
import type { Predictor } from './predictor.ts';
import type { PredictedScan, PredictRequest } from './request.ts';
import { makeScanTissues, needsTissues } from './scan-tissues.ts';
import { encodeSegmentation, segmentWith, withPredictor } from './segment.ts';

/**
 * Predicts scans one after the other and writes, on each scan's own grid with its own affine and codes, the lesion
 * mask and the lesion probabilities, and the tissue probabilities where the network has that head or reads them and
 * they had to be made.
 *
 * @throws DatasetError, GridMismatchError, FileFormatError for a scan that cannot be read; StorageError;
 *   CheckpointError; OutOfMemoryError, GpuError, DeviceLostError. Scans that were done before stay written.
 */
export async function predict(gpu: Gpu, request: PredictRequest): Promise<readonly PredictedScan[]> {
  return await withPredictor(gpu, request.model, async (predictor) => {
    const done: PredictedScan[] = [];
    for (const scan of request.scans) {
      const predicted = await predictScan(gpu, predictor, scan, request);
      done.push(predicted);
      request.onScan?.(done.length, predicted);
    }
    return done;
  });
}

async function predictScan(
  gpu: Gpu,
  predictor: Predictor,
  scan: Scan,
  request: PredictRequest,
): Promise<PredictedScan> {
  const start = performance.now();
  const { loaded, ...tissues } = await loadInput(gpu, scan, request);
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
    ...tissues,
    seconds: (performance.now() - start) / 1000,
  };
}

/** Reads what the network takes in, and makes its tissue maps where the scan has none. */
async function loadInput(
  gpu: Gpu,
  scan: Scan,
  { model, dataset, tissue, stageOne, out }: PredictRequest,
): Promise<{ readonly loaded: LoadedScan } & Pick<PredictedScan, 'tissue' | 'tissueMaps'>> {
  const { variant, modalities } = model.info;
  const make = needsTissues(scan, variant, tissue);
  const read = takesTissues(variant) && !make;
  const loaded = await loadScan(dataset, scan, { modalities, tissue: read && tissue });
  if (!make) return { loaded, tissue: read ? 'supplied' : null, tissueMaps: [] };
  const maps = await makeScanTissues(gpu, dataset, scan, loaded, stageOne);
  const description = stageOne ? 'voxelgrad em, lesions as WM' : 'voxelgrad em';
  return {
    loaded: withTissueMaps(loaded, maps),
    tissue: stageOne ? 'corrected' : 'uncorrected',
    tissueMaps: await writeTissueDerivative(out, loaded, maps, description),
  };
}
