import type { Scan } from '../dataset/dataset.ts';
import { loadScan } from '../dataset/load-scan.ts';
import { type PredictionKind, predictionPath } from '../dataset/prediction-path.ts';
import { preprocess } from '../dataset/preprocess.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { ESTIMATE_INTENT, LABEL_INTENT, writeNifti } from '../nifti/write.ts';
import { UNet3d } from '../nn/unet3d.ts';
import { LESION_HEAD, TISSUE_HEAD, TISSUES, takesTissues } from '../nn/variants.ts';
import { thresholdMask } from '../report/threshold.ts';
import { uncrop } from '../volume/crop.ts';
import { Predictor } from './predictor.ts';
import type { PredictedScan, PredictRequest } from './request.ts';

/** Voxels kept around the brain, as in training. */
const MARGIN = 8;

/**
 * Predicts scans one after the other and writes, on each scan's own grid with its own affine and codes, the lesion
 * mask and the lesion probabilities, and the tissue probabilities where the network has that head.
 *
 * @throws DatasetError, GridMismatchError, FileFormatError for a scan that cannot be read; StorageError;
 *   CheckpointError; OutOfMemoryError, GpuError, DeviceLostError. Scans that were done before stay written.
 */
export async function predict(gpu: Gpu, request: PredictRequest): Promise<readonly PredictedScan[]> {
  const { model, scans } = request;
  const { info } = model;
  const net = await UNet3d.create(gpu, info.network, { training: false });
  try {
    net.load(model.weights);
    const predictor = await Predictor.create(gpu, net, info.variant, info.patch);
    try {
      const done: PredictedScan[] = [];
      for (const scan of scans) {
        const predicted = await predictScan(predictor, scan, request);
        done.push(predicted);
        request.onScan?.(done.length, predicted);
      }
      return done;
    } finally {
      predictor.destroy();
    }
  } finally {
    net.destroy();
  }
}

async function predictScan(
  predictor: Predictor,
  scan: Scan,
  request: PredictRequest,
): Promise<PredictedScan> {
  const start = performance.now();
  const { variant, modalities, patch } = request.model.info;
  const loaded = await loadScan(request.dataset, scan, {
    modalities,
    tissue: takesTissues(variant) ? request.tissue : false,
  });
  const prepared = preprocess(loaded, { crop: { margin: MARGIN, minimum: [patch, patch, patch] } });
  const maps = await predictor.predict(prepared, {
    overlap: request.overlap,
    onTile: (done, total) => request.onTile?.(done, total, scan),
  });
  const whole = (map: Float32Array): Float32Array => uncrop(map, prepared.box, loaded.grid).data;
  const write = async (
    label: PredictionKind['label'],
    suffix: 'mask' | 'probseg',
    bytes: Uint8Array,
  ): Promise<string> => {
    const path = predictionPath(scan, { label, suffix });
    await request.out.write(path, bytes);
    return path;
  };
  const probability = (data: Float32Array, what: string): Uint8Array =>
    writeNifti(
      { grid: loaded.grid, data },
      { datatype: 'float32', like: loaded.header, intent: ESTIMATE_INTENT, description: what, calMax: 1 },
    );
  const lesion = whole(maps.get(LESION_HEAD.name)![0]!);
  const mask = thresholdMask(lesion, request.threshold, loaded.brain);
  const paths = {
    mask: await write(
      'lesion',
      'mask',
      writeNifti(
        { grid: loaded.grid, data: mask },
        {
          datatype: 'uint8',
          like: loaded.header,
          intent: LABEL_INTENT,
          description: 'lesion mask',
          calMax: 1,
        },
      ),
    ),
    probabilities: await write('lesion', 'probseg', probability(lesion, 'lesion probability')),
  };
  const tissues = maps.get(TISSUE_HEAD.name);
  for (const [i, tissue] of (tissues ? TISSUES : []).entries())
    await write(tissue, 'probseg', probability(whole(tissues![i]!), `${tissue} probability`));
  const { subject, session } = scan;
  return { subject, session, ...paths, seconds: (performance.now() - start) / 1000 };
}
