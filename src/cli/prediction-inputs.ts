import type { Model } from '../checkpoint/checkpoint.ts';
import { DatasetError } from '../core/errors.ts';
import { type Scan, scanName } from '../dataset/dataset.ts';
import { chooseModalities } from '../dataset/load-scan.ts';
import { takesTissues } from '../nn/variants.ts';
import { parseNumber } from './common.ts';

/** The number of `--threshold`; undefined for `auto`. @throws UsageError where it is neither. */
export function parseThreshold(text: string): number | undefined {
  return text === 'auto' ? undefined : parseNumber(text, '--threshold', { min: 0, max: 1 });
}

/**
 * @param tissue whose maps, or null for the preferred ones
 * @throws DatasetError for a scan that lacks what the model reads.
 */
export function requireModelInputs(scans: readonly Scan[], { info }: Model, tissue: string | null): void {
  for (const scan of scans) {
    chooseModalities(scan, info.modalities);
    const maps = tissue === null ? scan.tissues.size > 0 : scan.tissues.has(tissue);
    if (takesTissues(info.variant) && !maps)
      throw new DatasetError(
        `${scanName(scan)}: the ${info.variant} model reads tissue maps; there are none`,
        {
          hint: 'Make them with `voxelgrad tissue` or SPM (c1, c2, c3), or give their folder with --tissue.',
        },
      );
  }
}
