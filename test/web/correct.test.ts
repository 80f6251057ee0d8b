import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { readMask } from '../../src/imaging/nifti/read.ts';
import { writeNifti } from '../../src/imaging/nifti/write.ts';
import { axisAlignedGrid, voxelCount } from '../../src/imaging/volume/volume.ts';
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

  it('takes strokes back, and a correction without any is the prediction and no reference', async () => {
    const { page } = opened;
    const predicted = await savedVoxels(page, 'Save mask');
    const dice = await page.locator('.metrics dd').first().textContent();
    await page.getByRole('button', { name: 'Correct', exact: true }).click();
    await page.getByLabel('Paint').waitFor();
    await stroke(page);
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByText('You added 0 ml and removed 0 ml.').waitFor();
    expect(await savedVoxels(page, 'Save corrected mask')).toEqual(predicted);
    // Still against the file: the model's own output, corrected, is nobody's truth.
    expect(await page.locator('.metrics dd').first().textContent()).toBe(dice);
    await page
      .getByText(/^The reference is the file p2_lesion_mask\.nii\.gz\. What is judged is the corrected mask/)
      .waitFor();
  });

  it('paints and erases', async () => {
    const { page } = opened;
    const before = await savedVoxels(page, 'Save corrected mask');
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
    const painted = await savedVoxels(page, 'Save corrected mask');
    expect(painted.every((v, i) => v >= before[i]!)).toBe(true);
    expect(count(painted)).toBeGreaterThan(count(before) + 20);

    await page.getByRole('button', { name: 'Correct', exact: true }).click();
    await page.getByLabel('Erase').check();
    await page.getByLabel('Brush').fill('9');
    await stroke(page);
    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByRole('button', { name: 'Correct', exact: true }).waitFor();
    const erased = await savedVoxels(page, 'Save corrected mask');
    expect(erased.every((v, i) => v <= painted[i]!)).toBe(true);
    expect(count(erased)).toBeLessThan(count(painted) - 20);
  });

  it('is done by keyboard alone: moves, paints, erases, takes back, and says so', async () => {
    const { page } = opened;
    const before = await savedVoxels(page, 'Save corrected mask');
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

    const after = await savedVoxels(page, 'Save corrected mask');
    const changed = [...after.keys()].filter((i) => after[i] !== before[i]);
    expect(changed.length).toBeGreaterThan(0);
    // A row of three voxels, and nothing else.
    const first = Math.min(...changed);
    for (const i of changed) expect(i - first).toBeLessThan(3);
    for (const i of changed) expect(after[i]).toBe(1);
  });

  it('forgets a correction that is discarded', async () => {
    const { page } = opened;
    const before = await savedVoxels(page, 'Save corrected mask');
    await page.getByRole('button', { name: 'Correct', exact: true }).click();
    await page.getByLabel('Brush').fill('7');
    await stroke(page);
    await page.getByRole('button', { name: 'Discard' }).click();
    expect(await savedVoxels(page, 'Save corrected mask')).toEqual(before);
  });

  it('makes the correction the result everywhere, and keeps the model’s mask as a second download', async () => {
    const { page } = opened;
    const corrected = await savedVoxels(page, 'Save corrected mask');
    const original = await savedVoxels(page, 'Save the model’s mask');
    expect(count(corrected)).not.toBe(count(original));
    const ml = ((count(corrected) * 8) / 1000).toFixed(2);
    expect(await page.locator('#result').textContent()).toContain(`${ml} ml, corrected`);
    const report = new TextDecoder().decode(await savedFile(page, 'Save report'));
    expect(report).toContain(`${ml} ml in all`);
    expect(report).toContain('corrected by hand. The correction added');
    expect(report).toContain('Corrected vol. (ml)');
    expect(report).toContain('Corrected lesions, largest first');
    expect(report).not.toContain('Pred');
    expect(await page.locator('.metrics').textContent()).toContain('Corrected vol. (ml)');
    expect(report).toContain('It is not a reference to judge the model by.');
    expect(report).toContain('p2_lesion_mask.nii.gz');
    expect(report).toContain('not for results');
    expect(report).toMatch(/FLAIR file<\/dt><dd>p2_FLAIR\.nii\.gz, SHA-256 [0-9a-f]{64}/);
    expect(report).toMatch(/Model file<\/dt><dd>SHA-256 [0-9a-f]{64}/);
    expect(report).toMatch(/Date<\/dt><dd>20\d\d-/);
    expect(report).toMatch(/Program<\/dt><dd>voxelgrad \d/);
    await screenshot(page, 'corrected-result');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Save corrected mask' }).click(),
    ]);
    expect(download.suggestedFilename()).toBe('p2_space-orig_label-L_desc-corrected_mask.nii.gz');
    await page.getByRole('button', { name: 'Go back to the model’s mask' }).click();
    await page.getByRole('button', { name: 'Save mask', exact: true }).waitFor();
    expect(await savedVoxels(page, 'Save mask')).toEqual(original);
  });

  it('goes through the lesions by keys, takes one out, leaves small ones out, and saves the table', async () => {
    const { page } = opened;
    const rows = page.locator('.result tbody tr');
    const found = await rows.count();
    const before = await savedVoxels(page, 'Save mask');
    const [head, ...lines] = new TextDecoder()
      .decode(await savedFile(page, 'Save table'))
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'));
    const column = (name: string): number[] => lines.map((cells) => Number(cells[head!.indexOf(name)]));
    expect(lines.length).toBe(found);
    const image = page.getByRole('application', { name: 'The scan' });
    await rows.first().getByRole('button', { name: 'Lesion 1', exact: true }).click();
    await image.focus();
    await page.keyboard.press('b');
    await page.getByText(`Number ${found} of ${found}`).waitFor({ state: 'attached' });
    await page.keyboard.press('n');
    await page.getByText(`Number 1 of ${found}`, { exact: true }).waitFor({ state: 'attached' });
    expect(await rows.first().getAttribute('class')).toBe('selected');
    await page.keyboard.press('Delete');
    await page.getByText('Removed number 1').waitFor({ state: 'attached' });
    const removed = Math.round((column('volume_ml')[0]! * 1000) / 8);
    expect(count(await savedVoxels(page, 'Save corrected mask'))).toBe(count(before) - removed);
    await page.getByRole('button', { name: 'Go back to the model’s mask' }).click();
    await page.getByRole('button', { name: 'Save mask', exact: true }).waitFor();

    const diameters = column('longest_diameter_mm');
    const limit = Number((Math.min(...diameters) + 0.1).toFixed(1));
    const kept = diameters.filter((mm) => mm >= limit).length;
    expect(kept).toBeLessThan(found);
    await page.getByLabel('Smallest longest diameter').fill(String(limit));
    await page.getByLabel('Smallest longest diameter').press('Tab');
    await page.getByText(`with a longest diameter below ${limit} mm`).waitFor();
    expect(await rows.count()).toBe(kept);
    expect(count(await savedVoxels(page, 'Save mask'))).toBeLessThan(count(before));
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.setViewportSize({ width: 1400, height: 900 });
    await screenshot(page, 'result-table-1400');
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await overflow(page)).toBe(0);
    await screenshot(page, 'result-table-390');
    await page.setViewportSize({ width: 1360, height: 900 });
    await page.getByLabel('Smallest longest diameter').fill('0');
    await page.getByLabel('Smallest longest diameter').press('Tab');
    await expect.poll(() => rows.count()).toBe(found);
  });

  it('refuses a whole head, and takes it as a brain only if told so, which it then repeats', async () => {
    const { page } = opened;
    const grid = axisAlignedGrid([64, 64, 64], [3, 3, 3]);
    const random = new Random(7);
    const head = Float32Array.from({ length: voxelCount(grid) }, (_, i) => {
      const place = [i % 64, Math.floor(i / 64) % 64, Math.floor(i / 4096)];
      return Math.hypot(...place.map((at) => at - 31.5)) < 30 ? 100 + random.normal(0, 9) : 0;
    });
    const bytes = writeNifti({ grid, data: head }, { datatype: 'float32' });
    await page.getByRole('button', { name: 'Clear' }).click();
    await chooseFiles(page, [
      { name: 'raw_FLAIR.nii.gz', bytes },
      { name: 'raw_T1w.nii.gz', bytes },
    ]);
    await page.getByRole('button', { name: 'Segment', exact: true }).click();
    await page.getByText(/looks like a whole head and not like a brain: it holds 3\.0\d l/).waitFor();
    expect(await page.locator('#result').count()).toBe(0);
    await screenshot(page, 'whole-head');
    await page.getByRole('button', { name: 'It is a brain: segment it all the same' }).click();
    await page.getByText(/^Careful: what is not 0 in its images was taken for the brain, as asked/).waitFor();
    const report = new TextDecoder().decode(await savedFile(page, 'Save report'));
    expect(report).toContain('was taken for the brain, as asked, but looks like a whole head');
  });

  it('asked no other origin for anything, and left no error in the console', () => {
    expect(opened.errors).toEqual([]);
    expect(opened.foreign).toEqual([]);
  });
});
