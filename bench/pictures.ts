/**
 * `npx tsx bench/pictures.ts`: the pictures of README and src/docs, taken of the built app in Chromium (on SwiftShader).
 * A phantom is segmented by the network that comes with the app, so no picture shows a person's brain.
 */
import { mkdirSync } from 'node:fs';
import { MemoryFiles } from '../src/core/files.ts';
import { writePhantomDataset } from '../src/study/phantom/index.ts';
import { AppUnderTest, chooseFiles, chromiumPath } from '../test/support/chromium.ts';

const FOLDER = 'src/docs/pictures';

if (chromiumPath() === undefined) throw new Error('Chromium is needed');
const phantom = new MemoryFiles();
await writePhantomDataset(phantom, {
  seed: 3,
  subjects: 1,
  visits: 1,
  shape: [91, 109, 91],
  spacing: [2, 2, 2],
});
const wanted = /^training01_01_(flair|mprage)/;
const files = [...phantom.files]
  .map(([path, bytes]) => ({ name: path.split('/').at(-1)!, bytes }))
  .filter(({ name }) => wanted.test(name));
mkdirSync(FOLDER, { recursive: true });
const app = await AppUnderTest.start();
try {
  const { page } = await app.open({ colorScheme: 'light', viewport: { width: 1280, height: 820 } });
  await page.getByText(/^Trained on/).waitFor();
  await chooseFiles(page, files);
  await page.getByText('Ready.').waitFor();
  await page.locator('canvas').waitFor();
  await page.getByRole('button', { name: 'Segment' }).click();
  await page.locator('#result').waitFor({ timeout: 240_000 });
  for (const scheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.evaluate(() => scrollTo(0, 0));
    await page.screenshot({ path: `${FOLDER}/app-${scheme}.png` });
  }
} finally {
  await app.stop();
}
