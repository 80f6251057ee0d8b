import { describe, expect, it } from 'vitest';
import { measurePeak } from '../../src/engine/gpu/peak.ts';
import { restWhile } from '../../src/platform/rest.ts';
import { useGpu } from '../support/gpu.ts';

/** Turns of the event loop a second while `run` lasts, with a callback in each of them, as Dawn's binding has. */
async function turnsPerSecond(run: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let over = false;
  const turn = (): void => {
    turns++;
    if (!over) setImmediate(turn);
  };
  setImmediate(turn);
  const start = performance.now();
  await run();
  over = true;
  return turns / ((performance.now() - start) / 1000);
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

// Times of a machine that other programs share: once in a few tries it is quiet enough to tell.
describe('a wait for the device', { retry: 5 }, () => {
  const device = useGpu();

  it('lets the processor rest', async () => {
    const before = process.cpuUsage();
    const start = performance.now();
    const turns = await turnsPerSecond(() => restWhile(sleep(600)));
    const { user, system } = process.cpuUsage(before);
    expect(turns).toBeLessThan(4000);
    expect((user + system) / 1000).toBeLessThan(0.5 * (performance.now() - start));
  });

  it('ends soon after what it waits for, and rests no longer', async () => {
    const start = performance.now();
    let done = 0;
    await restWhile(sleep(200).then(() => (done = performance.now())));
    expect(performance.now() - done).toBeLessThan(20);
    expect(done - start).toBeLessThan(300);
    expect(await turnsPerSecond(() => sleep(100))).toBeGreaterThan(10_000);
  });

  it('passes values and errors on', async () => {
    expect(await restWhile(Promise.resolve(3))).toBe(3);
    await expect(restWhile(Promise.reject(new Error('gone')))).rejects.toThrow('gone');
  });

  it('is one of these on Node', async () => {
    const busy = await turnsPerSecond(() => sleep(100));
    expect(await turnsPerSecond(() => measurePeak(device.gpu))).toBeLessThan(busy / 3);
  });
});
