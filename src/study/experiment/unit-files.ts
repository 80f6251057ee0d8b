import type { FileSource, FileStore } from '../../core/files.ts';
import { Subfolder } from '../../core/subfolder.ts';
import { derivativeDescription } from '../../imaging/dataset/derivative.ts';
import { MAPS_TREE } from '../../imaging/dataset/inputs.ts';
import { EXPERIMENT_FILES, parseUnitResult, type UnitResult } from '../report/experiment-record.ts';

/** The folder of a unit. */
export function unitFolder(out: FileStore, unit: string): FileStore {
  return new Subfolder(out, `${EXPERIMENT_FILES.units}/${unit}`);
}

/**
 * Tissue maps that a unit made. Their source is named as the unit is, so that a run that reads them records the same
 * name however the experiment's folder is spelled.
 */
export function unitMaps(out: FileStore, unit: string): FileStore {
  return new Subfolder(out, `${EXPERIMENT_FILES.units}/${unit}/${EXPERIMENT_FILES.maps}`, unit);
}

/** What a folder of a unit says of itself: `raw` is the data set, `maps` those of the unit that made them. */
export function describeUnitFolder(
  name: string,
  { version, raw }: { readonly version: string; readonly raw?: string | undefined },
  origin: { readonly model?: string | undefined; readonly maker?: string | undefined } = {},
): Uint8Array {
  const { model, maker } = origin;
  // Both folders lie in the folders of their units.
  const trees = maker === undefined ? undefined : { [MAPS_TREE]: `../../${maker}/${EXPERIMENT_FILES.maps}` };
  return derivativeDescription(name, version, { raw, model, trees });
}

/** What came of a unit; undefined where it is not finished. @throws FileFormatError, StorageError. */
export async function readUnitResult(out: FileSource, unit: string): Promise<UnitResult | undefined> {
  const folder = `${EXPERIMENT_FILES.units}/${unit}`;
  const there = (await out.list(folder)).some(({ name }) => name === EXPERIMENT_FILES.result);
  if (!there) return undefined;
  const path = `${folder}/${EXPERIMENT_FILES.result}`;
  return parseUnitResult(await out.read(path), `${out.name}/${path}`);
}
