import { type Dataset, scanName } from '../dataset/dataset.ts';
import { loadScan } from '../dataset/load-scan.ts';
import type { ExperimentRecord } from '../report/experiment-record.ts';
import { scansOf } from './run-net.ts';

/**
 * Reads every scan of a planned experiment once, so that a scan that cannot be used is found before hours are spent
 * on the others.
 *
 * @param dataset with the tissue maps that the record's settings name
 * @returns what a reader of the results must know
 * @throws DatasetError, GridMismatchError, FileFormatError naming the scan.
 */
export async function inspectScans(
  dataset: Dataset,
  { settings, rater, dataset: { subjects } }: ExperimentRecord,
  onScan: (done: number, total: number, name: string) => void = () => {},
): Promise<string[]> {
  const scans = scansOf(dataset, subjects);
  const modalities = settings.modalities as readonly string[];
  const tissue = typeof settings.tissue === 'string' ? settings.tissue : false;
  const spacings = new Map<string, string>();
  for (const [i, scan] of scans.entries()) {
    const { grid } = await loadScan(dataset, scan, { modalities, rater, tissue });
    const spacing = grid.spacing.map((mm) => Number(mm.toFixed(2))).join(' x ');
    if (!spacings.has(spacing)) spacings.set(spacing, scanName(scan));
    onScan(i + 1, scans.length, scanName(scan));
  }
  if (spacings.size < 2) return [];
  const list = [...spacings].map(([spacing, scan]) => `${spacing} mm (${scan})`).join(', ');
  return [
    `the scans have different voxel sizes, ${list}: a patch of so many voxels does not hold as much brain in each`,
  ];
}
