import { describe, expect, it } from 'vitest';
import { measurePeak } from '../../../src/engine/gpu/peak.ts';
import { useGpu } from '../../support/gpu.ts';

describe('measurePeak', () => {
  const context = useGpu();

  it('measures finite rates and frees its buffers', async () => {
    const { gpu } = context;
    const { gflops, gbps } = await measurePeak(gpu);
    expect(gflops).toBeGreaterThan(0.1);
    expect(gflops).toBeLessThan(1e6);
    expect(gbps).toBeGreaterThan(0.1);
    expect(gbps).toBeLessThan(1e5);
    expect(gpu.allocatedBytes).toBe(0);
  });
});
