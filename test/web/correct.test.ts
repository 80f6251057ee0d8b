import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMask } from '../../src/imaging/nifti/read.ts';
import {
  AppUnderTest,
  accessibilityFaults,
  chooseFiles,
  chromiumPath,
  type OpenedPage,
  overflow,
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
    await page.setViewportSize({ width: 360, height: 780 });
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await overflow(page)).toBe(0);
    expect(await accessibilityFaults(page)).toEqual([]);
    await screenshot(page, 'correcting-dark-360');
    await page.emulateMedia({ colorScheme: null });
    await page.setViewportSize({ width: 1360, height: 900 });
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

  it('is done by keyboard alone: moves, paints, erases, takes back, and says so', async () => {
    const { page } = opened;
    const before = await savedVoxels(page, 'Save correction');
    const image = page.getByRole('application', { name: 'The scan' });
    const said = page.locator('.viewer [role=status]');
    const place = async (): Promise<number[]> =>
      [
        ...(await page.locator('.place').textContent())!.replaceAll('−', '-').matchAll(/\b[xyz] (-?[\d.]+)/g),
      ].map((match) => Number(match[1]));
    await image.focus();
    // To the middle of a voxel.
    await page.keyboard.press('ArrowRight');
    await said.filter({ hasText: 'mm' }).waitFor({ state: 'attached' });
    const [x, y, z] = await place();
    await page.keyboard.press('p');
    await page.getByText('press “Correct” first').waitFor();
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('PageDown');
    await page.keyboard.press('Shift+ArrowUp');
    // Voxels of 2 mm; the patient's right is on the left.
    await expect.poll(place, { timeout: 20_000 }).toEqual([x! + 2, y! + 22, z! - 2]);
    expect(await said.textContent()).toBe(
      (await page.locator('.place').textContent())!.slice(13).split(';')[0],
    );

    await page.getByRole('button', { name: 'Correct', exact: true }).press('Enter');
    await page.getByLabel('Brush').press('Home');
    await image.focus();
    await page.keyboard.press('e');
    expect(await page.getByLabel('Erase').isChecked()).toBe(true);
    for (let i = 0; i < 3; i++) {
      await page.keyboard.press('p');
      await page.keyboard.press('ArrowRight');
    }
    await page.keyboard.press('ArrowLeft');
    await page.locator('.place', { hasText: '; lesion' }).waitFor();
    await page.keyboard.press('p');
    await page.getByText('It is all lesion here already').waitFor();
    await page.keyboard.press('e');
    await page.getByText('Erased 1 voxel').waitFor();
    await page.keyboard.press('e');
    await page.getByText('There is no lesion here to erase').waitFor();
    await page.keyboard.press('Control+z');
    await page.getByText('Took the last stroke back').waitFor();
    await page.locator('.place', { hasText: '; lesion' }).waitFor();
    await page.locator('.keys summary').press('Enter');
    expect(await accessibilityFaults(page)).toEqual([]);
    await screenshot(page, 'correcting-keys');
    await page.locator('.keys summary').press('Enter');
    await page.getByRole('button', { name: 'Done' }).press('Enter');
    await page.getByRole('button', { name: 'Correct', exact: true }).waitFor();

    const after = await savedVoxels(page, 'Save correction');
    const changed = [...after.keys()].filter((i) => after[i] !== before[i]);
    expect(changed.length).toBeGreaterThan(0);
    // A row of three voxels, and nothing else.
    const first = Math.min(...changed);
    for (const i of changed) expect(i - first).toBeLessThan(3);
    for (const i of changed) expect(after[i]).toBe(1);
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
