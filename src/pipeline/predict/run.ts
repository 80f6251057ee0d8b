import type { Json } from '../../core/json.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import { withRecovery } from '../../engine/gpu/recovery.ts';
import { recordedChoices } from '../../imaging/dataset/choices.ts';
import type { Scan } from '../../imaging/dataset/dataset.ts';
import { hashInputs } from '../../imaging/dataset/inputs.ts';
import { type LoadedScan, loadStoredScan } from '../../imaging/dataset/load-scan.ts';
import { type PredictionKind, predictionPath } from '../../imaging/dataset/prediction-path.ts';
import {
  type Seen,
  type SidecarFacts,
  sidecar,
  sidecarFields,
  sidecarPath,
} from '../../imaging/dataset/sidecar.ts';
import { implausibleVolume } from '../../imaging/evaluate/plausibility.ts';
import { ESTIMATE_INTENT } from '../../imaging/nifti/encode.ts';
import { writeNifti } from '../../imaging/nifti/write.ts';
import { mosaicPath } from '../../imaging/results/cohort.ts';
import { mosaicPng } from '../../imaging/results/mosaic.ts';
import { encodeParts, type LabelSummary, partsKind, summarise } from '../../imaging/results/part-files.ts';
import { uncrop } from '../../imaging/volume/crop.ts';
import { voxelVolume } from '../../imaging/volume/volume.ts';
import { type Voxels, voxelAt } from '../../imaging/volume/voxels.ts';
import type { Model } from '../models/model.ts';
import { missingNote, presentChannels } from '../models/optional-channels.ts';
import { type DecidedBox, decideBox } from './decide-box.ts';
import { type EnsembleSnapshot, freshSnapshot, segmentEnsemble, withPredictors } from './ensemble.ts';
import { hasLabelImage, maskOf } from './head-result.ts';
import { loadPredictionInput } from './input-maps.ts';
import {
  labelTable,
  segmentationKind,
  streamLabels,
  streamSegmentation,
  valuesPath,
} from './prediction-files.ts';
import type { Predictor } from './predictor.ts';
import type { PredictedScan, PredictRequest } from './request.ts';
import type { BoxSegmentation, SegmentOptions } from './segment.ts';
import { spacingChange } from './voxel-size.ts';

/**
 * Predicts scans one after the other and writes, on each scan's own grid with its own affine and codes, what each head
 * says: masks or label images with their tables, probabilities, values; and the maps that had to be made for it.
 *
 * @throws DatasetError, GridMismatchError, FileFormatError for a scan that cannot be read; StorageError;
 *   CheckpointError; OutOfMemoryError, GpuError, DeviceLostError. Scans that were done before stay written.
 */
