import type { Gpu } from '../../engine/gpu/gpu.ts';
import { withRecovery } from '../../engine/gpu/recovery.ts';
import type { Scan } from '../../imaging/dataset/dataset.ts';
import { type LoadedScan, loadStoredScan } from '../../imaging/dataset/load-scan.ts';
import { predictionPath } from '../../imaging/dataset/prediction-path.ts';
import { writeTissueDerivative } from '../../imaging/tissue/write-tissues.ts';
import type { Voxels } from '../../imaging/volume/voxels.ts';
import { streamSegmentation } from './prediction-files.ts';
import type { Predictor } from './predictor.ts';
import type { PredictedScan, PredictRequest } from './request.ts';
import { loadPredictionInput } from './scan-tissues.ts';
import { segmentBox, withPredictor } from './segment.ts';
import type { WindowSnapshot } from './sliding-window.ts';
import { spacingChange } from './voxel-size.ts';

/**
 * Predicts scans one after the other and writes, on each scan's own grid with its own affine and codes, the lesion
 * mask and the lesion probabilities, and the tissue probabilities where the network has that head or reads them and
 * they had to be made.
 *
 * @throws DatasetError, GridMismatchError, FileFormatError for a scan that cannot be read; StorageError;
 *   CheckpointError; OutOfMemoryError, GpuError, DeviceLostError. Scans that were done before stay written.
 */
export async function predict(gpu: Gpu, request: PredictRequest): Promise<readonly PredictedScan[]> {
  const { model, scans, reopen, onScan } = request;
  const done: PredictedScan[] = [];
  // Outlives the device: where it is lost, the scan goes on from here on the next one.
  let current: StartedScan | undefined;
  const onDevice = async (device: Gpu): Promise<readonly PredictedScan[]> =>
    await withPredictor(
      device,
      model,
      async (predictor) => {
        for (let scan = scans[done.length]; scan; scan = scans[done.length]) {
          current ??= await startScan(device, scan, request);
          done.push(await finishScan(predictor, current, request));
          current = undefined;
          onScan?.(done.length, done.at(-1)!);
        }
        return done;
      },
      request,
    );
  return await withRecovery(gpu, onDevice, {
    reopen,
    progress: () => done.length + (current?.reached ?? 0),
  });
}

/** A scan that is read, and how far it has come. */
interface StartedScan extends Pick<PredictedScan, 'tissue' | 'tissueMaps'> {
  readonly scan: Scan;
  readonly loaded: LoadedScan<Voxels>;
  readonly start: number;
  readonly snapshot: WindowSnapshot;
  /** Share of the tiles that were done at most, those that a lost device took with it included. */
  reached: number;
}

/** Reads a scan. */
async function startScan(gpu: Gpu, scan: Scan, request: PredictRequest): Promise<StartedScan> {
  const start = performance.now();
  const input = await loadInput(gpu, scan, request);
  const change = spacingChange(request.model.info, input.loaded.grid);
  if (change) request.onSpacing?.(scan, change);
  return { scan, start, ...input, snapshot: { tiles: 0, sums: undefined }, reached: 0 };
}

/** Runs the network over a scan and writes what comes of it. */
async function finishScan(
  predictor: Predictor,
  current: StartedScan,
  request: PredictRequest,
): Promise<PredictedScan> {
  const { scan, loaded, start, snapshot, tissue, tissueMaps } = current;
  const { model, threshold, overlap, memory, resample, snapshotSeconds, out } = request;
  const segmentation = await segmentBox(predictor, model, loaded, {
    threshold,
    overlap,
    memory,
    resample,
    snapshot,
    ...(snapshotSeconds === undefined ? {} : { snapshotSeconds }),
    onTile(tiles, total) {
      current.reached = Math.max(current.reached, tiles / total);
      request.onTile?.(tiles, total, scan);
    },
  });
  const paths: string[] = [];
  for (const { kind, content } of streamSegmentation(segmentation, loaded)) {
    const path = predictionPath(scan, kind);
    await out.write(path, content);
    paths.push(path);
  }
  const { subject, session } = scan;
  return {
    subject,
    session,
    mask: paths[0]!,
    probabilities: paths[1]!,
    tissue,
    tissueMaps,
    resampled: segmentation.resampled ?? null,
    seconds: (performance.now() - start) / 1000,
  };
}

/** Reads what the network takes in, and writes the tissue maps that were made for it. */
async function loadInput(
  gpu: Gpu,
  scan: Scan,
  { model, dataset, tissue: choice, stageOne, kernels, resample, out }: PredictRequest,
): Promise<{ readonly loaded: LoadedScan<Voxels> } & Pick<PredictedScan, 'tissue' | 'tissueMaps'>> {
  const { loaded, tissue, made } = await loadPredictionInput(
    gpu,
    dataset,
    scan,
    model.info,
    choice,
    loadStoredScan,
    stageOne,
    { resample, kernels },
  );
  const description = stageOne ? 'voxelgrad em, lesions as WM' : 'voxelgrad em';
  const tissueMaps = made ? await writeTissueDerivative(out, loaded, made, description) : [];
  return { loaded, tissue, tissueMaps };
}
