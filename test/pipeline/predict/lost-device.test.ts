import { beforeAll, describe, expect, it } from 'vitest';
import { DeviceLostError } from '../../../src/core/errors.ts';
import { MemoryFiles } from '../../../src/core/files.ts';
import { Random } from '../../../src/core/random.ts';
import { findScans } from '../../../src/imaging/dataset/dataset.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import type { Model } from '../../../src/pipeline/models/model.ts';
import type { PredictRequest } from '../../../src/pipeline/predict/request.ts';
import { predict } from '../../../src/pipeline/predict/run.ts';
import { train } from '../../../src/pipeline/train/run.ts';
import { bidsPatient, tree } from '../../imaging/dataset/make.ts';
import { useGpu } from '../../support/gpu.ts';
import { endsOnDeadDevices, MortalGpu } from '../../support/mortal-gpu.ts';
import { tinyData } from '../train/fixture.ts';

const context = useGpu();
let model: Model;
beforeAll(async () => {
  model = (await train(context.gpu, await tinyData({ variant: 'multi-output', steps: 2 }))).model;
}, 300_000);

async function request(
  extra: Partial<Omit<PredictRequest, 'maps'>>,
): Promise<PredictRequest & { out: MemoryFiles }> {
  const dataset = await openDataset(tree({ ...bidsPatient('01'), ...bidsPatient('02') }));
  const common = { model, dataset, scans: findScans(dataset), maps: true, threshold: 0.4, overlap: 0.5 };
  return { ...common, ...extra, out: new MemoryFiles('out') };
}

describe('a device that is lost in a prediction', () => {
  /** Predicts two scans while devices are lost after these tiles, counted over both, each once. */
  async function losing(
    lossesAt: readonly number[],
    extra: Partial<Omit<PredictRequest, 'maps'>> = {},
  ): Promise<{ out: MemoryFiles; opened: number; tiles: number }> {
    const mortal = await MortalGpu.open(lossesAt);
    let tiles = 0;
    try {
      const asked = await request({
        reopen: mortal.reopen,
        onTile: () => mortal.reach(++tiles),
        ...extra,
      });
      const scans = await predict(mortal.first, asked);
      expect(scans.map(({ subject }) => subject)).toEqual(['01', '02']);
      return { out: asked.out, opened: mortal.count, tiles };
    } finally {
      await mortal.close();
    }
  }

  it('is replaced, and what is written is the same bit for bit', { timeout: 240_000 }, async () => {
    const whole = await losing([]);
    expect(whole.tiles).toBeGreaterThanOrEqual(8);
    const random = new Random(11);
    for (const snapshotSeconds of [0, 1000]) {
      const lossesAt = [1, 1 + random.integer(whole.tiles - 1), whole.tiles];
      const disturbed = await losing(lossesAt, { snapshotSeconds });
      expect(disturbed.opened, `${lossesAt}`).toBe(1 + new Set(lossesAt).size);
      expect([...disturbed.out.files.keys()]).toEqual([...whole.out.files.keys()]);
      for (const [path, bytes] of whole.out.files)
        expect(Buffer.from(disturbed.out.files.get(path)!).equals(bytes), path).toBe(true);
      // A snapshot after every tile saves all but the tile at which the device went.
      expect(disturbed.tiles - whole.tiles > lossesAt.length).toBe(snapshotSeconds > 0);
    }
  });

  it('ends it where no other can be had, or where each is lost at once', { timeout: 240_000 }, async () => {
    await expect(losing([3], { reopen: undefined })).rejects.toThrow(DeviceLostError);
    await expect(losing([3], { reopen: () => Promise.reject(new Error('none')) })).rejects.toThrow('none');
    await endsOnDeadDevices((reopen) => losing([2], { reopen }));
  });
});
