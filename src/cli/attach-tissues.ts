import type { Dataset } from '../imaging/dataset/dataset.ts';
import { withTissues } from '../imaging/dataset/tissue-files.ts';
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
