import { DatasetError } from '../core/errors.ts';
import type { Dataset } from '../imaging/dataset/dataset.ts';
import { withTissues } from '../imaging/dataset/tissue-files.ts';
import { DEFAULT_MAX_BYTES } from '../imaging/nifti/read.ts';
import { NodeFolder } from '../platform/node-files.ts';

/**
 * What `--maps` means: the name of a source that the data set has, else a folder whose maps take the place of the
 * data set's own.
 * @throws DatasetError naming the sources if it is neither; StorageError if a folder cannot be read.
 */
export async function attachTissues(dataset: Dataset, tissue: string | null): Promise<Dataset> {
  if (tissue === null) return dataset;
  const sources = new Set(
    dataset.subjects.flatMap(({ scans }) => scans.flatMap((scan) => [...scan.tissues.keys()])),
  );
  if (sources.has(tissue)) return dataset;
  const folder = new NodeFolder(tissue);
  if (await folder.exists()) return await withTissues(dataset, folder);
  throw new DatasetError(
    `${JSON.stringify(tissue)} is neither a source of maps in ${dataset.name} nor a folder`,
    {
      hint:
        sources.size > 0
          ? `Sources are ${[...sources].sort().join(', ')}; a folder is given by its path.`
          : 'The data set has no maps: give the folder that holds them.',
    },
  );
}

/** The folder of maps that takes the place of the data set's own, after {@link attachTissues}; undefined if there is none. */
export function mapsFolder({ files, subjects }: Dataset, tissue: string | null): NodeFolder | undefined {
  const elsewhere = subjects.some(({ scans }) =>
    scans.some((scan) => [...scan.tissues.values()].some((maps) => maps.files && maps.files !== files)),
  );
  return tissue !== null && elsewhere ? new NodeFolder(tissue) : undefined;
}

/** The data set with images as large as this run may use memory; never less than without the option. */
export function allowImages(dataset: Dataset, memory: number | undefined): Dataset {
  return memory === undefined ? dataset : { ...dataset, maxImageBytes: Math.max(memory, DEFAULT_MAX_BYTES) };
}
