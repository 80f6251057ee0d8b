import { gzipSync } from 'fflate';
import { Random } from '../../src/core/random.ts';
import { writeNifti } from '../../src/imaging/nifti/write.ts';
import { axisAlignedGrid, voxelCount } from '../../src/imaging/volume/volume.ts';
import { brainImage, GRID, image, inBrain, maskFile, OTHER_GRID } from '../imaging/dataset/make.ts';
import { rawNifti } from '../imaging/nifti/make.ts';
import type { NamedBytes } from '../support/chromium.ts';

const text = (content: string): Uint8Array => new TextEncoder().encode(content);

/** Files that the page must refuse, each with what it must say beside it. */
export function badFiles(): readonly (NamedBytes & { readonly says: RegExp })[] {
  const good = image(brainImage(40));
  const notFinite = writeNifti(
    { grid: GRID, data: new Float32Array(voxelCount(GRID)).fill(Number.NaN) },
    { datatype: 'float32' },
  );
  return [
    { name: 'empty_FLAIR.nii', bytes: new Uint8Array(), says: /^It is not a NIfTI file\./ },
    {
      name: 'text_T1w.nii',
      bytes: text('this is a letter, not an image. '.repeat(40)),
      says: /^It is not a NIfTI file\./,
    },
    { name: 'cut_T2w.nii.gz', bytes: good.subarray(0, good.length >> 1), says: /truncated|corrupt/ },
    {
      name: 'noise_PDw.nii.gz',
      bytes: gzipSync(text('noise'.repeat(200))),
      says: /^It is not a NIfTI file\./,
    },
    { name: 'nan_flair.nii.gz', bytes: notFinite, says: /NaN/ },
    {
      name: 'series_bold_t2.nii',
      bytes: rawNifti({ dims: [4, 2, 3, 2, 2, 1, 1, 1], values: new Array<number>(24).fill(1) }),
      says: /4|dimension/,
    },
    { name: 'color_t1.nii', bytes: rawNifti({ code: 128 }), says: /128|type/ },
    {
      name: 'lying_pd.nii',
      bytes: rawNifti({ dims: [3, 30000, 30000, 30000, 1, 1, 1, 1] }),
      says: /promises/,
    },
    { name: 'scan.dcm', bytes: text('DICM'), says: /dcm2niix/ },
    { name: 'letter.docx', bytes: text('PK'), says: /not a NIfTI file/ },
    { name: 'good_FLAIR.nii.gz', bytes: good, says: /^$/ },
    {
      name: 'other_T1w.nii.gz',
      bytes: image(brainImage(10), OTHER_GRID),
      says: /Its grid is .* that of the FLAIR is/,
    },
    { name: 'again_FLAIR.nii.gz', bytes: good, says: /good_FLAIR\.nii\.gz is the FLAIR already/ },
    { name: 'what_is_it.nii.gz', bytes: good, says: /does not tell what it is/ },
  ];
}

/** A scan of one tile: FLAIR, T1w and a brain mask on a small grid. */
export function smallScan(): NamedBytes[] {
  return [
    { name: 'p1_FLAIR.nii.gz', bytes: image(brainImage(80)) },
    { name: 'p1_T1w.nii.gz', bytes: image(brainImage(-30)) },
    { name: 'p1_brain_mask.nii.gz', bytes: maskFile(inBrain) },
  ];
}

/** A scan of eight tiles with blobs of noise, and a truth. */
export function middleScan(patient = 'p2', seed = 4): NamedBytes[] {
  const grid = axisAlignedGrid([48, 48, 48], [2, 2, 2], [-48, -48, -48]);
  const random = new Random(seed);
  const n = voxelCount(grid);
  const brain = new Uint8Array(n);
  const truth = new Uint8Array(n);
  const flair = new Float32Array(n);
  const t1w = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    const [x, y, z] = [i % 48, Math.floor(i / 48) % 48, Math.floor(i / 2304)];
    if (Math.hypot(x - 23.5, y - 23.5, z - 23.5) > 21) continue;
    brain[i] = 1;
    truth[i] = Math.hypot(x - 14, y - 20, z - 26) < 3 || Math.hypot(x - 32, y - 28, z - 24) < 2 ? 1 : 0;
    flair[i] = 100 + 90 * truth[i]! + random.normal(0, 8);
    t1w[i] = 120 - 50 * truth[i]! + random.normal(0, 8);
  }
  const file = (name: string, data: Float32Array | Uint8Array): NamedBytes => ({
    name,
    bytes: writeNifti({ grid, data }, { datatype: data instanceof Uint8Array ? 'uint8' : 'float32' }),
  });
  return [
    file(`${patient}_FLAIR.nii.gz`, flair),
    file(`${patient}_T1w.nii.gz`, t1w),
    file(`${patient}_brain_mask.nii.gz`, brain),
    file(`${patient}_lesion_mask.nii.gz`, truth),
  ];
}
