import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testedOps } from '../structure/recordings.ts';
import { AppUnderTest, chromiumPath } from '../support/chromium.ts';
import type { CaseReport } from './kernel-cases.ts';

/** What the op tests allow on every adapter. */
const TOLERANCE = 2e-5;

/** The cases and references as one script. */
async function bundle(): Promise<Uint8Array> {
  const entry = fileURLToPath(new URL('kernel-cases.ts', import.meta.url));
  const built = await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      target: 'es2023',
      lib: { entry, formats: ['es'], fileName: () => 'cases.js' },
      rolldownOptions: { output: { codeSplitting: false } },
    },
  });
  const [{ output }] = built as unknown as [{ output: [{ code: string }] }];
  return new TextEncoder().encode(output[0].code);
}

describe.skipIf(chromiumPath() === undefined)('the kernels in Chromium', () => {
  let app: AppUnderTest;

  beforeAll(async () => {
    const page =
      '<!doctype html><link rel="icon" href="data:,"><title>cases</title><script type="module" src="cases.js"></script>';
    app = await AppUnderTest.start(
      new Map([
        ['/cases.html', new TextEncoder().encode(page)],
        ['/cases.js', await bundle()],
      ]),
    );
  });

  afterAll(async () => {
    await app?.stop();
  });

  it('agree with the references in every shared case', { timeout: 300_000 }, async () => {
    const { page, errors } = await app.open({}, 'cases.html');
    const reports = await page.evaluate(() =>
      (globalThis as unknown as { kernelCases(): Promise<CaseReport[]> }).kernelCases(),
    );
    const shared = (await testedOps()).flatMap(({ stem, cases }) =>
      cases.map(({ name }) => `${stem}: ${name}`),
    );
    expect(reports.map(({ op, name }) => `${op}: ${name}`).sort()).toEqual(shared.sort());
    const bad = reports.flatMap(({ op, name, errors }) =>
      typeof errors === 'string'
        ? [`${op}, ${name}: ${errors}`]
        : Object.entries(errors)
            .filter(([, error]) => !(error < TOLERANCE))
            .map(([what, error]) => `${op}, ${name}: ${what} is off by ${error}`),
    );
    expect(bad).toEqual([]);
    expect(errors).toEqual([]);
  });
});
