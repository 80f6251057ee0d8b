import { type Dataset, scanName } from '../../imaging/dataset/dataset.ts';
import { loadScan } from '../../imaging/dataset/load-scan.ts';
import { describeMixedSpacing, groupBySpacing } from '../../pipeline/predict/voxel-size.ts';
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
  const sizes: { name: string; spacing: readonly [number, number, number] }[] = [];
  const warnings: string[] = [];
  for (const [i, scan] of scans.entries()) {
    const { grid, warnings: odd = [] } = await loadScan(dataset, scan, { modalities, rater, tissue });
    for (const warning of odd) warnings.push(`${scanName(scan)}: ${warning}`);
    sizes.push({ name: scanName(scan), spacing: grid.spacing });
    onScan(i + 1, scans.length, scanName(scan));
  }
  const mixed = describeMixedSpacing(groupBySpacing(sizes));
  return mixed === undefined ? warnings : [...warnings, mixed];
}