export async function predict(gpu: Gpu, request: PredictRequest): Promise<readonly PredictedScan[]> {
  const { scans, reopen, onScan } = request;
  const models = membersOf(request);
  const done: PredictedScan[] = [];
  // Outlives the device: where it is lost, the scan resumes from here on the next one.
  let current: StartedScan | undefined;
  const onDevice = async (device: Gpu): Promise<readonly PredictedScan[]> =>
    await withPredictors(
      device,
      models,
      async (predictors) => {
        for (let scan = scans[done.length]; scan; scan = scans[done.length]) {
          current ??= await startScan(device, scan, request);
          done.push(await finishScan(device, predictors, current, request));
          current = undefined;
          await writeValues(request, done);
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
interface StartedScan extends Pick<PredictedScan, 'maps' | 'madeMaps'> {
  readonly scan: Scan;
  readonly loaded: LoadedScan<Voxels>;
  readonly start: number;
  readonly snapshot: EnsembleSnapshot;
  /** Share of the tiles that were done at most, those that a lost device took with it included. */
  reached: number;
}

/** Reads a scan. */
async function startScan(gpu: Gpu, scan: Scan, request: PredictRequest): Promise<StartedScan> {
  const start = performance.now();
  const input = await loadInput(gpu, scan, request);
  const change = spacingChange(request.model.info, input.loaded.grid);
  if (change) request.onSpacing?.(scan, change);
  return { scan, start, ...input, snapshot: freshSnapshot(), reached: 0 };
}

/** The network, and those that are put together with it. */
function membersOf({ model, others = [] }: PredictRequest): readonly Model[] {
  return [model, ...others];
}

/** Runs the network over a scan and writes what comes of it. */
async function finishScan(
  gpu: Gpu,
  predictors: readonly Predictor[],
  current: StartedScan,
  request: PredictRequest,
): Promise<PredictedScan> {
  const { scan, loaded, start, snapshot, maps, madeMaps } = current;
  const { model, threshold, overlap, mirror, memory, resample, snapshotSeconds, minDiameter, out } = request;
  const how: Omit<SegmentOptions, 'snapshot'> = {
    precision: request.precision,
    threshold,
    overlap,
    mirror,
    memory,
    resample,
    snapshotSeconds,
    onTile(tiles, total) {
      current.reached = Math.max(current.reached, tiles / total);
      request.onTile?.(tiles, total, scan);
    },
  };
  const segmentation = await segmentEnsemble(predictors, membersOf(request), loaded, how, snapshot);
  const bare = decideBox(segmentation, loaded, minDiameter);
  const regions = await request.locate?.(gpu, bare, loaded);
  const decided = regions?.decided ?? bare;
  const summaries = decided.found.map((found) => summarise(found, brainVolume(loaded)));
  const lacking = missingNote(model.info, scan.modalities.keys());
  const warnings = [
    ...(loaded.warnings ?? []),
    ...(lacking ? [lacking] : []),
    ...implausible(summaries, decided),
    ...(regions?.reason ? [`regions are not given: ${regions.reason}`] : []),
  ];
  const facts = await sidecarFacts(current, segmentation, warnings, request, regions?.method);
  const describe = async (path: string, kind: PredictionKind, at?: number): Promise<void> => {
    if (facts) await out.write(sidecarPath(path), sidecar(kind, { ...facts, threshold: at }));
  };
  const files: string[] = [];
  const values: Record<string, number> = {};
  for (const { kind, content } of streamSegmentation(decided, loaded)) {
    const path = predictionPath(scan, kind);
    await out.write(path, content);
    files.push(path);
    await describe(path, kind, thresholdOf(segmentation, kind));
  }
  for (const { head, decision, value } of segmentation.heads.values()) {
    if (value !== undefined) values[head.name] = value;
    if (hasLabelImage(decision))
      await out.write(predictionPath(scan, segmentationKind(head), 'tsv'), labelTable(head, decision));
  }
  if (regions?.image) {
    const { kind, voxels, values: names, table } = regions.image;
    const path = predictionPath(scan, kind);
    await out.write(path, streamLabels(voxels, names, decided.box, loaded));
    await out.write(predictionPath(scan, kind, 'tsv'), table);
    await describe(path, kind);
    files.push(path);
  }
  for (const [i, path] of madeMaps.entries())
    await describe(path, { label: model.info.task.maps?.labels[i], suffix: 'probseg' });
  const tables: string[] = [];
  const images = loaded.channels.map(({ name }) => name);
  for (const [i, found] of decided.found.entries()) {
    const kind = partsKind(found.label);
    const at = thresholdOf(segmentation, { label: found.label, suffix: 'mask' });
    const fields = facts && sidecarFields(kind, { ...facts, threshold: at });
    const { tsv, json } = encodeParts(found, summaries[i]!, images, fields);
    const path = predictionPath(scan, kind, 'tsv');
    await out.write(path, tsv);
    await out.write(predictionPath(scan, kind, 'json'), json);
    tables.push(path);
  }
  if (decided.found.length > 0) await out.write(mosaicPath(scan, scan.entities), mosaicOf(decided, loaded));
  const { subject, session } = scan;
  return {
    subject,
    session,
    files,
    tables,
    found: summaries,
    values,
    maps,
    madeMaps,
    resampled: segmentation.resampled ?? null,
    seconds: (performance.now() - start) / 1000,
    warnings,
  };
}

/** The threshold of a label's mask; undefined for any other file. */
function thresholdOf({ heads }: BoxSegmentation, { label, suffix }: PredictionKind): number | undefined {
  if (suffix !== 'mask' || label === undefined) return undefined;
  for (const { decision, maps } of heads.values())
    if (decision.kind === 'threshold' && maps.has(label))
      return decision.thresholds[[...maps.keys()].indexOf(label)];
  return undefined;
}

/** The scan at a glance: its first image with the contours of all labels. */
function mosaicOf({ box, heads }: DecidedBox, { grid, brain, channels }: LoadedScan<Voxels>): Uint8Array {
  const layers = [...heads.values()].flatMap((head) =>
    head.decision.kind === 'threshold' || head.decision.kind === 'argmax'
      ? head.head.labels.map((label) => uncrop(maskOf(head, label), box, grid).data)
      : [],
  );
  const [first] = channels;
  return mosaicPng({
    grid,
    brain,
    intensity: (voxel) => voxelAt(first!.data, voxel),
    label: (voxel) => layers.findIndex((layer) => layer[voxel] !== 0) + 1,
  });
}

/** The volume of a scan's brain mask in ml. */
function brainVolume({ brain, grid }: LoadedScan<Voxels>): number {
  return (brain.reduce((sum, v) => sum + Number(v !== 0), 0) * voxelVolume(grid)) / 1000;
}

/** What is implausible about masks, a clause each. */
function implausible(summaries: readonly LabelSummary[], { heads }: DecidedBox): string[] {
  const masks = new Set([...heads.values()].flatMap((head) => [...head.masks.keys()]));
  return summaries.flatMap(({ Label, VolumeMl, BrainMl }) =>
    masks.has(Label) ? (implausibleVolume(Label, VolumeMl, BrainMl) ?? []) : [],
  );
}

/** What the sidecars of a scan say; undefined if none are wanted. */
async function sidecarFacts(
  { scan, loaded, maps: origin }: StartedScan,
  { resampled }: BoxSegmentation,
  warnings: readonly string[],
  request: PredictRequest,
  regions: Json | undefined,
): Promise<SidecarFacts | undefined> {
  const { model, dataset, maps: source, overlap, mirror, precision, resample, minDiameter } = request;
  const { provenance } = request;
  if (!provenance) return undefined;
  const { task, steps } = model.info;
  const modalities = presentChannels(model.info, scan.modalities.keys());
  const maps = origin === 'supplied' ? task.maps?.labels : undefined;
  const mapSource = source === false ? true : source;
  const inputs = await hashInputs(dataset, scan, { modalities, maps, mapSource });
  const trainedOn = trainedSubjects(membersOf(request));
  const { version, trainingFiles } = provenance;
  const images = inputs.slice(0, modalities.length);
  let seen: Seen = trainedOn === null ? null : 'no';
  if (trainedOn?.some((id) => id === scan.subject || id === `${scan.subject}_ses-${scan.session}`))
    seen = 'name';
  if (images.some(({ sha256 }) => trainingFiles?.has(sha256))) seen = 'images';
  return {
    version,
    inputs,
    brain: loaded.brainSource,
    choices: recordedChoices(dataset.choices),
    model: { ...provenance.model, trainedOn, seen },
    method: {
      Overlap: overlap,
      Steps: steps,
      Mirroring: mirror && !steps ? 'mean of all 8 mirrored tiles' : undefined,
      MeanWithModels: provenance.others?.length ? [...provenance.others] : undefined,
      Precision: precision ?? 'f32',
      Resampling: steps
        ? "by the network's own steps"
        : resampled
          ? { From: resampled.from, To: resampled.to, Done: resample ?? true }
          : 'none: the network saw the scan on its own grid',
      Maps: origin ?? undefined,
      SmallestDiameterMm: minDiameter,
      Regions: regions,
    },
    warnings,
  };
}

/** The patients that networks' settings name; null if they name none. */
function trainedSubjects(models: readonly Model[]): readonly string[] | null {
  const lists = models.map(({ info }) => (info.settings as { readonly subjects?: Json }).subjects);
  const named = lists.filter((list): list is Json[] => Array.isArray(list));
  return named.length > 0 ? [...new Set(named.flat().map(String))] : null;
}

/** Reads what the network takes in, and writes the maps that were made for it. */
async function loadInput(
  gpu: Gpu,
  scan: Scan,
  request: PredictRequest,
): Promise<{ readonly loaded: LoadedScan<Voxels> } & Pick<PredictedScan, 'maps' | 'madeMaps'>> {
  const { model, dataset, out } = request;
  const { loaded, maps, made } = await loadPredictionInput(
    gpu,
    dataset,
    scan,
    { ...model.info.task, channels: presentChannels(model.info, scan.modalities.keys()) },
    { ...request, whole: model.info.steps !== undefined },
    loadStoredScan,
  );
  const madeMaps: string[] = [];
  for (const { label, data } of made?.list ?? []) {
    const path = predictionPath(scan, { label, suffix: 'probseg' });
    const stored = {
      datatype: 'float32',
      like: loaded.header,
      intent: ESTIMATE_INTENT,
      calMax: 1,
      description: `${label} probability, ${made!.description}`,
    } as const;
    await out.write(path, writeNifti({ grid: loaded.grid, data }, stored));
    madeMaps.push(path);
  }
  return { loaded, maps, madeMaps };
}

/** Writes the numbers of whole scans, a table per head, as far as they are known. */
async function writeValues({ out, model }: PredictRequest, scans: readonly PredictedScan[]): Promise<void> {
  for (const { name, target } of model.info.task.heads) {
    if (target.from !== 'column') continue;
    const sessions = scans.some(({ session }) => session !== null);
    const head = ['participant_id', ...(sessions ? ['session_id'] : []), target.column];
    const rows = scans.map(({ subject, session, values }) => [
      `sub-${subject}`,
      ...(sessions ? [session === null ? 'n/a' : `ses-${session}`] : []),
      // Nine digits tell any two float32 apart.
      String(Number(values[name]!.toPrecision(9))),
    ]);
    const text = [head, ...rows].map((cells) => `${cells.join('\t')}\n`).join('');
    await out.write(valuesPath(name), new TextEncoder().encode(text));
  }
}
