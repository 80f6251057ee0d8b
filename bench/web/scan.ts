import { MemoryFiles } from '../../src/core/files.ts';
import { guessRole } from '../../src/imaging/dataset/file-role.ts';
import { writePhantomDataset } from '../../src/study/phantom/index.ts';
import { sharedData } from '../../test/data.ts';
import type { NamedBytes } from '../../test/support/chromium.ts';
import { patientFiles } from '../../test/web/patient.ts';

/** A scan that the app's network reads. */
export interface BenchScan {
  readonly name: string;
  readonly files: readonly NamedBytes[];
}

/** Patient 07 at 2 mm where the data is there, else a made-up patient of the same size; `small` for a trial. */
export async function benchScan(small: boolean): Promise<BenchScan> {
  const data = sharedData();
  if (data && !small) return { name: 'sub-07 of open-ms-lesjak2017, 2 mm', files: patientFiles(data) };
  const shape = small ? ([40, 44, 40] as const) : ([91, 109, 91] as const);
  const spacing = small ? 4.5 : 2;
  const files = new MemoryFiles();
  await writePhantomDataset(files, {
    seed: 11,
    subjects: 1,
    visits: 1,
    shape,
    spacing: [spacing, spacing, spacing],
  });
  const images = [...files.files].map(([path, bytes]) => ({ name: path.split('/').at(-1)!, bytes }));
  return {
    name: `phantom 11, ${shape.join('x')} at ${spacing} mm`,
    files: images.filter(({ name }) => ['FLAIR', 'T1w', 'brain'].includes(guessRole(name) ?? '')),
  };
}
