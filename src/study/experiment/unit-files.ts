import type { FileSource, FileStore } from '../../core/files.ts';
import { Subfolder } from '../../core/subfolder.ts';
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

/** What came of a unit; undefined where it is not finished. @throws FileFormatError, StorageError. */
export async function readUnitResult(out: FileSource, unit: string): Promise<UnitResult | undefined> {
  const folder = `${EXPERIMENT_FILES.units}/${unit}`;
  const there = (await out.list(folder)).some(({ name }) => name === EXPERIMENT_FILES.result);
  if (!there) return undefined;
  const path = `${folder}/${EXPERIMENT_FILES.result}`;
  return parseUnitResult(await out.read(path), `${out.name}/${path}`);
}
