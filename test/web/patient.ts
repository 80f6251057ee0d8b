import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MemoryFiles } from '../../src/core/files.ts';
import type { Gpu } from '../../src/engine/gpu/gpu.ts';
import { guessRole } from '../../src/imaging/dataset/file-role.ts';
import { loadScan } from '../../src/imaging/dataset/load-scan.ts';
import { scanOfFiles } from '../../src/imaging/dataset/loose-files.ts';
import { decodeModel } from '../../src/pipeline/models/model.ts';
import { type Segmentation, type SegmentOptions, segment } from '../../src/pipeline/predict/segment.ts';
import type { NamedBytes } from '../support/chromium.ts';

const MODEL: string = fileURLToPath(
  new URL('../../src/web/public/models/phantoms.safetensors', import.meta.url),
);

/** Overlap of the app's sliding window. */
const OVERLAP = 0.25;

/**
 * The 2 mm scan of patient 07: what the app's model reads, the brain mask, and the truth.
 * @param data the folder of real MRI
 */
export function patientFiles(data: string): NamedBytes[] {
  const folder = `${data}/open-ms-lesjak2017_2mm`;
  return [
    'sub-07/anat/sub-07_FLAIR.nii.gz',
    'sub-07/anat/sub-07_T1w.nii.gz',
    'derivatives/brainmask/sub-07/anat/sub-07_desc-brain_mask.nii.gz',
    'derivatives/lesions/sub-07/anat/sub-07_label-lesion_mask.nii.gz',
  ].map((path) => ({
    name: path.split('/').at(-1)!,
    bytes: new Uint8Array(readFileSync(`${folder}/${path}`)),
  }));
}

/** Files of a scan through the app's network and settings, without the app. */
export async function segmentFiles(
  gpu: Gpu,
  files: readonly NamedBytes[],
  options: Pick<SegmentOptions, 'onTile'> = {},
): Promise<Segmentation> {
  const memory = new MemoryFiles();
  for (const { name, bytes } of files) memory.files.set(name, bytes);
  const roles = new Map(files.map(({ name }) => [name, guessRole(name)!]));
  const { dataset, scan } = scanOfFiles(memory, roles);
  const model = decodeModel(new Uint8Array(readFileSync(MODEL)), MODEL);
  const loaded = await loadScan(dataset, scan, { modalities: model.info.task.channels });
  return await segment(gpu, model, loaded, { overlap: OVERLAP, ...options });
}
