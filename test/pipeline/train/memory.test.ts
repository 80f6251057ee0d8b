import { describe, expect, it } from 'vitest';
import { OutOfMemoryError } from '../../../src/core/errors.ts';
import { Gpu } from '../../../src/engine/gpu/gpu.ts';
import { estimateMemory, requireMemory } from '../../../src/pipeline/train/memory.ts';
import { train } from '../../../src/pipeline/train/run.ts';
import { VARIANTS } from '../../../src/study/presets/index.ts';
import { mostAllocated, withoutBuffer } from '../../support/buffers.ts';
import { useGpu } from '../../support/gpu.ts';
import { tinyData } from './fixture.ts';

const context = useGpu();

describe('the memory of a run', () => {
  for (const variant of VARIANTS)
    it(`${variant}: is known before, to the byte`, async () => {
      const { gpu } = context;
      const data = await tinyData({ variant, steps: 2 });
      const estimate = await estimateMemory(gpu.capabilities, data);
      expect(await mostAllocated(gpu, () => train(gpu, data))).toBe(estimate.bytes);
    });

  it('beyond a budget is refused, naming the largest tensors and what fits', async () => {
    const { capabilities } = context.gpu;
    const data = await tinyData({ baseChannels: 16, batch: 4 });
    const { bytes } = await estimateMemory(capabilities, data);
    await requireMemory(capabilities, data, bytes);
    const error = await requireMemory(capabilities, data, bytes - 1).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OutOfMemoryError);
    const { message, hint } = error as OutOfMemoryError;
    expect(message).toMatch(/^training needs [\d.]+ MB on the GPU, most of it for train\/arena0 [\d.]+ MB/);
    expect(message).toMatch(
      /largest tensors of a step are (\w+\.\d(\.\w+)?|loss\.\w+)\/[\w/ -]*conv3d[\w/ ]* \d[\dx]* \([\d.]+ \wB\)/,
    );
    expect(message).toMatch(/the budget is [\d.]+ MB$/);
    const fits = /patch: (\d+) .*baseChannels: (\d+) .*batch: (\d+) /.exec(hint!)!.slice(1).map(Number);
    expect(fits).toEqual([6, 15, 3]);
    expect(hint).toMatch(/It would fit with recompute: true \([\d.]+ MB\), or patch/);
    // Each fits indeed.
    for (const [i, setting] of ['patch', 'baseChannels', 'batch'].entries()) {
      const smaller = await tinyData({ baseChannels: 16, batch: 4, [setting]: fits[i] });
      await requireMemory(capabilities, smaller, bytes - 1);
    }
  });

  it('that no single setting can save is refused all the same', async () => {
    const { capabilities } = context.gpu;
    const error = await requireMemory(capabilities, await tinyData(), 1000).catch((e: unknown) => e);
    expect((error as OutOfMemoryError).hint).toMatch(/^No single setting makes it fit/);
  });

  it('that the device refuses gives the same kind of error', async () => {
    const { gpu } = context;
    const data = await tinyData({ baseChannels: 8 });
    const { message, hint } = await withoutBuffer(gpu, 'train/arena0', () => train(gpu, data));
    expect(message).toMatch(/^train\/arena0 needs 9 GB: the device has no more; training needs /);
    expect(message).toMatch(/largest tensors of a step/);
    expect(hint).toMatch(/^Less would do: .*baseChannels: \d+ needs [\d.]+ kB/);
  });

  it('is counted on a device that makes nothing, which runs nothing', async () => {
    const counting = Gpu.counting(context.gpu.capabilities);
    const buffer = await counting.createBuffer({ label: 'x', bytes: 1e8, usage: 0 });
    expect(counting.allocatedBytes).toBe(1e8);
    await expect(counting.read(buffer, 0, 4)).rejects.toThrow(/executes nothing/);
    const bytes = context.gpu.capabilities.maxBufferBytes + 1;
    await expect(counting.createBuffer({ label: 'x', bytes, usage: 0 })).rejects.toThrow(OutOfMemoryError);
    counting.destroyBuffer(buffer);
    expect(counting.allocatedBytes).toBe(0);
  });
});
