import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMask, readNifti } from '../../src/imaging/nifti/read.ts';
import type { Segmentation } from '../../src/pipeline/predict/segment.ts';
import { openNodeGpu } from '../../src/platform/node.ts';
import { lesionsOf } from '../../src/study/presets/index.ts';
import { sharedData } from '../data.ts';
import {
  AppUnderTest,
  accessibilityFaults,
  chooseFiles,
  chromiumPath,
  holdAt,
  longTasks,
  type NamedBytes,
  type OpenedPage,
  overflow,
  savedFile,
  screenshot,
  watchRun,
} from '../support/chromium.ts';
import { patientFiles, segmentFiles } from './patient.ts';

const data = sharedData();

/** The same files through the same engine, on Node. */
async function segmentOnNode(files: readonly NamedBytes[]): Promise<Segmentation> {
  const gpu = await openNodeGpu();
  try {
    return await segmentFiles(gpu, files);
  } finally {
    await gpu.close();
  }
}

describe.skipIf(chromiumPath() === undefined || data === undefined)('a real scan in Chromium', () => {
  let app: AppUnderTest;
  let opened: OpenedPage;

  beforeAll(async () => {
    app = await AppUnderTest.start();
    opened = await app.open({ colorScheme: 'light' });
  });

  afterAll(async () => {
    await app?.stop();
  });

  it('is segmented as on Node, and the page is never blocked', { timeout: 400_000 }, async () => {
    const { page } = opened;
    await page.getByText(/^Trained on/).waitFor();
    await chooseFiles(page, patientFiles(data!));
    await page.getByText('Ready.').waitFor();
    await page.locator('canvas').waitFor();
    await page.getByText(/^Crosshair at/).waitFor();
    await screenshot(page, 'loaded-light');

    await watchRun(page, '.running');
    const release = await holdAt(page, 'tile', 3);
    await page.getByRole('button', { name: 'Segment' }).click();
    await page.getByText(/^Tile 3 of \d+, .* left/).waitFor({ timeout: 120_000 });
    await release();
    await page.locator('#result').waitFor({ timeout: 240_000 });
    const blocked = await longTasks(page);
    console.log(`tasks of the page above 50 ms during the run: ${JSON.stringify(blocked)}`);
    expect(blocked).toEqual([]);

    const expected = lesionsOf(await segmentOnNode(patientFiles(data!)));
    const { volume } = await readNifti(await savedFile(page, 'Save probabilities'), 'probabilities');
    let difference = 0;
    for (const [i, p] of volume.data.entries())
      difference = Math.max(difference, Math.abs(p - expected.probabilities[i]!));
    expect(difference).toBeLessThan(1e-4);
    const mask = await readMask(await savedFile(page, 'Save mask'), 'mask');
    const equal = mask.volume.data.filter((v, i) => v === expected.mask[i]).length;
    expect(equal / mask.volume.data.length).toBeGreaterThanOrEqual(0.9999);
  });

  it.each([
    ['result-light', 'light', 1360],
    ['result-dark', 'dark', 1360],
    ['result-360', 'dark', 360],
  ] as const)('shows its lesions, readable: %s', { timeout: 120_000 }, async (name, colorScheme, width) => {
    const { page } = opened;
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 900 });
    await page.getByText('Agreement with the true mask').waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
    expect(await overflow(page)).toBe(0);
    await screenshot(page, name);
  });

  it('asked no other origin for anything, and left no error in the console', () => {
    expect(opened.foreign).toEqual([]);
    expect(opened.errors).toEqual([]);
  });
});
