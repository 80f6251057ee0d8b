import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { decode } from 'fast-png';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryFiles } from '../../../src/core/files.ts';
import { Random } from '../../../src/core/random.ts';
import { mosaicPath, writeCohort } from '../../../src/imaging/results/cohort.ts';
import { CONTOUR_COLORS, mosaicPng } from '../../../src/imaging/results/mosaic.ts';
import { outlyingness, robustZ } from '../../../src/imaging/results/outliers.ts';
import { encodeDictionary, type LabelSummary } from '../../../src/imaging/results/part-files.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';
import { chromiumPath } from '../../support/chromium.ts';

const SIZE = [60, 72, 60] as const;
const grid = axisAlignedGrid(SIZE, [3, 3, 3]);
const isBrain = (i: number): boolean => {
  const [x, y, z] = [i % 60, Math.floor(i / 60) % 72, Math.floor(i / (60 * 72))];
  return ((x - 30) / 27) ** 2 + ((y - 36) / 33) ** 2 + ((z - 30) / 27) ** 2 < 1;
};
const brain = Uint8Array.from({ length: 60 * 72 * 60 }, (_, i) => (isBrain(i) ? 1 : 0));

function mosaic(random: Random, marked = true): Uint8Array {
  return mosaicPng({
    grid,
    brain,
    intensity: (i) => brain[i]! * (80 + 40 * random.uniform()),
    label: (i) => (marked && i % 60 >= 20 && i % 60 < 26 && Math.floor(i / 60) % 72 > 50 ? brain[i]! : 0),
  });
}

/** A folder of predictions of `count` scans, of which number 3 has far too many lesions and a warning. */
async function cohort(count: number): Promise<MemoryFiles> {
  const files = new MemoryFiles('predictions');
  const random = new Random(3);
  const picture = mosaic(random);
  for (let k = 0; k < count; k++) {
    const subject = String(k).padStart(4, '0');
    const Summary: LabelSummary = {
      Label: 'lesion',
      Count: k === 3 ? 900 : 20 + Math.floor(random.uniform() * 20),
      VolumeMl: k === 3 ? 300 : 5 + 10 * random.uniform(),
      SmallCount: 2,
      Dropped: null,
      BrainMl: 1100 + 100 * random.uniform(),
    };
    const table = { caption: 'Lesions', columns: [], rows: [] };
    const Warnings = k === 3 ? ['<img src=x onerror=alert(1)> is odd'] : [];
    await files.write(
      `sub-${subject}/ses-1/anat/sub-${subject}_ses-1_space-orig_label-L_lesions.json`,
      encodeDictionary(table, { Summary, Warnings }),
    );
    await files.write(mosaicPath({ subject, session: '1' }), picture);
  }
  return files;
}

describe('mosaicPng', () => {
  it('shows slices with contours in a palette', () => {
    const colors = new Set(CONTOUR_COLORS.map(String));
    const coloured = (marked: boolean): number => {
      const { data, palette, width, height } = decode(mosaic(new Random(1), marked));
      expect(width).toBeGreaterThan(6 * height);
      return data.filter((index) => colors.has(String(palette![index]!.slice(0, 3)))).length;
    };
    expect(coloured(true)).toBeGreaterThan(100);
    expect(coloured(false)).toBe(0);
  });
});

