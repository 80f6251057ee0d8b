import { DatasetError } from '../../core/errors.ts';
import type { FileSink } from '../../core/files.ts';
import { setting, worded } from '../../core/wording.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import { recordedChoices } from '../dataset/choices.ts';
import { type Dataset, type Scan, scanName } from '../dataset/dataset.ts';
import { hashInputs, type InputFile } from '../dataset/inputs.ts';
import { chooseModalities, type LoadedScan, loadScan } from '../dataset/load-scan.ts';
import { sidecar, sidecarPath } from '../dataset/sidecar.ts';
import { isSpm } from '../dataset/tissue-files.ts';
import { TISSUES, type TissueMaps } from '../dataset/tissue-maps.ts';
import { readNifti } from '../nifti/read.ts';
import { resample } from '../volume/resample.ts';
import type { Grid, Volume } from '../volume/volume.ts';
import { type SegmentTissuesOptions, segmentTissues } from './segment-tissues.ts';
import { type WrittenTissues, writeTissues } from './write-tissues.ts';

/** Where a scan's maps come from: SPM's own, or {@link segmentTissues}. */
export type TissueMethod = 'spm' | 'em';

/** Template maps on a grid of their own, in the space that the scans are registered to. */
export interface TissuePriors {
  readonly GM: Volume;
  readonly WM: Volume;
  readonly CSF: Volume;
}

/** What {@link makeTissues} is asked to do. */
export interface MakeTissuesRequest {
  readonly dataset: Dataset;
  readonly scans: readonly Scan[];
  readonly method: TissueMethod;
  /** Channels that em looks at; T1w must be among them. */
  readonly modalities: readonly string[];
  readonly priors?: TissuePriors | undefined;
  /** The files of `priors`, for the sidecars. */
  readonly priorFiles?: readonly InputFile[] | undefined;
  readonly em?: SegmentTissuesOptions;
  readonly out: FileSink;
  /** Of voxelgrad, for the sidecars beside the maps (default: none are written). */
  readonly version?: string | undefined;
  onProgress?(done: number, scan: string): void;
}

/**
 * Checks, before anything is written, that every scan has what the method reads.
 * @throws DatasetError for a scan without SPM's maps, or without one of the modalities.
 */
export function requireTissueInputs(
  scans: readonly Scan[],
  { method, modalities }: Pick<MakeTissuesRequest, 'method' | 'modalities'>,
): void {
  for (const scan of scans) {
    if (method === 'spm') spmSource(scan);
    else chooseModalities(scan, modalities);
  }
}

/**
 * Writes tissue maps of scans, one after the other. SPM's are made a probability inside the brain and turned to the
 * T1's voxel order where they are stored otherwise.
 *
 * @param gpu needed by `em` alone
 * @throws DatasetError, GridMismatchError, FileFormatError for a scan that cannot be read; StorageError;
 *   OutOfMemoryError, GpuError, DeviceLostError. Scans that were done before stay written.
 */
export async function makeTissues(
  gpu: Gpu | undefined,
  request: MakeTissuesRequest,
): Promise<WrittenTissues[]> {
  const { dataset, scans, method } = request;
  const done: WrittenTissues[] = [];
  for (const scan of scans) {
    const name = scanName(scan);
    if (method === 'spm') {
      const source = spmSource(scan);
      const loaded = await loadScan(dataset, scan, { modalities: ['T1w'], tissue: source });
      done.push(await written(request, scan, loaded, loaded.tissues!, 'SPM'));
    } else {
      if (!gpu) throw new DatasetError(`${name}: segmenting tissues needs a GPU`);
      const loaded = await loadScan(dataset, scan, { modalities: request.modalities });
      const maps = await segmentTissues(gpu, loaded, {
        ...request.em,
        priors: request.priors && priorsOn(request.priors, loaded.grid, loaded.brain, name),
        onIteration: (round, rounds) => request.onProgress?.(done.length + round / rounds, name),
      });
      done.push(await written(request, scan, loaded, maps, 'voxelgrad em'));
    }
    request.onProgress?.(done.length, name);
  }
  return done;
}

/** Writes a scan's maps, and what they come from. */
async function written(
  { dataset, out, method, modalities, em, priors, priorFiles = [], version }: MakeTissuesRequest,
  scan: Scan,
  loaded: LoadedScan,
  maps: TissueMaps,
  description: string,
): Promise<WrittenTissues> {
  const done = await writeTissues(out, loaded, maps, description);
  const warnings = loaded.warnings ?? [];
  if (version !== undefined) {
    const images = method === 'spm' ? ['T1w'] : chooseModalities(scan, modalities).map(([name]) => name);
    const read = method === 'spm' ? { maps: TISSUES, mapSource: spmSource(scan) } : {};
    const facts = {
      version,
      inputs: [...(await hashInputs(dataset, scan, { modalities: images, ...read })), ...priorFiles],
      brain: loaded.brainSource,
      choices: recordedChoices(dataset.choices),
      method: {
        Method: description,
        Beta: em?.beta,
        Iterations: em?.iterations,
        Priors: priors !== undefined,
      },
      warnings,
    };
    for (const [i, path] of done.bids.entries())
      await out.write(sidecarPath(path), sidecar({ label: TISSUES[i]!, suffix: 'probseg' }, facts));
  }
  return warnings.length > 0 ? { ...done, warnings } : done;
}

/** The name of the scan's SPM maps. */
function spmSource(scan: Scan): string {
  const found = [...scan.tissues.values()].find(isSpm);
  if (found) return found.source;
  const others = [...scan.tissues.keys()].join(', ');
  throw new DatasetError(
    `${scanName(scan)}: there are no SPM maps (c1, c2, c3)${others ? `; there are maps from ${others}` : ''}`,
    {
      hint: worded`Run SPM12 on the T1 and put its maps beside it or in derivatives/NAME, or use ${setting('method', 'em')}.`,
    },
  );
}

/**
 * Reads template maps that are stored from 0 to 1, or from 0 to 255 as some templates have them.
 * @throws DatasetError where the values are neither; FileFormatError.
 */
export async function readPrior(bytes: Uint8Array, path: string): Promise<Volume> {
  const { volume } = await readNifti(bytes, path);
  const highest = volume.data.reduce((a, b) => Math.max(a, b), 0);
  const lowest = volume.data.reduce((a, b) => Math.min(a, b), 0);
  const scale = highest > 1.5 ? 255 : 1;
  if (lowest < -0.5 || highest > 256 || highest <= 0)
    throw new DatasetError(`${path}: holds values from ${lowest} to ${highest}, no prior probabilities`, {
      hint: 'Give maps from 0 to 1, or from 0 to 255.',
    });
  return { grid: volume.grid, data: volume.data.map((v) => v / scale) };
}

/** The priors at a scan's voxels, by world coordinates. @throws DatasetError where they miss the brain. */
function priorsOn(priors: TissuePriors, grid: Grid, brain: Uint8Array, scan: string): TissueMaps {
  const [GM, WM, CSF] = [priors.GM, priors.WM, priors.CSF].map((map) => resample(map, grid).data);
  let inside = 0;
  let covered = 0;
  brain.forEach((v, i) => {
    if (v === 0) return;
    inside++;
    if (GM![i]! + WM![i]! + CSF![i]! > 0.05) covered++;
  });
  if (covered < inside / 2)
    throw new DatasetError(
      `${scan}: the priors cover ${Math.round((100 * covered) / inside)} % of the brain, so they lie in another space`,
      { hint: worded`Register the template to the scan first, or leave ${setting('priors')} out.` },
    );
  return { GM: GM!, WM: WM!, CSF: CSF! };
}
