import { describe, expect, it } from 'vitest';
import type { StepReport } from '../../../src/pipeline/train/request.ts';
import { runPage } from '../../../src/pipeline/train/run-page.ts';
import type { RunConfig } from '../../../src/pipeline/train/run-record.ts';
import { tinySettings } from './fixture.ts';

const config: RunConfig = {
  settings: { ...tinySettings({ steps: 100 }), subjects: ['01'], modalities: ['FLAIR', 'T1w'] },
  data: { 'sub-01': 'a' },
  validation: { 'sub-<b>02</b>': 'b' },
  kernels: {},
  adapter: 'a GPU',
  version: '1.2.3',
};
const steps = Array.from({ length: 40 }, (_, i): StepReport => {
  const validation = { dice: { edema: i / 100, core: 0.5 } };
  const report = { step: i + 1, epoch: 1, loss: 1 / (i + 1), seconds: i };
  return (i + 1) % 10 === 0 ? { ...report, validation } : report;
});

describe('the page of a run', () => {
  it('shows the curves of a run that goes on, and loads itself again', () => {
    const text = runPage({ config, steps, refresh: 10 });
    expect(text).toContain('<meta http-equiv="refresh" content="10">');
    expect(text).toContain('<h1>Loss 0.0250 after 40 steps</h1>');
    expect(text).toContain('single, 40 of 100 steps');
    expect(text).toContain('Dice of edema, 4 times; last 0.390, best 0.390.');
    expect(text).toContain('Dice of core');
    // A cosine: near its first value for a while, and below it.
    expect(text).toMatch(/learning rate/);
    expect(text.match(/<svg/g)).toHaveLength(4);
  });

  it('is there before the first step too, without validation, and escapes names', () => {
    const text = runPage({ config, steps: [] });
    expect(text).toContain('No step is finished yet');
    expect(text).not.toContain('http-equiv="refresh"');
    expect(text).not.toContain('Validation</h2>');
    expect(text).toContain('sub-&lt;b&gt;02');
  });
});
