import { DatasetError, FileFormatError, GridMismatchError, type VoxelgradError } from '../../core/errors.ts';
import type { FileStore } from '../../core/files.ts';
import { type Dataset, type Scan, scanFolder } from '../../imaging/dataset/dataset.ts';
import type { FileRole } from '../../imaging/dataset/file-role.ts';
import { hashInputs, type InputFile } from '../../imaging/dataset/inputs.ts';
import { scanOfFiles } from '../../imaging/dataset/loose-files.ts';
import { sidecarPath } from '../../imaging/dataset/sidecar.ts';
import { LABEL_INTENT } from '../../imaging/nifti/encode.ts';
import { writeNifti } from '../../imaging/nifti/write.ts';
import { writeItkTransform } from '../../imaging/register/itk-transform.ts';
import type { Volume } from '../../imaging/volume/volume.ts';
import { brainPicture } from './brain-picture.ts';
import { type BrainModelFacts, type PreparedImages, type PrepareTools, prepareScan } from './prepare-scan.ts';
import { earlierFacts, type PreparedFacts, preparedPaths, preparedSidecar } from './prepared-files.ts';

/** What {@link prepare} is asked to do. */
export interface PrepareRequest extends PrepareTools {
  readonly dataset: Dataset;
  readonly scans: readonly Scan[];
  readonly out: FileStore;
  /** Of voxelgrad, for the sidecars. */
  readonly version: string;
  /** The network that finds the brain, for the sidecars. */
  readonly brainModel?: BrainModelFacts | undefined;
  /** Called when a scan is done; `kept` if an earlier run had done it. */
  onScan?(done: number, scan: PreparedScan): void;
  /** Called when a scan was refused; the others go on. */
  onFailed?(scan: FailedScan): void;
}

/** A scan that could not be prepared. */
export interface FailedScan {
  readonly subject: string;
  readonly session: string | null;
  /** What is wrong with it, and what to do. */
  readonly error: VoxelgradError;
  /** The FLAIR with the contour of what was taken for the brain, as a PNG; undefined if it came to nothing. */
  readonly picture: Uint8Array | undefined;
}

/** What {@link prepare} did, in the order of the scans. */
export interface Prepared {
  readonly scans: readonly PreparedScan[];
  readonly failed: readonly FailedScan[];
}

/** A scan that was prepared. */
export interface PreparedScan {
  readonly subject: string;
  readonly session: string | null;
  /** The images on the FLAIR's grid, and the brain mask, as paths from the root of the derivatives. */
  readonly images: ReadonlyMap<string, string>;
  readonly brainMask: string;
  /** Null for a FLAIR alone. */
  readonly transform: string | null;
  readonly seconds: number;
  /** Whether the files of an earlier run were kept: the same inputs and program. */
  readonly kept: boolean;
  readonly warnings: readonly string[];
}

/**
 * Prepares raw scans one after the other and writes them as BIDS derivatives: images on the FLAIR's own grid without their bias fields, the
 * brain mask, the transform, and a sidecar for each. A scan that an earlier run finished from the same files is kept: its last
 * sidecar is written when all else is.
 *
 * A scan that cannot be prepared is told of, nothing of it is written, and the next one follows.
 *
 * @throws StorageError; OutOfMemoryError, GpuError, DeviceLostError; the signal's reason. Scans that were done before stay written.
 */
export async function prepare(request: PrepareRequest): Promise<Prepared> {
  const done: PreparedScan[] = [];
  const failed: FailedScan[] = [];
  for (const scan of request.scans) {
    let picture: Uint8Array | undefined;
    const onBrain = (flair: Volume, brain: Uint8Array): void => {
      picture = brainPicture(flair, brain);
    };
    try {
      const result = await prepareOne({ ...request, onBrain }, scan);
      done.push(result);
      request.onScan?.(done.length + failed.length, result);
    } catch (error) {
      if (!isOfScan(error)) throw error;
      const { subject, session } = scan;
      failed.push({ subject, session, error, picture });
      request.onFailed?.(failed.at(-1)!);
    }
  }
  return { scans: done, failed };
}

/** Whether an error is about a scan's files, and not about the machine. */
function isOfScan(error: unknown): error is VoxelgradError {
  return (
    error instanceof DatasetError || error instanceof FileFormatError || error instanceof GridMismatchError
  );
}

async function prepareOne(request: PrepareRequest, scan: Scan): Promise<PreparedScan> {
  const { dataset, out } = request;
  const begin = performance.now();
  const modalities = ['FLAIR', 'T1w'].filter((name) => scan.modalities.has(name));
  const inputs = await hashInputs(dataset, scan, { modalities });
  const earlier = await earlierWarnings(out, scan, inputs, request);
  const prepared = earlier === undefined ? await prepareScan(dataset, scan, request) : undefined;
  if (prepared) await writePrepared(request, scan, prepared, inputs);
  const paths = preparedPaths(scan);
  const withT1w = modalities.includes('T1w');
  return {
    subject: scan.subject,
    session: scan.session,
    images: new Map([['FLAIR', paths.flair], ...(withT1w ? [['T1w', paths.t1w] as const] : [])]),
    brainMask: paths.brain,
    transform: withT1w ? paths.transform : null,
    seconds: (performance.now() - begin) / 1000,
    kept: prepared === undefined,
    warnings: prepared?.warnings ?? earlier ?? [],
  };
}

