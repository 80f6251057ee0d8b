import { describe, expect, it } from 'vitest';
import { MemoryFiles } from '../../../src/core/files.ts';
import { writeCohort } from '../../../src/imaging/results/cohort.ts';
import { encodeParts, type LabelParts, summarise } from '../../../src/imaging/results/part-files.ts';
import { tellParts } from '../../../src/imaging/results/part-words.ts';
import { dropSmallParts, listParts } from '../../../src/imaging/results/parts.ts';
import { scanSummaries, volumesTable } from '../../../src/imaging/results/volumes.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';

const grid = axisAlignedGrid([12, 6, 4], [1, 1, 1], [-6, 0, 0]);

/** A bar of four voxels (4 mm), one of two, and a single one. */
function bars(): Uint8Array {
  const mask = new Uint8Array(12 * 6 * 4);
  for (const x of [1, 2, 3, 4, 6, 7, 9]) mask[(1 * 6 + 2) * 12 + x] = 1;
  return mask;
}

function found(label = 'lesion'): LabelParts {
  const mask = bars();
  return { label, parts: listParts(mask, new Float32Array(mask.length).fill(0.5), grid), dropped: null };
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

describe('dropSmallParts', () => {
  it('takes out what is smaller, keeps what is as large, and says what it took', () => {
    const mask = bars();
    const dropped = dropSmallParts(mask, grid, 2);
    expect(dropped.parts).toBe(1);
    expect(dropped.ml).toBeCloseTo(0.001, 12);
    expect(mask.reduce((sum, v) => sum + v, 0)).toBe(6);
    expect(dropSmallParts(mask, grid, 2).parts).toBe(0);
    expect(dropSmallParts(mask, grid, 100)).toMatchObject({ parts: 2 });
    expect(mask.includes(1)).toBe(false);
    expect(dropSmallParts(mask, grid, 1)).toEqual({ parts: 0, ml: 0 });
  });
});

describe('the table of a scan', () => {
  const summary = summarise(found(), 1200);

  it('has a line per lesion, and marks those under 3 mm', () => {
    const { tsv, json } = encodeParts(found(), summary, [], { Sources: ['bids:raw:x'] });
    const [head, ...rows] = text(tsv).trimEnd().split('\n');
    expect(head!.split('\t').slice(0, 4)).toEqual(['id', 'volume_ml', 'longest_diameter_mm', 'small']);
    expect(rows.map((row) => row.split('\t').slice(0, 4).join(' '))).toEqual([
      '1 0.004 4 no',
      '2 0.002 2 yes',
      '3 0.001 1 yes',
    ]);
    const beside = JSON.parse(text(json)) as Record<string, object>;
    for (const column of head!.split('\t')) expect(beside[column], column).toHaveProperty('Description');
    expect(beside.Description).toContain('26-connected');
    expect(beside.Sources).toEqual(['bids:raw:x']);
    expect(beside.Summary).toMatchObject({ Count: 3, SmallCount: 2, BrainMl: 1200 });
  });

  it('of an empty mask has a heading only', () => {
    const none: LabelParts = { label: 'lesion', parts: [], dropped: null };
    const { tsv } = encodeParts(none, summarise(none, 1200), ['FLAIR'], undefined);
    expect(text(tsv).trimEnd().split('\n')).toHaveLength(1);
    expect(summarise(none, 1200)).toMatchObject({ Count: 0, VolumeMl: 0, SmallCount: 0 });
  });

  it('is told with the label’s words', () => {
    expect(tellParts('lesion', 34, 25.43)).toBe('34 lesions, 25.4 ml');
    expect(tellParts('lesion', 1, 0.0123)).toBe('1 lesion, 0.012 ml');
    expect(tellParts('lesion', 0, 0)).toBe('0 lesions, 0.0 ml');
    expect(tellParts('GM', 3, 612.34)).toBe('3 parts of GM, 612.3 ml');
  });
});

describe('the table of all scans', () => {
  async function folder(): Promise<MemoryFiles> {
    const files = new MemoryFiles('out');
    for (const [subject, label] of [
      ['01', 'lesion'],
      ['02', 'lesion'],
      ['02', '=2+3'],
    ] as const) {
      const own = found(label);
      const { json } = encodeParts(own, summarise(own, 1200), [], { Warnings: [`odd ${subject}`] });
      const suffix = label === 'lesion' ? 'label-L_lesions' : 'label-X_parts';
      await files.write(`sub-${subject}/ses-1/anat/sub-${subject}_ses-1_${suffix}.json`, json);
    }
    return files;
  }

  it('has a row per scan and columns per label, from the sidecars alone', async () => {
    const files = await folder();
    await writeCohort(files, '1.0', 'out');
    const [head, ...rows] = text(await files.read('volumes.tsv'))
      .trimEnd()
      .split('\n');
    expect(head!.split('\t')).toEqual([
      'participant_id',
      'session_id',
      'lesion_count',
      'lesion_ml',
      'lesion_small_count',
      // No spreadsheet takes a heading for a formula.
      "'=2+3_count",
      "'=2+3_ml",
      "'=2+3_small_count",
      'brain_ml',
      'warnings',
    ]);
    expect(rows).toEqual([
      'sub-01\tses-1\t3\t0.007\t2\tn/a\tn/a\tn/a\t1200\t1',
      'sub-02\tses-1\t3\t0.007\t2\t3\t0.007\t2\t1200\t1',
    ]);
    expect(JSON.parse(text(await files.read('volumes.json')))).toMatchObject({
      lesion_ml: { Units: 'ml' },
      GeneratedBy: [{ Version: '1.0' }],
    });
  });

  it('is not written where nothing was found out', async () => {
    await expect(writeCohort(new MemoryFiles('empty'), '1.0', 'x')).rejects.toThrow(
      /empty: there are no tables/,
    );
    expect(volumesTable([]).rows).toEqual([]);
  });

  it('names a sidecar that is none', async () => {
    const files = await folder();
    await files.write('sub-01/ses-1/anat/sub-01_ses-1_label-L_lesions.json', new TextEncoder().encode('{'));
    await expect(scanSummaries(files).next()).rejects.toThrow(/sub-01_ses-1_label-L_lesions\.json/);
  });
});
