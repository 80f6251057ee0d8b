import { DatasetError } from '../../core/errors.ts';
import type { FileSource } from '../../core/files.ts';
import { openBids } from './bids.ts';
import type { DatasetChoices } from './choices.ts';
import type { Dataset } from './dataset.ts';
import { findDicom } from './find-dicom.ts';
import { openIsbi2015 } from './isbi2015.ts';

/**
 * Opens a folder of images, detecting whether it is BIDS or the ISBI 2015 challenge's layout. Only
 * names that the folder lists are ever used as paths.
 * @param choices between files that could serve alike
 * @param only the subject to look at in BIDS, without `sub-` (default: all)
 * @throws DatasetError where it is neither (the message says what was looked for and what was found; of DICOM, that it
 *   is), and for a chosen source that is not there.
 */
export async function openDataset(
  files: FileSource,
  choices: DatasetChoices = {},
  only?: string,
): Promise<Dataset> {
  const dataset = (await openBids(files, choices, only)) ?? (await openIsbi2015(files, choices));
  if (dataset && dataset.subjects.length > 0) return dataset;
  const entries = await files.list('');
  const shown = entries.slice(0, 8).map((e) => (e.kind === 'folder' ? `${e.name}/` : e.name));
  const rest = entries.length > 8 ? ` and ${entries.length - 8} more` : '';
  const found = entries.length === 0 ? 'it is empty' : `it holds ${shown.join(', ')}${rest}`;
  const dicom = await findDicom(files);
  if (dicom !== undefined)
    throw new DatasetError(
      `${files.name}: holds DICOM files (${dicom}), as scanners store images; here NIfTI is read`,
      {
        hint: 'Give them to `voxelgrad prepare`; or convert them to NIfTI with dcm2niix first, in a BIDS layout: sub-01/anat/sub-01_FLAIR.nii.gz.',
      },
    );
  throw new DatasetError(
    `${files.name}: no data set found; looked for BIDS (sub-*/[ses-*/]anat/sub-*_FLAIR.nii.gz) and ISBI 2015 ` +
      `([training/]training01/preprocessed/training01_01_flair_pp.nii, [testdata_website/]test01/...); ${found}`,
    { hint: 'Give the folder that holds the sub-* or training* folders.' },
  );
}
