import { DatasetError } from '../../core/errors.ts';
import type { FileSource } from '../../core/files.ts';
import type { Dataset, Scan, TissuePaths } from './dataset.ts';
import { type FileRole, MODALITY_ROLES } from './file-role.ts';

/** A data set of one scan, made of single files. */
export interface LooseScan {
  readonly dataset: Dataset;
  readonly scan: Scan;
}

/**
 * One scan out of single files, for those who have no data set: a page where files are dropped, a script.
 * Reads nothing.
 *
 * @param files where the paths are read from
 * @param roles what each file is, by path
 * @param subject how files that are written call the scan; letters and digits
 * @param title how messages call it (default: `sub-` and the subject)
 * @throws DatasetError where two files have one role, where there is no image, or one or two of the three tissue maps.
 */
export function scanOfFiles(
  files: FileSource,
  roles: ReadonlyMap<string, FileRole>,
  subject = 'scan',
  title?: string,
): LooseScan {
  const paths = new Map<FileRole, string>();
  for (const [path, role] of roles) {
    const taken = paths.get(role);
    if (taken !== undefined)
      throw new DatasetError(`${taken} and ${path} are both given as ${role}`, {
        hint: 'Correct what one of them is, or leave it out.',
      });
    paths.set(role, path);
  }
  const modalities = new Map(
    MODALITY_ROLES.flatMap((role) => (paths.has(role) ? [[role, paths.get(role)!] as const] : [])),
  );
  if (modalities.size === 0)
    throw new DatasetError('there is no image among the files', {
      hint: 'Give at least one of FLAIR, T1w, T2w, PDw.',
    });
  const lesions = paths.get('lesions');
  const scan: Scan = {
    subject,
    session: null,
    title,
    modalities,
    lesionMasks: new Map(lesions === undefined ? [] : [['1', lesions]]),
    brainMask: paths.get('brain'),
    tissues: tissuesOf(paths),
  };
  const dataset: Dataset = {
    layout: 'files',
    name: files.name,
    files,
    subjects: [{ id: subject, scans: [scan] }],
    warnings: [],
  };
  return { dataset, scan };
}

function tissuesOf(paths: ReadonlyMap<FileRole, string>): Map<string, TissuePaths> {
  const [GM, WM, CSF] = (['GM', 'WM', 'CSF'] as const).map((role) => paths.get(role));
  if (GM !== undefined && WM !== undefined && CSF !== undefined)
    return new Map([['files', { GM, WM, CSF, source: 'files' }]]);
  const given = (['GM', 'WM', 'CSF'] as const).filter((role) => paths.has(role));
  if (given.length > 0)
    throw new DatasetError(`of the three tissue maps only ${given.join(' and ')} is given`, {
      hint: 'Give GM, WM and CSF, or none of them.',
    });
  return new Map();
}
