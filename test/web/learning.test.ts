import { decode } from 'fast-png';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeModel } from '../../src/pipeline/models/model.ts';
import {
  AppUnderTest,
  accessibilityFaults,
  chooseFiles,
  chromiumPath,
  holdAt,
  longTasks,
  loseDevice,
  type OpenedPage,
  overflow,
  savedFile,
  screenshot,
  stroke,
  watchRun,
} from '../support/chromium.ts';
import { middleScan } from './make.ts';

const LISTED = 'Phantoms, 2 mm (small)';
const TUNED = `${LISTED}, fine-tuned`;

async function fineTune(page: Page, steps: number): Promise<void> {
  await page.getByRole('combobox', { name: 'Model' }).selectOption(LISTED);
  await page.getByText(/^Trained on/).waitFor();
  await page.getByLabel('Steps').fill(String(steps));
  await page.getByRole('button', { name: 'Fine-tune' }).click();
}

async function finished(page: Page, steps: number): Promise<void> {
  await page.getByText(`${steps} steps learned: ${TUNED}.`).waitFor({ timeout: 180_000 });
}

describe.skipIf(chromiumPath() === undefined)('learning from corrected scans', { timeout: 300_000 }, () => {
  let app: AppUnderTest;
  let opened: OpenedPage;
  let uninterrupted: Uint8Array;

  beforeAll(async () => {
    app = await AppUnderTest.start();
    opened = await app.open();
    await opened.page.getByText(/^Trained on/).waitFor();
  });

  afterAll(async () => {
    await app?.stop();
  });

  it('keeps a corrected scan to learn from and another one aside', async () => {
    const { page } = opened;
    await chooseFiles(page, middleScan());
    await page.locator('canvas').waitFor();
    await page.getByRole('combobox', { name: 'View' }).selectOption('axial');
    await page.getByRole('button', { name: 'Segment' }).click();
    await page.getByText('Agreement with the true mask').waitFor();
    await page.getByRole('button', { name: 'Correct', exact: true }).click();
    await page.getByLabel('Brush').fill('5');
    await stroke(page);
    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByText(/^The model’s mask, corrected by hand/).waitFor();
    await page.getByRole('button', { name: 'Learn from this scan' }).click();
    await page.getByLabel('What p2 is for').waitFor();
    await page.getByRole('button', { name: 'Clear' }).click();
    await chooseFiles(page, middleScan('p3', 5));
    await page.getByText(/^Crosshair at/).waitFor();
    // The viewer draws on, after it had nothing to show.
    const { data, channels } = decode(await page.locator('canvas').screenshot());
    expect(data.filter((value, i) => value > 60 && i % channels < 3).length).toBeGreaterThan(
      data.length / 50,
    );
    await page.getByRole('button', { name: 'Keep it aside' }).click();
    await page.getByLabel('What p3 is for').waitFor();
    expect(await page.getByLabel('What p2 is for').inputValue()).toBe('learn');
    expect(await page.getByLabel('What p3 is for').inputValue()).toBe('aside');
  });

  it('trains: the loss falls, the page is never blocked, Dice on the other scan is told', async () => {
    const { page } = opened;
    await watchRun(page, '.tuning');
    const release = await holdAt(page, 'step', 5);
    await fineTune(page, 30);
    await page.getByText(/^Step [56] of 30, loss/).waitFor();
    await release();
    await finished(page, 30);
    expect(await longTasks(page)).toEqual([]);
    const label = (await page.locator('.curve').getAttribute('aria-label'))!;
    const [first, last] = [...label.matchAll(/\d+\.\d+/g)].map(Number);
    expect(last!).toBeLessThan(first!);
    expect(await accessibilityFaults(page)).toEqual([]);
    uninterrupted = await savedFile(page, 'Save model');
    const { info, weights } = decodeModel(uninterrupted, 'tuned');
    const original = decodeModel(
      new Uint8Array(await (await fetch(`${app.url}models/phantoms.safetensors`)).arrayBuffer()),
      'original',
    );
    expect(info.task.channels).toEqual(original.info.task.channels);
    const name = 'encoder.0.conv1.weight';
    expect(weights.get(name)).not.toEqual(original.weights.get(name));
    await screenshot(page, 'fine-tuned');
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await accessibilityFaults(page)).toEqual([]);
    await screenshot(page, 'fine-tuned-dark');
    await page.setViewportSize({ width: 360, height: 780 });
    expect(await overflow(page)).toBe(0);
    await screenshot(page, 'fine-tuned-dark-360');
    await page.setViewportSize({ width: 1360, height: 900 });
    await page.emulateMedia({ colorScheme: null });

    // The scan kept aside is the one that is there: both ways must agree on it.
    const [before, after] = (await page.locator('.dice').textContent())!.match(/\d\.\d{3}/g)!;
    await page.getByRole('button', { name: 'Segment' }).click();
    await page.getByText('Agreement with the true mask').waitFor();
    expect(await page.locator('.metrics dd').first().textContent()).toBe(after);
    await page.getByRole('combobox', { name: 'Model' }).selectOption(LISTED);
    await page.getByText(/^Trained on/).waitFor();
    await page.getByRole('button', { name: 'Segment again' }).click();
    await page.locator('.metrics dd', { hasText: before! }).first().waitFor();
  });

  it('paused, closed, reopened and cut off from its device, it ends with the same bits', async () => {
    const { page, context } = opened;
    await holdAt(page, 'step', 3);
    await fineTune(page, 30);
    await page.getByText(/^Step [34] of 30/).waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByText(/^Paused at step \d of 30/).waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
    await screenshot(page, 'paused');
    await page.setViewportSize({ width: 360, height: 780 });
    expect(await overflow(page)).toBe(0);
    await screenshot(page, 'paused-360');
    await holdAt(page, 'step', 24);
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByText(/^Step 2[45] of 30/).waitFor();
    await page.close();

    const second = await context.newPage();
    second.on('pageerror', (error) => expect.fail(String(error)));
    await second.goto(app.url);
    await second.getByText('Paused at step 20 of 30').waitFor();
    await loseDevice(second, 8);
    await second.getByRole('button', { name: 'Resume' }).click();
    await finished(second, 30);
    await second.locator('details.system summary').click();
    await second.getByText('Devices lost and replaced').waitFor();
    const resumed = await savedFile(second, 'Save model');
    expect(Buffer.compare(resumed, uninterrupted)).toBe(0);
    opened = { ...opened, page: second };
  });

  it('keeps other tabs out, and goes on to the same bits after its storage was full', async () => {
    const { page, context } = opened;
    const release = await holdAt(page, 'step', 4);
    await fineTune(page, 30);
    await page.getByText(/^Step [45] of 30/).waitFor();
    const other = await context.newPage();
    await other.goto(app.url);
    await other.getByText(/^Paused at step \d+ of 30/).waitFor();
    for (const name of ['Resume', 'Discard']) {
      await other.getByRole('button', { name }).click();
      const refused = other.getByRole('alert').filter({ hasText: 'Another tab is at fine-tuning.' });
      await refused.waitFor();
      expect(await refused.textContent()).toContain('Continue there, or close that tab first.');
    }
    expect(await other.getByText(/^Paused at step/).count()).toBe(1);
    await other.close();

    const goOn = await holdAt(page, 'step', 24);
    await release();
    await page.getByText(/^Step 2[45] of 30/).waitFor();
    const { origin } = new URL(app.url);
    const session = await context.newCDPSession(page);
    await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1 });
    await goOn();
    const full = page.getByRole('alert').filter({ hasText: 'its storage is full' });
    await full.waitFor();
    expect(await full.textContent()).toContain('Free some disk space');
    await page.getByText('Paused at step 20 of 30').waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
    await screenshot(page, 'storage-full');
    // Still full: it fails again, and what is kept stays.
    await page.getByRole('button', { name: 'Resume' }).click();
    await full.waitFor();
    await page.getByText('Paused at step 20 of 30').waitFor();

    await session.send('Storage.overrideQuotaForOrigin', { origin });
    await page.getByRole('button', { name: 'Resume' }).click();
    await finished(page, 30);
    expect(Buffer.compare(await savedFile(page, 'Save model'), uninterrupted)).toBe(0);
  });

  it('can be ended early with what it learned; what is kept can be forgotten', async () => {
    const { page } = opened;
    await holdAt(page, 'step', 3);
    await fineTune(page, 1000);
    await page.getByText(/^Step [34] of 1000/).waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Use it as it is' }).click();
    await page.getByText(/^\d+ steps learned/).waitFor();
    await page.reload();
    await page.getByText(/^Trained on/).waitFor();
    await page.getByRole('combobox', { name: 'Model' }).selectOption(TUNED);
    await page.getByText('Kept in this browser only.').waitFor();
    await page.getByRole('button', { name: 'Forget it' }).click();
    await page.getByText('Kept in this browser only.').waitFor({ state: 'detached' });
    // Both before either is done.
    const forget = page.getByLabel('Scans to learn from').getByRole('button', { name: /^Forget p[23]$/ });
    expect(await forget.evaluateAll((all: HTMLElement[]) => all.map((button) => button.click()).length)).toBe(
      2,
    );
    await page.getByLabel('Scans to learn from').waitFor({ state: 'detached' });
    expect(await page.getByRole('button', { name: 'Fine-tune' }).isDisabled()).toBe(true);
  });

  it('asked no other origin for anything, and left no error in the console', () => {
    expect(opened.foreign).toEqual([]);
    expect(opened.errors).toEqual([]);
  });
});