/** Prepared scans as a data set, for training and prediction. */
export function preparedDataset(out: FileStore, scans: readonly PreparedScan[]): Dataset {
  const bySubject = new Map<string, Scan[]>();
  for (const { subject, session, images, brainMask } of scans) {
    const roles = new Map<string, FileRole>([...images].map(([name, path]) => [path, name as FileRole]));
    const { scan: found } = scanOfFiles(out, roles.set(brainMask, 'brain'), subject);
    const scan: Scan = { ...found, session };
    bySubject.set(subject, [...(bySubject.get(subject) ?? []), scan]);
  }
  const subjects = [...bySubject].map(([id, own]) => ({ id, scans: own }));
  return { layout: 'bids', name: out.name, files: out, subjects, warnings: [] };
}

/** What an earlier run warned of, if it finished this scan from the same files with this version; else undefined. */
async function earlierWarnings(
  out: FileStore,
  scan: Scan,
  inputs: readonly InputFile[],
  { version, brainModel }: PrepareRequest,
): Promise<readonly string[] | undefined> {
  const last = sidecarPath(preparedPaths(scan).flair);
  const names = (await out.list(scanFolder(scan))).map(({ name }) => name);
  if (!names.includes(last.split('/').at(-1)!)) return undefined;
  const text = await out.read(last);
  const facts = earlierFacts(text);
  const same =
    facts?.inputs.join() === inputs.map(({ role, sha256 }) => `${role} ${sha256}`).join() &&
    facts.version === version &&
    facts.brainModel === (scan.brainMask === undefined ? brainModel?.sha256 : undefined);
  return same ? facts.warnings : undefined;
}

async function writePrepared(
  { out, version, brainModel }: PrepareRequest,
  scan: Scan,
  prepared: PreparedImages,
  inputs: readonly InputFile[],
): Promise<void> {
  const paths = preparedPaths(scan);
  const { header, flair, brain, t1w, fields, brainFrom, warnings } = prepared;
  const reference = scan.modalities.get('FLAIR')!;
  const tell = async (
    path: string,
    facts: Pick<PreparedFacts, 'description' | 'method' | 'skullStripped'>,
  ): Promise<void> =>
    await out.write(sidecarPath(path), preparedSidecar({ ...facts, version, inputs, reference, warnings }));
  // The sidecar of the FLAIR says that all is there: an earlier one goes first, and the new one comes last.
  await out.remove(sidecarPath(paths.flair));
  await out.write(
    paths.brain,
    writeNifti(brain, { datatype: 'uint8', like: header, intent: LABEL_INTENT, description: 'brain mask' }),
  );
  const found =
    brainFrom === 'file'
      ? { Brain: 'from a file' }
      : {
          Brain: 'found by a network',
          BrainModel: brainModel?.sha256,
          BrainModelName: brainModel?.name,
          BrainThreshold: brainModel?.threshold,
        };
  await tell(paths.brain, { description: 'Brain mask on the grid of the FLAIR', method: found });
  if (t1w) {
    const { transform, information, before, overlap } = t1w.registration;
    await out.write(paths.transform, new TextEncoder().encode(writeItkTransform(transform)));
    const registration = {
      Cost: 'normalised mutual information',
      DegreesOfFreedom: 6,
      Information: information,
      InformationBefore: before,
      Overlap: overlap,
    };
    await out.write(
      paths.transform.replace(/\.txt$/, '.json'),
      preparedSidecar({
        ...{ version, inputs, reference, warnings, method: registration },
        description:
          'ITK affine in LPS; maps a point of the FLAIR to one of the T1w, which resamples the T1w onto the FLAIR',
      }),
    );
    await out.write(
      paths.t1w,
      writeNifti(t1w.volume, { datatype: 'float32', like: header, description: 'T1w on FLAIR' }),
    );
    await tell(paths.t1w, {
      description: 'T1w on the grid of the FLAIR (cubic B-spline, once), without its bias field',
      skullStripped: false,
      method: { ...registration, BiasField: fields.T1w },
    });
  }
  await out.write(paths.picture, brainPicture(flair, brain.data, t1w?.volume));
  await out.write(
    paths.flair,
    writeNifti(flair, { datatype: 'float32', like: header, description: 'bias field corrected' }),
  );
  await tell(paths.flair, {
    description: 'FLAIR on its own grid, without its bias field',
    skullStripped: false,
    method: { BiasField: fields.FLAIR, ...found },
  });
}
