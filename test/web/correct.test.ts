import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeModel } from '../../src/checkpoint/checkpoint.ts';
import { readMask } from '../../src/nifti/read.ts';
import {
  AppUnderTest,
  accessibilityFaults,
  chooseFiles,
  chromiumPath,
  type OpenedPage,
  savedFile,
  screenshot,
} from '../support/chromium.ts';
import { middleScan } from './make.ts';

/** Draws a line over the middle of the image. */
async function stroke(page: Page): Promise<void> {
  const box = (await page.locator('canvas').boundingBox())!;
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(x - 60, y);
  await page.mouse.down();
  for (let step = -50; step <= 60; step += 10) await page.mouse.move(x + step, y);
  await page.mouse.up();
}

async function savedVoxels(page: Page, button: string): Promise<Uint8Array> {
  return (await readMask(await savedFile(page, button), button)).volume.data;
}

const count = (mask: Uint8Array): number => mask.reduce((sum, v) => sum + v, 0);

describe.skipIf(chromiumPath() === undefined)('correcting and learning', { timeout: 240_000 }, () => {
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

  it('fine-tunes: the loss falls, and the model that is saved is the one that learned', async () => {
    const { page } = opened;
    const original = decodeModel(
      new Uint8Array(await (await fetch(`${app.url}models/phantoms.safetensors`)).arrayBuffer()),
      'original',
    );
    await page.getByLabel('Steps').fill('30');
    await page.getByRole('button', { name: 'Fine-tune' }).click();
    await page.getByText(/^Step \d+ of 30, loss/).waitFor();
    await page.getByText(/^30 steps learned; Dice before them was/).waitFor({ timeout: 180_000 });
    const label = (await page.locator('.curve').getAttribute('aria-label'))!;
    const [first, last] = [...label.matchAll(/\d+\.\d+/g)].map(Number);
    expect(last!).toBeLessThan(first!);
    await screenshot(page, 'fine-tuned');
    const tuned = decodeModel(await savedFile(page, 'Save model'), 'tuned');
    expect(tuned.info.modalities).toEqual(original.info.modalities);
    const name = 'encoder.0.conv1.weight';
    expect(tuned.weights.get(name)).not.toEqual(original.weights.get(name));
    expect(await page.getByText('Phantoms, 2 mm (small), fine-tuned').count()).toBe(1);
  });

  it('is there again after the tab was closed, with the same weights, until it is forgotten', async () => {
    const { page, context } = opened;
    const saved = await savedFile(page, 'Save model');
    const second = await context.newPage();
    await second.goto(app.url);
    await second.getByText(/^Trained on/).waitFor();
    const model = second.getByRole('combobox', { name: 'Model' });
    await model.selectOption('Phantoms, 2 mm (small), fine-tuned');
    await second.getByText('Kept in this browser only.').waitFor();
    await chooseFiles(second, middleScan());
    await second.getByRole('button', { name: 'Segment' }).click();
    await second.getByText('Agreement with the true mask').waitFor();
    const kept = await second.evaluate(async (name) => {
      const root = await navigator.storage.getDirectory();
      const folder = await root.getDirectoryHandle('models');
      const file = await (await folder.getFileHandle(`${encodeURIComponent(name)}.safetensors`)).getFile();
      return [...new Uint8Array(await file.arrayBuffer())];
    }, 'Phantoms, 2 mm (small), fine-tuned');
    expect(new Uint8Array(kept)).toEqual(saved);
    await second.getByRole('button', { name: 'Forget it' }).click();
    await second.getByText('Kept in this browser only.').waitFor({ state: 'detached' });
    expect(await model.locator('optgroup').count()).toBe(0);
    await second.close();
  });

  it('stops when told to and keeps what it learned', async () => {
    const { page } = opened;
    await page.getByLabel('Steps').fill('1000');
    await page.getByRole('button', { name: 'Fine-tune' }).click();
    await page.getByText(/^Step [1-9]\d* of 1000/).waitFor();
    await page.getByRole('button', { name: 'Stop and keep' }).click();
    await page.getByText(/^\d+ steps? learned/).waitFor();
    expect(opened.errors).toEqual([]);
    expect(opened.foreign).toEqual([]);
  });
});
