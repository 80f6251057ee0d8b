import { describe, expect, it } from 'vitest';
import { findScans, scanName } from '../../../src/imaging/dataset/dataset.ts';
import { patientFolds } from '../../../src/imaging/dataset/folds.ts';
import { loadScan, samplingMask } from '../../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { preprocess } from '../../../src/imaging/dataset/preprocess.ts';
import { withTissues } from '../../../src/imaging/dataset/tissue-files.ts';
import { readNifti } from '../../../src/imaging/nifti/read.ts';
import { writeNifti } from '../../../src/imaging/nifti/write.ts';
import { orientationOf, toCanonical } from '../../../src/imaging/volume/orientation.ts';
import { resample } from '../../../src/imaging/volume/resample.ts';
import { NodeFolder } from '../../../src/platform/node-files.ts';
import { sharedData } from '../../data.ts';

// Figures below were computed with nibabel 5.0, NumPy 1.24 and SciPy 1.10 from the same files.
const data = sharedData();
const sum = (values: ArrayLike<number>): number =>
  Array.prototype.reduce.call(values, (a, b) => (a as number) + (b as number), 0) as number;

describe.skipIf(data === undefined)('Lesjak 2017 at 2 mm, BIDS', () => {
  const folder = new NodeFolder(`${data}/open-ms-lesjak2017_2mm`);
  it('is recognised whole', async () => {
    const dataset = await openDataset(folder);
    expect(dataset.layout).toBe('bids');
    expect(dataset.warnings).toEqual([]);
    expect(findScans(dataset).map(scanName)).toEqual(['sub-07', 'sub-19']);
    const [scan] = findScans(dataset, ['07']);
    expect([...scan!.modalities.keys()]).toEqual(['FLAIR', 'T1w', 'T2w', 'ce-gadolinium_T1w']);
    expect([...scan!.tissues.keys()]).toEqual(['tissue-spm12-oldseg', 'tissue-dipy-hmrf']);
    expect([...scan!.lesionMasks.keys()]).toEqual(['1']);
    expect(patientFolds(dataset, 'patient').map((f) => f.heldOut)).toEqual([['07'], ['19']]);
  });

  it.each([
    [
      '07',
      143122,
      154,
      {
        FLAIR: [1.9004291257858277, 119.7247051925672, 84.23329330405303, 19.75449141175343],
        T1w: [5.462469655990602, 420.3129912719733, 274.75128579631723, 94.72507694107958],
        T2w: [18.014879014968873, 1016.9111030273655, 326.6763554237254, 122.56397878712004],
        'ce-gadolinium_T1w': [2.230663666009903, 783.2104952392776, 276.2835546077537, 77.51105149941016],
      },
      [54492.721, 50336.978, 38281.301],
    ],
    [
      '19',
      138750,
      6456,
      {
        FLAIR: [0.5737260493636132, 102.18146635437077, 58.18935966989886, 21.557818957570454],
        T1w: [0.9366094024777413, 294.48674203491623, 155.3694679387676, 73.59191187119124],
        T2w: [7.627578781604766, 621.4669839477542, 239.57587114372242, 115.80041923061681],
        'ce-gadolinium_T1w': [0.9241131759881973, 555.8113456420987, 179.11028954124993, 81.42376022293197],
      },
      [43528.457, 50180.787, 44329.756],
    ],
  ] as const)('sub-%s has the values nibabel reads', async (id, brain, lesions, statistics, tissue) => {
    const dataset = await openDataset(folder);
    const scan = await loadScan(dataset, findScans(dataset, [id])[0]!, {
      tissue: true,
      requireLesions: true,
    });
    expect(sum(scan.brain)).toBe(brain);
    expect(sum(scan.lesions!)).toBe(lesions);
    expect(sum(samplingMask(scan))).toBe(brain);
    const prepared = preprocess(scan, { crop: { margin: 2 } });
    for (const { name, low, high, mean, deviation } of prepared.channels) {
      const expected = statistics[name as keyof typeof statistics];
      [low, high, mean, deviation].forEach((value, i) => {
        expect(Math.abs(value / expected[i]! - 1), `${name} ${i}`).toBeLessThan(1e-5);
      });
    }
    // Maps inside the brain after the repair, as NumPy sums them.
    const { GM, WM, CSF } = scan.tissues!;
    [GM, WM, CSF].forEach((map, i) => {
      expect(sum(map.filter((_, v) => scan.brain[v] !== 0))).toBeCloseTo(tissue[i]!, 0);
    });
    const count = prepared.shape[0] * prepared.shape[1] * prepared.shape[2];
    expect(prepared.input.length).toBe(4 * count);
    expect(sum(prepared.brain)).toBe(brain);
  });

  it("takes tissue maps from a folder of one's own choice", async () => {
    const dataset = await openDataset(folder);
    const dipy = new NodeFolder(`${data}/open-ms-lesjak2017_2mm/derivatives/tissue-dipy-hmrf`);
    const [scan] = findScans(await withTissues(dataset, dipy), ['19']);
    const { tissues } = await loadScan(dataset, scan!, { modalities: ['T1w'], tissue: true });
    const byName = await loadScan(dataset, findScans(dataset, ['19'])[0]!, {
      modalities: ['T1w'],
      tissue: 'tissue-dipy-hmrf',
    });
    expect(sum(tissues!.WM)).toBe(sum(byName.tissues!.WM));
  });
});

