import fc from 'fast-check';
import { expect, it } from 'vitest';
import { VoxelgradError } from '../../../src/core/errors.ts';
import { findScans } from '../../../src/imaging/dataset/dataset.ts';
import { loadScan } from '../../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { bidsPatient, names, tree } from './make.ts';

/** Parts of names as data sets and attackers write them. */
const part = fc.oneof(
  fc.constantFrom(
    'sub-07',
    'sub-7',
    'ses-01',
    'anat',
    'derivatives',
    'training',
    'training01',
    'preprocessed',
    'masks',
    '..',
    '.',
    '',
    'sub-',
    'sub-..',
    'sub-\u202e07',
    'a\\b',
    'a\0b',
  ),
  fc.string({ maxLength: 6, unit: 'binary' }).filter((s) => !s.includes('/')),
);
const leaf = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(
        'sub-07',
        'sub-07_ses-01',
        'training01_01',
        'c1sub-07',
        'c2sub-07',
        'c1training01_01',
        'sub-..',
      ),
      fc.constantFrom(
        'FLAIR',
        'ce-x_T1w',
        'run-1_T1w',
        'label-lesion_mask',
        'rater-../x_label-lesion_mask',
        'desc-brain_mask',
        'flair_pp',
        'mask1',
        'label-GM_probseg',
        'T1w',
      ),
      fc.constantFrom('.nii', '.nii.gz', '.json', ''),
    )
    .map(([stem, kind, ending]) => `${stem}_${kind}${ending}`.replaceAll('/', '')),
  part,
);
const path = fc
  .tuple(fc.array(part, { maxLength: 5 }), leaf)
  .map(([folders, name]) => [...folders, name].join('/'));

it('trees of odd names end in a data set or in our own error, and only listed files become paths', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(path, { maxLength: 12 }),
      fc.array(part, { maxLength: 3 }),
      async (paths, ids) => {
        const files = names(...paths);
        try {
          const dataset = await openDataset(files);
          for (const scan of findScans(dataset)) {
            const used = [
              ...scan.modalities.values(),
              ...scan.lesionMasks.values(),
              ...[...scan.tissues.values()].flatMap((t) => [t.GM, t.WM, t.CSF]),
              ...[scan.brainMask, scan.lesionProbability].filter((p) => p !== undefined),
            ];
            for (const each of used) {
              expect(files.files.has(each)).toBe(true);
              expect(each).toMatch(/^[\w.+ /-]+$/);
              expect(each.split('/')).not.toContain('..');
            }
            expect(scan.subject).toMatch(/^[\w+]+$/);
            expect(scan.session ?? '01').toMatch(/^[\w+]+$/);
          }
          findScans(dataset, ids);
        } catch (error) {
          if (!(error instanceof VoxelgradError)) throw error;
        }
      },
    ),
    { numRuns: 1500, seed: 9 },
  );
});

it('patients with files cut, swapped, missing or mutated end in a scan or in our own error', async () => {
  const whole = bidsPatient('07');
  const keys = Object.keys(whole);
  const deed = fc.record({
    key: fc.constantFrom(...keys),
    other: fc.constantFrom(...keys),
    kind: fc.constantFrom('cut', 'swap', 'drop', 'mutate'),
    at: fc.nat(),
    value: fc.nat(255),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { minLength: 1, maxLength: 3 }), fc.boolean(), async (deeds, tissue) => {
      const files: Record<string, Uint8Array> = { ...whole };
      for (const { key, other, kind, at, value } of deeds) {
        const bytes = files[key];
        if (!bytes) continue;
        if (kind === 'cut') files[key] = bytes.subarray(0, at % bytes.length);
        else if (kind === 'swap') files[key] = whole[other]!;
        else if (kind === 'drop') delete files[key];
        else {
          files[key] = bytes.slice();
          files[key][at % bytes.length] = value;
        }
      }
      try {
        const dataset = await openDataset(tree(files));
        const scan = await loadScan(dataset, findScans(dataset)[0]!, { tissue, requireLesions: true });
        for (const { data } of scan.channels) expect(data.every(Number.isFinite)).toBe(true);
        for (const map of Object.values(scan.tissues ?? {}))
          expect(map.every((v: number) => v >= 0 && v <= 1)).toBe(true);
        expect(scan.brain).toContain(1);
      } catch (error) {
        if (!(error instanceof VoxelgradError)) throw error;
      }
    }),
    { numRuns: 300, seed: 10 },
  );
});
