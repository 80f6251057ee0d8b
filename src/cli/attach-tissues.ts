import type { Dataset } from '../imaging/dataset/dataset.ts';
import { withTissues } from '../imaging/dataset/tissue-files.ts';
import { DEFAULT_MAX_BYTES } from '../imaging/nifti/read.ts';
import { NodeFolder } from '../platform/node-files.ts';

/**
 * What `--tissue` means: the name of a source that the data set has, else a folder whose maps take the place of the
 * data set's own. @throws StorageError where there is no such folder.
 */
export async function attachTissues(dataset: Dataset, tissue: string | null): Promise<Dataset> {
  if (tissue === null) return dataset;
  const known = dataset.subjects.some(({ scans }) => scans.some((scan) => scan.tissues.has(tissue)));
  return known ? dataset : await withTissues(dataset, new NodeFolder(tissue));
}

/** The data set with images as large as this run may use memory; never less than without the option. */
export function allowImages(dataset: Dataset, memory: number | undefined): Dataset {
  return memory === undefined ? dataset : { ...dataset, maxImageBytes: Math.max(memory, DEFAULT_MAX_BYTES) };
}