describe.skipIf(data === undefined)('Lesjak 2017 at 1 mm', () => {
  it('reads LAS with qform 1 and sform 0, and writes a prediction that keeps them bit for bit', async () => {
    const folder = new NodeFolder(`${data}/open-ms-lesjak2017_1mm`);
    const dataset = await openDataset(folder);
    const scan = await loadScan(dataset, findScans(dataset, ['19'])[0]!, {
      modalities: ['FLAIR'],
      requireLesions: true,
    });
    expect(orientationOf(scan.grid)).toBe('LAS');
    expect([...scan.grid.affine]).toEqual([-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 90, -126, -72, 1]);
    const { data: flair } = scan.channels[0]!;
    const at = (x: number, y: number, z: number): number => flair[(z * 218 + y) * 182 + x]!;
    expect([at(90, 100, 90), at(60, 120, 100)]).toEqual(
      [8.08108139038086, 68.05238342285156].map(Math.fround),
    );
    expect(sum(flair)).toBeCloseTo(64829648.824, 1);
    const { header } = await readNifti(
      writeNifti({ grid: scan.grid, data: scan.brain }, { datatype: 'uint8', like: scan.header }),
      'prediction',
    );
    expect([header.qformCode, header.sformCode]).toEqual([1, 0]);
    expect(header.bytes.slice(252, 328)).toEqual(scan.header.bytes.slice(252, 328));
    expect(header.bytes.slice(76, 108)).toEqual(scan.header.bytes.slice(76, 108));
    const { volume } = toCanonical({ grid: scan.grid, data: flair });
    expect(orientationOf(volume.grid)).toBe('RAS');
    const same = resample({ grid: scan.grid, data: flair }, volume.grid, 'nearest');
    expect(same.data.every((v, i) => v === volume.data[i])).toBe(true);
  });
});

describe.skipIf(data === undefined)('the ISBI 2015 layout', () => {
  const folder = new NodeFolder(`${data}/isbi2015-layout_2mm`);
  it.each(['', 'training'])('is found from %j', async (inside) => {
    const dataset = await openDataset(new NodeFolder(`${folder.root}/${inside}`));
    expect(dataset.layout).toBe('isbi2015');
    expect(findScans(dataset).map(scanName)).toEqual([
      'sub-training01_ses-01',
      'sub-training02_ses-01',
      'sub-training02_ses-02',
    ]);
    for (const scan of findScans(dataset)) {
      expect([...scan.modalities.keys()]).toEqual(['FLAIR', 'T1w', 'T2w', 'PDw']);
      expect([...scan.lesionMasks.keys()]).toEqual(['1', '2']);
    }
  });
  it('loads with a brain mask derived from the skull-stripped images', async () => {
    const dataset = await openDataset(folder);
    for (const [scan, expected] of findScans(dataset).map(
      (s, i) => [s, [143484, 147937, 147937][i]!] as const,
    )) {
      const loaded = await loadScan(dataset, scan, {
        rater: 'mean',
        modalities: ['FLAIR', 'mprage', 't2', 'PD'],
      });
      expect(loaded.brainSource).toBe('skull-stripped');
      expect(sum(loaded.brain)).toBe(expected);
      expect(new Set(loaded.lesions)).toEqual(new Set([0, 0.5, 1]));
    }
  });
});
