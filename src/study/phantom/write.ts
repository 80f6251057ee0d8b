import { UsageError } from '../../core/errors.ts';
import type { FileSink } from '../../core/files.ts';
import { ESTIMATE_INTENT, LABEL_INTENT } from '../../imaging/nifti/encode.ts';
import { writeNifti } from '../../imaging/nifti/write.ts';
import { MODALITIES, type Modality } from './contrasts.ts';
import { type Phantom, type PhantomOptions, PhantomSubject } from './phantom.ts';

/** Settings of a phantom data set: those of a phantom, and how many patients and visits. */
export interface PhantomDatasetOptions extends Omit<PhantomOptions, 'subjectIndex' | 'visit'> {
  /** Patients, 1 to 99. Default 5. */
  readonly subjects?: number;
  /** Visits of each patient, 1 to 99. Default 1. */
  readonly visits?: number;
}

/** How far the writing has come. */
export interface PhantomProgress {
  /** Scans written so far, and in all. */
  readonly done: number;
  readonly total: number;
  /** The scan just written, such as `training01_01`. */
  readonly scan: string;
}

/** One scan that was written. */
export interface WrittenScan {
  /** `training01`, and the visit as `01`. */
  readonly subject: string;
  readonly visit: string;
  /** True lesion volume in ml of the image. */
  readonly lesionMl: number;
  /** Paths of all its files, relative to the sink's root. */
  readonly files: readonly string[];
}

/** The ISBI 2015 challenge's names of the images. */
const ISBI_NAMES: Readonly<Record<Modality, string>> = {
  FLAIR: 'flair',
  T1w: 'mprage',
  PDw: 'pd',
  T2w: 't2',
};
/** SPM's names of tissue maps: c1, c2, c3 before the name of the T1 they were made from. */
const SPM_NAMES = { GM: 'c1', WM: 'c2', CSF: 'c3' } as const;

/**
 * Writes phantoms as a data set in the layout of the ISBI 2015 challenge:
 *
 *     training/training01/preprocessed/training01_01_{flair,mprage,pd,t2}_pp.nii.gz   int16
 *     training/training01/preprocessed/c{1,2,3}training01_01_mprage_pp.nii.gz         GM, WM, CSF; uint8 / 255
 *     training/training01/masks/training01_01_mask{1,2}.nii.gz                        two raters, uint8
 *
 * Equal options give equal bytes. Scans are made and written one at a time, so memory holds one scan.
 * @throws UsageError where a setting makes no sense. @throws StorageError where the sink cannot be written.
 */
export async function writePhantomDataset(
  sink: FileSink,
  options: PhantomDatasetOptions,
  onProgress: (progress: PhantomProgress) => void = () => {},
): Promise<WrittenScan[]> {
  const { subjects = 5, visits = 1, ...settings } = options;
  for (const [name, count] of Object.entries({ subjects, visits })) {
    if (!Number.isInteger(count) || count < 1 || count > 99) {
      throw new UsageError(`phantom: ${name} must be a whole number from 1 to 99, not ${count}`, {
        hint: 'The ISBI 2015 layout numbers patients and visits with two digits.',
      });
    }
  }
  const written: WrittenScan[] = [];
  for (let subjectIndex = 0; subjectIndex < subjects; subjectIndex++) {
    const subject = new PhantomSubject({ ...settings, subjectIndex });
    for (let visit = 0; visit < visits; visit++) {
      const scan = await writeScan(sink, subject.scan(visit), subjectIndex, visit);
      written.push(scan);
      onProgress({
        done: written.length,
        total: subjects * visits,
        scan: `${scan.subject}_${scan.visit}`,
      });
    }
  }
  return written;
}

async function writeScan(
  sink: FileSink,
  phantom: Phantom,
  subjectIndex: number,
  visitIndex: number,
): Promise<WrittenScan> {
  const subject = `training${twoDigits(subjectIndex + 1)}`;
  const visit = twoDigits(visitIndex + 1);
  const name = `${subject}_${visit}`;
  const root = `training/${subject}`;
  const { grid } = phantom;
  const files: string[] = [];
  const write = async (path: string, bytes: Uint8Array): Promise<void> => {
    await sink.write(path, bytes);
    files.push(path);
  };
  for (const modality of MODALITIES) {
    const bytes = writeNifti({ grid, data: phantom.modalities[modality] }, { datatype: 'int16' });
    await write(`${root}/preprocessed/${name}_${ISBI_NAMES[modality]}_pp.nii.gz`, bytes);
  }
  for (const tissue of ['GM', 'WM', 'CSF'] as const) {
    const bytes = writeNifti(
      { grid, data: phantom.tissues[tissue] },
      { datatype: 'uint8', slope: 1 / 255, intent: ESTIMATE_INTENT },
    );
    await write(`${root}/preprocessed/${SPM_NAMES[tissue]}${name}_mprage_pp.nii.gz`, bytes);
  }
  for (const rater of [0, 1] as const) {
    const bytes = writeNifti(
      { grid, data: phantom.raters[rater] },
      { datatype: 'uint8', intent: LABEL_INTENT },
    );
    await write(`${root}/masks/${name}_mask${rater + 1}.nii.gz`, bytes);
  }
  const voxels = phantom.lesions.reduce((sum, v) => sum + v, 0);
  const lesionMl = (voxels * grid.spacing[0] * grid.spacing[1] * grid.spacing[2]) / 1000;
  return { subject, visit, lesionMl, files };
}

function twoDigits(n: number): string {
  return String(n).padStart(2, '0');
}