describe('robustZ', () => {
  it('is that of Iglewicz and Hoaglin', () => {
    // Median 3, median distance 1.
    const z = robustZ([1, 2, 3, 4, 14]);
    expect(z.map((v) => Number(v.toFixed(4)))).toEqual([-1.349, -0.6745, 0, 0.6745, 7.4195]);
  });

  it('has no opinion about few, equal and missing values', () => {
    expect(robustZ([1, 2, 3, 100])).toEqual([0, 0, 0, 0]);
    expect(robustZ([5, 5, 5, 5, 5, 5])).toEqual([0, 0, 0, 0, 0, 0]);
    expect(robustZ([1, 2, 3, 4, 14, Number.NaN])[5]).toBe(0);
    // More than half are equal: by the mean distance, which is 2.
    expect(robustZ([0, 0, 0, 0, 10])[4]).toBeCloseTo(10 / (1.2533 * 2), 12);
  });

  it('of the measure that lies farthest out tells a scan', () => {
    const odd = outlyingness(
      [
        { name: 'a', values: [1, 2, 3, 4, 5] },
        { name: 'b', values: [1, 2, 3, 4, -50] },
      ],
      5,
    );
    expect(odd[4]).toMatchObject({ by: 'b', z: expect.any(Number) });
    expect(odd[4]!.z).toBeLessThan(-3.5);
  });
});

describe.skipIf(chromiumPath() === undefined)('the page of 500 scans in Chromium', () => {
  const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-qc-'));
  const file = join(folder, 'qc.html');
  let files: MemoryFiles;
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];
  beforeAll(async () => {
    files = await cohort(500);
    await writeCohort(files, '1.0', 'predictions');
    writeFileSync(file, files.files.get('qc.html')!);
    browser = await chromium.launch({ executablePath: chromiumPath()!, args: ['--no-sandbox'] });
    page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => problems.push(message.text()));
    page.on('request', (request) => {
      const asked = request.url();
      if (!/^(data|blob):/.test(asked) && asked !== pathToFileURL(file).href) problems.push(asked);
    });
    await page.goto(pathToFileURL(file).href);
  }, 120_000);
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true });
  });

  it('shows the most unusual first, with its warning as text, and decodes few pictures', async () => {
    const first = page.locator('article').first();
    await first.locator('img[src]').waitFor();
    expect(await first.getAttribute('id')).toBe('sub-0003_ses-1');
    expect(await first.textContent()).toMatch(/is high \(robust z/);
    expect(await first.textContent()).toContain('Warning: <img src=x onerror=alert(1)> is odd');
    expect(await page.locator('article').count()).toBe(500);
    expect(await page.locator('img[src]').count()).toBeLessThan(30);
    await page.locator('article').last().scrollIntoViewIfNeeded();
    await page.locator('article').last().locator('img[src]').waitFor();
    expect(await page.locator('img[src]').count()).toBeLessThan(40);
    expect(problems).toEqual([]);
  });

  it('takes ratings by keys, keeps them over a reload and saves them as a table that a later page reads', async () => {
    await page.reload();
    for (const key of ['j', 'f', 'p', 'c']) await page.keyboard.press(key);
    await page.keyboard.type('=1+1 moved');
    await page.keyboard.press('Escape');
    expect(await page.locator('#count').textContent()).toBe('1 pass, 1 fail, 498 to do');
    await page.reload();
    expect(await page.locator('#count').textContent()).toBe('1 pass, 1 fail, 498 to do');
    const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('s')]);
    const saved = readFileSync((await download.path())!, 'utf8');
    const lines = saved.trimEnd().split('\n');
    expect(lines[0]).toBe('participant_id\tsession_id\trating\tcomment\toutlier_score');
    expect(lines).toHaveLength(501);
    expect(lines.find((line) => line.startsWith('sub-0003'))).toMatch(/^sub-0003\tses-1\tfail\tn\/a\t\d+/);
    expect(lines.filter((line) => line.includes("'=1+1 moved"))).toHaveLength(1);
    await files.write('qc.tsv', new TextEncoder().encode(saved));
    await writeCohort(files, '1.0', 'another name');
    writeFileSync(file, files.files.get('qc.html')!);
    await page.goto(pathToFileURL(file).href);
    expect(await page.locator('#count').textContent()).toBe('1 pass, 1 fail, 498 to do');
    expect(await page.locator('article[data-rating=fail]').getAttribute('id')).toBe('sub-0003_ses-1');
    expect(problems).toEqual([]);
  });
});
