import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMask } from '../../src/imaging/nifti/read.ts';
import { bidsPatient } from '../imaging/dataset/make.ts';
import {
  AppUnderTest,
  accessibilityFaults,
  chooseFiles,
  chromiumPath,
  holdAt,
  loseDevice,
  type OpenedPage,
  overflow,
  savedFile,
  screenshot,
} from '../support/chromium.ts';
import { badFiles, middleScan, smallScan } from './make.ts';

describe.skipIf(chromiumPath() === undefined)('the app in Chromium', { timeout: 240_000 }, () => {
  let app: AppUnderTest;
  const opened: OpenedPage[] = [];

  beforeAll(async () => {
    app = await AppUnderTest.start();
  });

  afterAll(async () => {
    await app?.stop();
  });

  async function open(options: Parameters<AppUnderTest['open']>[0] = {}): Promise<OpenedPage> {
    const one = await app.open(options);
    opened.push(one);
    await one.page.getByText(/^Reads FLAIR, T1w|Reads FLAIR/).waitFor();
    return one;
  }

  it.each([
    ['start-light', { colorScheme: 'light' }],
    ['start-dark', { colorScheme: 'dark' }],
    ['start-360', { colorScheme: 'light', viewport: { width: 360, height: 780 } }],
  ] as const)('starts with what to do: %s', async (name, options) => {
    const { page, close } = await open(options);
    await page.getByText('Choose a scan first.').waitFor();
    expect(await page.getByRole('button', { name: 'Segment' }).isDisabled()).toBe(true);
    expect(await page.locator('details.system summary').textContent()).toMatch(/swiftshader/i);
    expect(await accessibilityFaults(page)).toEqual([]);
    expect(await overflow(page)).toBe(0);
    await screenshot(page, name);
    await close();
  });

  it('says in one sentence beside each bad file what is wrong with it', async () => {
    const files = badFiles();
    const { page, close } = await open();
    await chooseFiles(page, files);
    const rows = page.locator('.files li');
    expect(await rows.count()).toBe(files.length);
    for (const { name, says } of files) {
      const problem = rows.filter({ has: page.getByTitle(name, { exact: true }) }).getByRole('alert');
      const text = (await problem.count()) > 0 ? ((await problem.textContent()) ?? '') : '';
      expect(text, name).toMatch(says);
      // One sentence, and at most one more that says what to do.
      expect(text.length, name).toBeLessThan(260);
      expect(text, name).not.toMatch(/undefined|unexpected|\[object/);
    }
    expect(await page.getByRole('button', { name: 'Segment' }).isDisabled()).toBe(true);
    await page.getByText('Correct or remove the files that are marked first.').waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
    await screenshot(page, 'bad-files');
    await close();
  });

  it('keeps its model where a damaged one is given', async () => {
    const { page, close } = await open();
    const damaged = {
      name: 'model.safetensors',
      mimeType: '',
      buffer: Buffer.from('no model at all, by no means'),
    };
    await page.getByLabel('Your own model.safetensors').setInputFiles(damaged);
    await page.getByRole('alert').filter({ hasText: 'truncated or damaged' }).waitFor();
    expect(await page.getByText('Reads FLAIR, T1w').count()).toBe(1);
    await close();
  });

  it('lets what a file is be corrected, and says what the model misses', async () => {
    const { page, close } = await open();
    const [flair, t1w, brain] = smallScan();
    await chooseFiles(page, [
      { ...flair!, name: 'series4.nii.gz' },
      { ...t1w!, name: 'p1_T2w.nii.gz' },
      brain!,
    ]);
    await page.getByText('The model reads FLAIR, T1w; no file is FLAIR or T1w.').waitFor();
    await page.getByLabel('What series4.nii.gz is').selectOption('FLAIR');
    await page.getByText('no file is T1w.').waitFor();
    await page.getByLabel('What p1_T2w.nii.gz is').selectOption('T1w');
    await page.getByText('Ready.').waitFor();
    expect(await page.getByRole('button', { name: 'Segment' }).isEnabled()).toBe(true);
    await page.getByRole('button', { name: 'Remove p1_brain_mask.nii.gz' }).click();
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.getByText('Choose a scan first.').waitFor();
    await close();
  });

  it('takes dropped files', async () => {
    const { page, close } = await open();
    const files = smallScan().map(({ name, bytes }) => ({ name, content: [...bytes] }));
    await page.evaluate((dropped) => {
      const dataTransfer = new DataTransfer();
      for (const { name, content } of dropped)
        dataTransfer.items.add(new File([new Uint8Array(content)], name));
      document.body.dispatchEvent(
        new DragEvent('dragover', { bubbles: true, cancelable: true, dataTransfer }),
      );
      document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
    }, files);
    await page.getByText('Ready.').waitFor();
    expect(await page.locator('.drop-veil').count()).toBe(0);
    await close();
  });

  it('says so where a dropped folder cannot be read, or nothing was dropped', async () => {
    const { page, close } = await open();
    await page.evaluate(() => {
      const drop = (dataTransfer: DataTransfer): boolean =>
        document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
      // A folder that the browser may not list, as one without permissions.
      const { webkitGetAsEntry } = DataTransferItem.prototype;
      DataTransferItem.prototype.webkitGetAsEntry = () =>
        ({
          isFile: false,
          fullPath: '/locked',
          createReader: () => ({
            readEntries: (_: unknown, fail: (error: Error) => void) => fail(new Error('NotReadableError')),
          }),
        }) as unknown as FileSystemEntry;
      const folder = new DataTransfer();
      folder.items.add(new File([], 'locked'));
      drop(folder);
      DataTransferItem.prototype.webkitGetAsEntry = webkitGetAsEntry;
    });
    const told = page.getByRole('alert').filter({ hasText: 'locked: the browser cannot read it.' });
    await told.waitFor();
    expect(await told.textContent()).toContain('choose its files with the button');
    expect(await page.locator('.drop-veil').count()).toBe(0);
    await page.evaluate(() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.setData('text/plain', 'a selection of text');
      document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
    });
    await page
      .getByRole('alert')
      .filter({ hasText: /holds no files/ })
      .waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
    await screenshot(page, 'failed-drop');
    await close();
  });

  it('reads a gzip file of several members, as bgzip and pigz write them', async () => {
    const { page, close } = await open();
    const [flair, ...others] = smallScan();
    const plain = gunzipSync(flair!.bytes);
    const middle = plain.length >> 1;
    const members = Buffer.concat([gzipSync(plain.subarray(0, middle)), gzipSync(plain.subarray(middle))]);
    // Chromium's own stream refuses what follows the first member.
    expect(
      await page.evaluate(
        async (bytes) => {
          const whole = new Blob([new Uint8Array(bytes)])
            .stream()
            .pipeThrough(new DecompressionStream('gzip'));
          return await new Response(whole).arrayBuffer().then(
            ({ byteLength }) => byteLength,
            () => 'refused',
          );
        },
        [...members],
      ),
    ).toBe('refused');
    await chooseFiles(page, [{ ...flair!, bytes: new Uint8Array(members) }, ...others]);
    await page.getByText('Ready.').waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
    await page.getByRole('button', { name: 'Segment' }).click();
    await page.locator('#result').waitFor();
    const report = new TextDecoder().decode(await savedFile(page, 'Save report'));
    expect(report).toContain(createHash('sha256').update(members).digest('hex'));
    await close();
  });

  it('takes a BIDS folder and offers its patients', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-bids-'));
    for (const id of ['07', '19'])
      for (const [path, bytes] of Object.entries(bidsPatient(id))) {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        writeFileSync(join(folder, path), bytes);
      }
    writeFileSync(join(folder, 'README'), 'not an image');
    try {
      const { page, close } = await open();
      await page.getByLabel('Choose a folder').setInputFiles(folder);
      await page.getByLabel('Patient and visit').selectOption('sub-19');
      await page.getByTitle(/sub-19_FLAIR\.nii\.gz$/).waitFor();
      expect(await page.locator('.files li').count()).toBe(8);
      expect(await page.getByRole('alert').count()).toBe(0);
      await page.getByText('Ready.').waitFor();
      await close();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('can be stopped, survives the loss of its device, and gives the same result', async () => {
    const { page, close } = await open();
    await chooseFiles(page, middleScan());
    // The last tile is no exception: a cancelled run gives no result.
    for (const tile of [1, 3, 8]) {
      await holdAt(page, 'tile', tile);
      await page.getByRole('button', { name: 'Segment' }).click();
      await page.getByText(`Tile ${tile} of 8`).waitFor();
      await page.getByRole('button', { name: 'Cancel' }).click();
      await page.getByText('Ready.').waitFor();
    }
    expect(await page.locator('#result').count()).toBe(0);

    await page.getByRole('button', { name: 'Segment' }).click();
    const heading = page.locator('#result');
    await heading.waitFor();
    const found = await heading.textContent();

    await loseDevice(page, 4);
    await page.locator('details.system summary').click();
    await page.getByRole('button', { name: 'Segment again' }).click();
    // It is told when the run has ended and its result is there.
    await page.getByText('Devices lost and replaced').waitFor();
    await page.getByRole('button', { name: 'Segment again' }).waitFor();
    expect(await heading.textContent()).toBe(found);
    await close();
  });

  it('shows the lesions, goes to one, takes another threshold, saves files', async () => {
    const { page, close } = await open();
    await chooseFiles(page, middleScan());
    await page.getByRole('button', { name: 'Segment' }).click();
    await page.getByText('Agreement with the true mask').waitFor();
    const count = Number((await page.locator('#result').textContent())!.split(' ')[0]);
    expect(count).toBeGreaterThan(0);
    expect(await page.locator('tbody tr').count()).toBe(count);

    await page.getByRole('button', { name: 'Lesion 1', exact: true }).click();
    const cells = await page.locator('tbody tr').first().locator('td').allTextContents();
    const place = cells[3]!.replaceAll('−', '-').split(', ').map(Number);
    const readout = (await page.locator('.place').textContent())!.replaceAll('−', '-');
    const at = [...readout.matchAll(/\b[xyz] (-?[\d.]+)/g)].map((match) => Number(match[1]));
    at.forEach((mm, i) => {
      expect(Math.abs(mm - place[i]!)).toBeLessThan(1.1);
    });

    const slider = page.getByLabel('Threshold of the probability');
    await slider.fill('0.99');
    await page.locator('output', { hasText: '0.99' }).waitFor();
    const mask = await readMask(await savedFile(page, 'Save mask'), 'mask.nii.gz');
    const voxels = mask.volume.data.reduce((sum, v) => sum + v, 0);
    const ml = (voxels * 8) / 1000;
    expect(await page.locator('#result').textContent()).toContain(`${ml.toFixed(2)} ml`);
    const report = new TextDecoder().decode(await savedFile(page, 'Save report'));
    expect(report).toContain('Agreement with the true mask');
    expect(report).toMatch(/threshold 0\.990; training chose 0\.\d+ on its own scans/);
    await page.getByText(/^Training chose 0\.\d\d on its own scans/).waitFor();
    await page
      .getByText(/^Largest first\. Voxels that touch by a corner at least are of one lesion/)
      .waitFor();
    await close();
  });

  it('works without a network after the first visit', async () => {
    const { page, context, close } = await open({ serviceWorkers: 'allow' });
    await page.evaluate(async () => {
      await navigator.serviceWorker.ready;
    });
    await context.setOffline(true);
    await page.reload();
    await page.getByText(/Reads FLAIR/).waitFor();
    await chooseFiles(page, smallScan());
    await page.locator('canvas').waitFor();
    await page.getByRole('button', { name: 'Segment' }).click();
    await page.locator('#result').waitFor();
    await close();
  });

  it('says what to do where there is no WebGPU', async () => {
    const { page, close } = await app.open();
    await page.route('**/assets/engine-worker*', async (route) => {
      const response = await route.fetch();
      const body = `Object.defineProperty(navigator, 'gpu', { value: undefined });${await response.text()}`;
      await route.fulfill({ response, body });
    });
    await page.reload();
    await page.getByRole('heading', { name: 'It cannot run in this browser' }).waitFor();
    await page.getByRole('alert').filter({ hasText: 'This browser has no WebGPU. Use Chrome' }).waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
    await screenshot(page, 'no-webgpu');
    await close();
  });

  it('asked no other origin for anything, and left no error in the console', () => {
    expect(opened.length).toBeGreaterThan(8);
    expect(opened.flatMap(({ foreign }) => foreign)).toEqual([]);
    expect(opened.flatMap(({ errors }) => errors)).toEqual([]);
  });
});
