import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { predictionKernels } from '../../src/cli/prediction-kernels.ts';
import { MemoryFiles } from '../../src/core/files.ts';
import { TuningCache, tuningKey } from '../../src/engine/tune/cache.ts';
import { RUN_FILES } from '../../src/pipeline/train/run-record.ts';
import { cacheFolder } from '../../src/platform/cache-folder.ts';
import { NodeFolder } from '../../src/platform/node-files.ts';
import { useGpu } from '../support/gpu.ts';

const host = useGpu();
const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-kernels-'));
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** A run's folder with this text as its config.json. */
function runOf(config: string): MemoryFiles {
  const run = new MemoryFiles('run');
  run.files.set(RUN_FILES.config, new TextEncoder().encode(config));
  return run;
}

describe('the kernels of a prediction', () => {
  it('are those that the run recorded on such an adapter, else those that were tuned', async () => {
    vi.stubEnv('XDG_CACHE_HOME', folder);
    const { capabilities } = host.gpu;
    expect(await predictionKernels(new MemoryFiles('run'), capabilities)).toEqual({});
    const slots = new Map(['a', 'b'].map((slot) => [slot, { variant: `tuned ${slot}`, times: {} }]));
    await new TuningCache(new NodeFolder(cacheFolder())).add(await tuningKey(capabilities), slots);
    const tuned = { a: 'tuned a', b: 'tuned b' };
    const record = (adapter: string): MemoryFiles =>
      runOf(JSON.stringify({ adapter, kernels: { b: 'recorded b', c: 'recorded c' } }));
    expect(await predictionKernels(record(capabilities.description), capabilities)).toEqual({
      a: 'tuned a',
      b: 'recorded b',
      c: 'recorded c',
    });
    expect(await predictionKernels(record('another adapter'), capabilities)).toEqual(tuned);
    // The network alone is what a prediction needs.
    expect(await predictionKernels(new MemoryFiles('run'), capabilities)).toEqual(tuned);
    expect(await predictionKernels(runOf('{"adapter'), capabilities)).toEqual(tuned);
  });
});
