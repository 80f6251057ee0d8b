import { StorageError } from '../../core/errors.ts';
import { type FileSource, MemoryFiles } from '../../core/files.ts';
import { canonicalJson, type Json } from '../../core/json.ts';
import type { Dataset, Scan } from '../../imaging/dataset/dataset.ts';
import { isDicomFile } from '../../imaging/dataset/find-dicom.ts';
import { type LooseScan, scanOfFiles } from '../../imaging/dataset/loose-files.ts';
import { chooseSeries, type DicomConverter, describeSeries, readSeries } from '../../imaging/dicom/series.ts';

/** Most that is read of a folder: the converter holds it in memory twice. */
const MOST_BYTES = 1.5e9;
const MOST_FILES = 20_000;
const DEPTH = 8;
/** Fields of a header that name a person, a place or a day, or lead to them. */
const IDENTIFYING =
  /^(Patient(Name|ID|BirthDate|Sex|Age|Weight|Size)|Institution|Station|DeviceSerial|Procedure|Accession|Referring|Study|Series(InstanceUID)|Acquisition(Date|Time)|ContentDate)/;

/** A scan that was converted from DICOM. */
export interface DicomScan extends LooseScan {
  /** One line per series that was found. */
  readonly series: readonly string[];
  /** What the headers said, by modality, without what names a person, a place or a day. */
  readonly headers: ReadonlyMap<string, Uint8Array>;
}

/**
 * Finds the FLAIR and the T1w of one patient in a folder of DICOM files, and converts them in memory.
 *
 * @param wanted numbers of series by modality, if the headers do not tell
 * @param subject how files that are written call the scan
 * @throws DatasetError, FileFormatError as `readSeries` and `chooseSeries` do; StorageError for a folder that is too large
 */
export async function scanOfDicom(
  convert: DicomConverter,
  folder: FileSource,
  wanted: ReadonlyMap<string, number>,
  subject = 'scan',
): Promise<DicomScan> {
  const series = await readSeries(convert, await dicomFiles(folder));
  const chosen = chooseSeries(series, wanted);
  const files = new MemoryFiles(folder.name);
  const roles = new Map<string, 'FLAIR' | 'T1w'>();
  const headers = new Map<string, Uint8Array>();
  for (const [modality, { number, image, sidecar }] of chosen) {
    const path = `series-${number}_${modality}.nii`;
    await files.write(path, image);
    roles.set(path, modality as 'FLAIR' | 'T1w');
    const kept = Object.fromEntries(Object.entries(sidecar).filter(([key]) => !IDENTIFYING.test(key)));
    headers.set(modality, new TextEncoder().encode(`${canonicalJson(kept as Json, 2)}\n`));
  }
  const loose: { readonly dataset: Dataset; readonly scan: Scan } = scanOfFiles(files, roles, subject);
  return { ...loose, series: series.map(describeSeries), headers };
}

/** The contents of all DICOM files of a tree. @throws StorageError */
async function dicomFiles(folder: FileSource): Promise<Uint8Array[]> {
  const found: Uint8Array[] = [];
  let bytes = 0;
  const walk = async (path: string, depth: number): Promise<void> => {
    for (const { name, kind } of await folder.list(path)) {
      const inner = path === '' ? name : `${path}/${name}`;
      if (name.startsWith('.') || name === 'DICOMDIR') continue;
      if (kind === 'folder' && depth > 0) await walk(inner, depth - 1);
      if (kind !== 'file' || !(await isDicomFile(folder, inner))) continue;
      const content = await folder.read(inner);
      bytes += content.length;
      found.push(content);
      if (bytes > MOST_BYTES || found.length > MOST_FILES)
        throw new StorageError(
          `${folder.name}: holds more DICOM than can be converted at once (${found.length} files, ${Math.round(bytes / 1e6)} MB so far)`,
          { hint: 'Give the folder of one study, or of its FLAIR and T1w series alone.' },
        );
    }
  };
  await walk('', DEPTH);
  return found;
}
