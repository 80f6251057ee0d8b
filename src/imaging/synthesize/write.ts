import { DatasetError, UsageError } from '../../core/errors.ts';
import type { FileSink, FileSource } from '../../core/files.ts';
import { canonicalJson } from '../../core/json.ts';
import { LABEL_INTENT } from '../nifti/encode.ts';
import { readNifti } from '../nifti/read.ts';
import { writeNifti } from '../nifti/write.ts';
import { toCanonical } from '../volume/orientation.ts';
import { type Grid, gridFromAffine, toWorld } from '../volume/volume.ts';
import { type Anatomy, dissect, LABELS } from './anatomy.ts';
import { SYNTHETIC_MODALITIES } from './contrast.ts';
import { type SyntheticScan, synthesize } from './synthesize.ts';

/** A label map as a file, by the name of its brain. */
export interface LabelFile {
  readonly name: string;
  readonly path: string;
}

/** Settings of a synthetic data set. */
export interface SyntheticDatasetOptions {
  /** Scans, 1 to 9999. */
  readonly count: number;
  readonly seed: number;
  /** Edge of the voxels in mm, 1 to 5. */
  readonly voxel: number;
  /** Share of scans without lesions, 0 to 1. */
  readonly healthy: number;
  /** Of voxelgrad, for the data set's description. */
  readonly version: string;
}

/** One scan that was written. */
export interface WrittenSynthetic {
  readonly subject: string;
  readonly source: string;
  readonly lesionMl: number;
}

/** Edge of outside that is added around a map, in mm. */
const EDGE_MM = 8;

const FILE = /^(?:sub-)?([A-Za-z0-9]+).*_dseg\.nii(\.gz)?$/;

/**
 * The label maps of a folder and the folders below it, `sub-NAME…_dseg.nii.gz`, by name.
 * @param subjects names of those to use; all if left out
 * @throws DatasetError if there are none. @throws UsageError for a name that is not there.
 */
export async function findLabelMaps(files: FileSource, subjects?: readonly string[]): Promise<LabelFile[]> {
  const found: LabelFile[] = [];
  const look = async (at: string, depth: number): Promise<void> => {
    for (const { name, kind } of await files.list(at)) {
      const path = at === '' ? name : `${at}/${name}`;
      const match = kind === 'file' ? FILE.exec(name) : null;
      if (match) found.push({ name: match[1]!, path });
      else if (kind === 'folder' && depth > 0) await look(path, depth - 1);
    }
  };
  await look('', 3);
  found.sort((a, b) => (a.path < b.path ? -1 : 1));
  if (found.length === 0)
    throw new DatasetError(`${files.name}: there is no label map`, {
      hint: 'A label map is a file sub-NAME_dseg.nii.gz with 0 outside, 1 CSF, 2 grey matter, 3 white matter, 4 lesion.',
    });
  if (!subjects) return found;
  const names = found.map(({ name }) => name);
  const missing = subjects.filter((name) => !names.includes(name));
  if (missing.length > 0)
    throw new UsageError(`${files.name}: there is no label map of ${missing.join(', ')}`, {
      hint: `There are ${names.join(', ')}.`,
    });
  return found.filter(({ name }) => subjects.includes(name));
}

/**
 * Reads a label map and takes it apart.
 * @throws DatasetError naming the labels that are not known. @throws FileFormatError for a file that is no image.
 */
export async function readAnatomy(files: FileSource, { name, path }: LabelFile): Promise<Anatomy> {
  const { volume } = await readNifti(await files.read(path), path);
  const { grid, data } = toCanonical(volume).volume;
  const known = Object.values(LABELS) as number[];
  const unknown = new Set<number>();
  for (const value of data) if (!known.includes(value)) unknown.add(value);
  if (unknown.size > 0) {
    const list = [...unknown].sort((a, b) => a - b);
    const shown = list.slice(0, 12).join(', ');
    throw new DatasetError(
      `${path}: unknown labels ${shown}${list.length > 12 ? ` and ${list.length - 12} more` : ''}`,
      {
        hint: `Known are ${Object.entries(LABELS)
          .map(([word, value]) => `${value} (${word})`)
          .join(', ')}: change the map.`,
      },
    );
  }
  for (const [word, value] of Object.entries(LABELS))
    if (value !== LABELS.lesion && !data.includes(value))
      throw new DatasetError(`${path}: no voxel has label ${value} (${word})`, {
        hint: 'A label map shows a whole brain with what is outside of it.',
      });
  return dissect(name, ...padded(grid, data));
}

/** The map with an edge of outside around it, where a brain that is turned or enlarged has room. */
function padded(grid: Grid, data: Float32Array): [Grid, Uint8Array] {
  const edge = grid.spacing.map((mm) => Math.round(EDGE_MM / mm)) as [number, number, number];
  const shape = grid.shape.map((n, axis) => n + 2 * edge[axis]!) as [number, number, number];
  const affine = Float64Array.from(grid.affine);
  affine.set(toWorld(grid, [-edge[0], -edge[1], -edge[2]]), 12);
  const out = new Uint8Array(shape[0] * shape[1] * shape[2]);
  const [nx, ny, nz] = grid.shape;
  for (let z = 0; z < nz; z++)
    for (let y = 0; y < ny; y++) {
      const row = (z * ny + y) * nx;
      out.set(data.subarray(row, row + nx), ((z + edge[2]) * shape[1] + y + edge[1]) * shape[0] + edge[0]);
    }
  return [gridFromAffine(shape, affine), out];
}

