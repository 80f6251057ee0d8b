import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMask } from '../../src/nifti/read.ts';
import {
  AppUnderTest,
  accessibilityFaults,
  chooseFiles,
  chromiumPath,
  type OpenedPage,
  savedFile,
  screenshot,
  stroke,
} from '../support/chromium.ts';
import { middleScan } from './make.ts';

async function savedVoxels(page: Page, button: string): Promise<Uint8Array> {
  return (await readMask(await savedFile(page, button), button)).volume.data;
}

const count = (mask: Uint8Array): number => mask.reduce((sum, v) => sum + v, 0);

describe.skipIf(chromiumPath() === undefined)('correcting', { timeout: 240_000 }, () => {
  let app: AppUnderTest;
  let opened: OpenedPage;

  beforeAll(async () => {
    app = await AppUnderTest.start();
    opened = await app.open();
    const { page } = opened;
    await page.getByText(/^Trained on/).waitFor();
    await chooseFiles(page, middleScan());
    await page.locator('canvas').waitFor();
    await page.getByRole('combobox', { name: 'View' }).selectOption('axial');
    await page.getByRole('button', { name: 'Segment' }).click();
    await page.getByText('Agreement with the true mask').waitFor();
  });

  afterAll(async () => {
    await app?.stop();
  });

  it('takes strokes back, and a correction without any is the prediction', async () => {
    const { page } = opened;
    const predicted = await savedVoxels(page, 'Save mask');
    await page.getByRole('button', { name: 'Correct', exact: true }).click();
    await page.getByLabel('Paint').waitFor();
    await stroke(page);
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByText('Agreement with your correction').waitFor();
    expect(await savedVoxels(page, 'Save correction')).toEqual(predicted);
    expect(await page.locator('.metrics dd').first().textContent()).toBe('1.000');
  });

  it('paints and erases', async () => {
    const { page } = opened;
    const before = await savedVoxels(page, 'Save correction');
    await page.getByRole('button', { name: 'Correct', exact: true }).click();
    await page.getByLabel('Brush').fill('5');
    await stroke(page);
    expect(await accessibilityFaults(page)).toEqual([]);
    await screenshot(page, 'correcting');
    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByRole('button', { name: 'Correct', exact: true }).waitFor();
    const painted = await savedVoxels(page, 'Save correction');
    expect(painted.every((v, i) => v >= before[i]!)).toBe(true);
    expect(count(painted)).toBeGreaterThan(count(before) + 20);

    await page.getByRole('button', { name: 'Correct', exact: true }).click();
    await page.getByLabel('Erase').check();
    await page.getByLabel('Brush').fill('9');
    await stroke(page);
    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByRole('button', { name: 'Correct', exact: true }).waitFor();
    const erased = await savedVoxels(page, 'Save correction');
    expect(erased.every((v, i) => v <= painted[i]!)).toBe(true);
    expect(count(erased)).toBeLessThan(count(painted) - 20);
  });

  it('forgets a correction that is discarded', async () => {
    const { page } = opened;
    const before = await savedVoxels(page, 'Save correction');
    await page.getByRole('button', { name: 'Correct', exact: true }).click();
    await page.getByLabel('Brush').fill('7');
    await stroke(page);
    await page.getByRole('button', { name: 'Discard' }).click();
    expect(await savedVoxels(page, 'Save correction')).toEqual(before);
  });

  it('asked no other origin for anything, and left no error in the console', () => {
    expect(opened.errors).toEqual([]);
    expect(opened.foreign).toEqual([]);
  });
});
