import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { MemoryFiles } from '../../../src/core/files.ts';
import { sha256OfArrays } from '../../../src/core/hash.ts';
import type { Dataset } from '../../../src/imaging/dataset/dataset.ts';
import { loadScan } from '../../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { segment } from '../../../src/pipeline/predict/segment.ts';
import { prepareTraining } from '../../../src/pipeline/train/prepare.ts';
import { train } from '../../../src/pipeline/train/run.ts';
import { writePhantomDataset } from '../../../src/study/phantom/index.ts';
import { presetOf, VARIANTS } from '../../../src/study/presets/index.ts';
import { useGpu } from '../../support/gpu.ts';
import { tinySettings } from './fixture.ts';

vi.setConfig({ testTimeout: 240_000 });
const context = useGpu();

interface Bits {
  /** Parameters, running statistics, moments and random numbers after 20 steps. */
  readonly training: string;
  /** Probability maps of a scan. */
  readonly prediction: string;
}

/** Hashes by adapter, then by preset and precision; committed before the code is restructured. */
const PATH = new URL('../../golden/bits/presets.json', import.meta.url);
const known = JSON.parse(readFileSync(PATH, 'utf8')) as Record<string, Record<string, Bits>>;
/** Records what is computed instead of comparing: for a new driver, or a change of bits that is meant. */
const record = process.env.VOXELGRAD_RECORD_BITS === '1';

/** Three small phantoms. */
async function makePhantoms(): Promise<Dataset> {
  const files = new MemoryFiles();
  await writePhantomDataset(files, { seed: 7, subjects: 3, shape: [36, 44, 36], spacing: 5 });
  return await openDataset(files);
}
const phantoms = makePhantoms();

describe('twenty steps and a prediction have the bits that were committed', () => {
  for (const variant of VARIANTS)
    for (const precision of ['f32', 'f16'] as const)
      it(`${variant}, ${precision}`, async ({ skip }) => {
        const { gpu } = context;
        const { f16, description } = gpu.capabilities;
        if (precision === 'f16' && !f16) skip(`${description} stores no 16-bit floats`);
        const expected = known[description]?.[`${variant}/${precision}`];
        if (!expected && !record) skip(`no bits were committed for ${description}`);
        const dataset = await phantoms;
        const settings = tinySettings({
          subjects: [dataset.subjects[0]!.id, dataset.subjects[1]!.id],
          variant,
          precision,
          patch: 16,
          levels: 3,
          baseChannels: 8,
          steps: 20,
        });
        const { model, hash } = await train(gpu, await prepareTraining(dataset, settings));
        const scan = await loadScan(dataset, dataset.subjects[2]!.scans[0]!, {
          modalities: model.info.task.channels,
          maps: presetOf(variant).task.maps ?? undefined,
        });
        const { heads } = await segment(gpu, model, scan, { precision });
        const prediction = await sha256OfArrays([...heads.values()].flatMap(({ maps }) => [...maps]));
        const found: Bits = { training: hash, prediction };
        if (record) {
          known[description] = { ...known[description], [`${variant}/${precision}`]: found };
          writeFileSync(PATH, `${JSON.stringify(known, null, 2)}\n`);
        }
        expect(found).toEqual(record ? found : expected);
      });
});