/**
 * Writes synthetic scans as a BIDS data set that training reads: `sub-syn0001/anat/…_{FLAIR,T1w}.nii.gz`, each with a sidecar
 * that says that it is synthetic and how it was made, lesion masks and brain masks in `derivatives`. Brains take turns.
 * Scans are made and written one at a time. Equal options give equal bytes.
 * @throws UsageError for a setting out of its range; DatasetError for a label map with unknown labels.
 */
export async function writeSyntheticDataset(
  labels: FileSource,
  maps: readonly LabelFile[],
  sink: FileSink,
  options: SyntheticDatasetOptions,
  onScan: (done: number, scan: WrittenSynthetic) => void = () => {},
): Promise<WrittenSynthetic[]> {
  requireRange('count', options.count, 1, 9999);
  requireRange('voxel', options.voxel, 1, 5);
  requireRange('healthy', options.healthy, 0, 1);
  const brains: Anatomy[] = [];
  for (const map of maps) brains.push(await readAnatomy(labels, map));
  await writeDescriptions(sink, options.version);
  const written: WrittenSynthetic[] = [];
  for (let n = 0; n < options.count; n++) {
    const brain = brains[n % brains.length]!;
    const seed = (Math.imul(options.seed, 0x9e3779b1) + n) >>> 0;
    const scan = synthesize(brain, brains, { ...options, seed });
    const subject = `syn${String(n + 1).padStart(4, '0')}`;
    await writeScan(sink, subject, scan, seed);
    const [x, y, z] = scan.grid.spacing;
    const lesionMl = (scan.lesions.reduce((sum, v) => sum + v, 0) * x * y * z) / 1000;
    written.push({ subject, source: scan.source, lesionMl });
    onScan(n + 1, written.at(-1)!);
  }
  const rows = written.map(
    ({ subject, source, lesionMl }) => `sub-${subject}\t${source}\t${lesionMl.toFixed(3)}`,
  );
  await sink.write(
    'participants.tsv',
    text(`${['participant_id\tsource\tlesion_ml', ...rows].join('\n')}\n`),
  );
  return written;
}

function requireRange(name: string, value: number, low: number, high: number): void {
  if (!(value >= low && value <= high))
    throw new UsageError(`synthesize: ${name} must lie between ${low} and ${high}, not ${value}`);
}

const TREES = {
  lesions: 'Lesions of synthetic scans: exact by construction',
  brainmask: 'Brain masks of synthetic scans',
} as const;

async function writeDescriptions(sink: FileSink, version: string): Promise<void> {
  // Not by `voxelgrad` alone, which marks predictions: these masks are truth.
  const common = { BIDSVersion: '1.11.0', GeneratedBy: [{ Name: 'voxelgrad synthesize', Version: version }] };
  const name = 'Synthetic scans made from label maps; no image was measured';
  await sink.write('dataset_description.json', json({ Name: name, ...common }));
  for (const [tree, title] of Object.entries(TREES))
    await sink.write(
      `derivatives/${tree}/dataset_description.json`,
      json({ Name: title, DatasetType: 'derivative', ...common }),
    );
}

async function writeScan(sink: FileSink, subject: string, scan: SyntheticScan, seed: number): Promise<void> {
  const { grid } = scan;
  for (const modality of SYNTHETIC_MODALITIES) {
    const path = `sub-${subject}/anat/sub-${subject}_${modality}`;
    const data = scan.images[modality];
    await sink.write(`${path}.nii.gz`, writeNifti({ grid, data }, { datatype: 'int16' }));
    const { slices, ...acquisition } = scan.acquisitions[modality];
    await sink.write(
      `${path}.json`,
      json({
        Synthetic: true,
        Description: 'Made from a label map, not measured',
        SourceLabelMap: scan.source,
        Seed: seed,
        SkullStripped: true,
        Contrast: { ...scan.contrasts[modality] },
        Acquisition: { ...acquisition, slices: slices ? { ...slices } : null },
      }),
    );
  }
  for (const [tree, name, data] of [
    ['lesions', 'label-lesion_mask', scan.lesions],
    ['brainmask', 'desc-brain_mask', scan.brain],
  ] as const)
    await sink.write(
      `derivatives/${tree}/sub-${subject}/anat/sub-${subject}_${name}.nii.gz`,
      writeNifti({ grid, data }, { datatype: 'uint8', intent: LABEL_INTENT }),
    );
}

function text(content: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(content);
}

function json(value: Parameters<typeof canonicalJson>[0]): Uint8Array<ArrayBuffer> {
  return text(`${canonicalJson(value, 2)}\n`);
}
