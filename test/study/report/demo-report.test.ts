import { describe, expect, it } from 'vitest';
import { formatTable } from '../../../src/imaging/evaluate/tables.ts';
import { demoMontage, demoReport, demoTable } from '../../../src/study/report/demo-report.ts';
import { demoData } from './fixture.ts';

const data = demoData();

describe('demoReport', () => {
  const report = demoReport(data);

  it('opens with the finding', () => {
    const best = data.variants[1]!.metrics.dice.toFixed(3);
    const limit = data.baseline.metrics.dice.toFixed(3);
    expect(report).toContain(
      `<h1>Multi-input segments the unseen patient best: Dice ${best}, against ${limit} for a FLAIR threshold</h1>`,
    );
  });

  it('says so where thresholding is not beaten', () => {
    const worse = { ...data.variants[0]!, metrics: { ...data.variants[0]!.metrics, dice: 0.1 } };
    expect(demoReport({ ...data, variants: [worse] })).toContain(
      '<h1>No variant beats thresholding: the best, Single, reaches Dice 0.100',
    );
  });

  it('shows adapter, time, settings and what it is not', () => {
    for (const text of [
      'llvmpipe (LLVM 15.0.6, 256 bits)',
      'Vulkan, system driver, software',
      '6 min 12 s',
      '<dt>learning rate</dt><dd>0.0005</dd>',
      'Not a medical device',
    ])
      expect(report).toContain(text);
  });

  it('has an overlay of the baseline and of each variant in three planes, all with alternative texts', () => {
    for (const plane of ['Axial', 'Coronal', 'Sagittal'])
      for (const name of ['FLAIR threshold', 'Single', 'Multi-input', 'Multi-output'])
        expect(report).toMatch(new RegExp(`alt="${plane}, [xyz] = −?\\d+ mm: prediction of ${name} against`));
    const images = report.match(/<img [^>]*>/g)!;
    expect(images).toHaveLength(3 * 4 + 4);
    for (const image of images) expect(image).toMatch(/src="data:image\/png;base64,[^"]+" alt="[^"]{10,}"/);
    expect(report.match(/<svg /g)).toHaveLength(3);
  });

  it('asks for nothing from anywhere', () => {
    const links = [...report.matchAll(/(?:src|href|xlink:href|action|data)="([^"]{0,30})/g)].map(
      (m) => m[1]!,
    );
    expect(links.every((link) => link.startsWith('data:image/png'))).toBe(true);
    expect(report).not.toMatch(/url\(|@import|<script|<link|<iframe/);
  });

  it('escapes names that come from folders and drivers', () => {
    const attack = '"><script>alert(1)</script>';
    const text = demoReport({
      ...data,
      adapter: { description: attack, backend: attack, software: false, driver: attack },
      version: attack,
      data: attack,
      trainingSubjects: [attack],
      heldOut: { ...data.heldOut, subject: attack },
      variants: [{ ...data.variants[0]!, variant: attack }],
      settings: { [attack]: attack, other: [attack] },
    });
    expect(text).not.toContain('<script');
  });

  it('is small enough to mail, and the same each time', () => {
    expect(report.length).toBeLessThan(4e6);
    expect(demoReport(data) === report).toBe(true);
  });

  it('does without tissue maps and with an empty truth', () => {
    const { tissues: _, ...heldOut } = data.heldOut;
    const bare = demoReport({
      ...data,
      heldOut: { ...heldOut, truth: new Uint8Array(heldOut.truth.length) },
      variants: [data.variants[0]!],
    });
    expect(bare).not.toContain('white matter');
    expect(bare.replace(/base64,[^"]+/g, '')).not.toContain('NaN');
  });
});

describe('demoTable', () => {
  it('shows each variant beside the FLAIR threshold', () => {
    const lines = formatTable(demoTable(data)).split('\n');
    expect(lines).toHaveLength(5);
    expect(lines[3]).toMatch(
      new RegExp(
        `^Multi-input +0\\.\\d{3} +${data.baseline.metrics.dice.toFixed(3)} .* 0\\.99930 +420 +0\\.307$`,
      ),
    );
  });
});

describe('demoMontage', () => {
  it('has a row a plane and a column a mask', () => {
    const { width, height } = demoMontage(data);
    expect(width).toBeGreaterThan(4 * 300);
    expect(height).toBeGreaterThan(3 * 250);
    expect(width).toBeGreaterThan(height);
  });
});
