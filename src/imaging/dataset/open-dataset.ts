import { DatasetError } from '../../core/errors.ts';
import type { FileSource } from '../../core/files.ts';
import { openBids } from './bids.ts';
import type { Dataset } from './dataset.ts';
import { openIsbi2015 } from './isbi2015.ts';

/**
 * Opens a folder of images, recognising by itself whether it is BIDS or the ISBI 2015 challenge's layout. Only
 * names that the folder lists are ever used as paths.
 * @throws DatasetError where it is neither; the message says what was looked for and what was found.
 */
export async function openDataset(files: FileSource): Promise<Dataset> {
  const dataset = (await openBids(files)) ?? (await openIsbi2015(files));
  if (dataset && dataset.subjects.length > 0) return dataset;
  const entries = await files.list('');
  const shown = entries.slice(0, 8).map((e) => (e.kind === 'folder' ? `${e.name}/` : e.name));
  const rest = entries.length > 8 ? ` and ${entries.length - 8} more` : '';
  const found = entries.length === 0 ? 'it is empty' : `it holds ${shown.join(', ')}${rest}`;
  throw new DatasetError(
    `${files.name}: no data set found; looked for BIDS (sub-*/[ses-*/]anat/sub-*_FLAIR.nii.gz) and ISBI 2015 ` +
      `([training/]training01/preprocessed/training01_01_flair_pp.nii, [testdata_website/]test01/...); ${found}`,
    { hint: 'Give the folder that holds the sub-* or training* folders.' },
  );
}
