import { describe, expect, it } from 'vitest';
import { MemoryFiles } from '../../../src/core/files.ts';
import { compileAhead, kernelsOf } from '../../../src/engine/tune/compile-ahead.ts';
import { networkSlots } from '../../../src/engine/tune/network-slots.ts';
import { searched } from '../../../src/engine/tune/tune.ts';
import { tuneNetwork } from '../../../src/engine/tune/tuner.ts';
import { stepRequest } from '../../../src/pipeline/train/step-request.ts';
import { openNodeGpu } from '../../../src/platform/node.ts';
import { tinySettings } from '../../pipeline/train/fixture.ts';
import { useGpu } from '../../support/gpu.ts';

const SHAPE = stepRequest({
  ...tinySettings({ batch: 1 }),
  modalities: ['FLAIR', 'T1w'],
});

const host = useGpu();

describe('compileAhead', () => {
  it('runs every kernel on one of two devices', { timeout: 300_000 }, async () => {
    const slots = (await networkSlots(host.gpu.capabilities, SHAPE)).slice(0, 3);
    const sections = slots.flatMap((slot) => searched(slot).map(({ section }) => section));
    const beside = await openNodeGpu();
    try {
      const slow = await compileAhead([host.gpu, beside], sections, Number.POSITIVE_INFINITY);
      expect([...slow]).toEqual([]);
      const kernels = sections.flatMap(({ commands }) => commands.map(({ kernel }) => kernel));
      expect(kernels.every((kernel) => host.gpu.kernels.has(kernel) || beside.kernels.has(kernel))).toBe(
        true,
      );
      expect(kernels.some((kernel) => beside.kernels.has(kernel))).toBe(true);
      expect([...host.gpu.buffers, ...beside.buffers]).toEqual([]);
    } finally {
      await beside.close();
    }
  });

  it('names the kernels that took too long', { timeout: 300_000 }, async () => {
    const [slot] = await networkSlots(host.gpu.capabilities, SHAPE);
    const { section } = slot!.candidates[0]!;
    const slow = await compileAhead([host.gpu], [section], 0);
    expect([...slow].sort()).toEqual([...new Set(kernelsOf(section))].sort());
  });
});

describe('tuneNetwork', () => {
  it('chooses among all that two devices compiled', { timeout: 300_000 }, async () => {
    const beside = await openNodeGpu();
    try {
      const calls: string[] = [];
      const onSlot = (_done: number, _total: number, slot: string): void => void calls.push(slot);
      const files = new MemoryFiles();
      const results = await tuneNetwork(host.gpu, SHAPE, files, { again: false, rounds: 1, beside, onSlot });
      expect(calls[0]).toBe('compiling');
      const most = Math.max(...results.map(({ times }) => Object.keys(times).length));
      expect(most).toBeGreaterThan(1);
      // A kernel that is known to be slow to compile is not even tried, the best guess excepted.
      const strict = { again: true, rounds: 1, beside, compileSeconds: 0 };
      for (const { guess, times } of await tuneNetwork(host.gpu, SHAPE, files, strict))
        expect(Object.keys(times).filter((variant) => variant !== guess).length).toBeLessThanOrEqual(1);
    } finally {
      await beside.close();
    }
  });
});
