import { describe, expect, it, vi } from 'vitest';
import { CheckpointError } from '../../../src/core/errors.ts';
import { Random } from '../../../src/core/random.ts';
import { encodeTrainingState, stateHash } from '../../../src/engine/checkpoint/training-state.ts';
import { allAugmentations } from '../../../src/pipeline/augment/index.ts';
import { decodeTrainingState, encodeModel, type TrainingState } from '../../../src/pipeline/models/model.ts';
import type { CheckpointPolicy, TrainRequest, TrainResult } from '../../../src/pipeline/train/request.ts';
import { train } from '../../../src/pipeline/train/run.ts';
import { TrainingSession } from '../../../src/pipeline/train/session.ts';
import { VARIANTS } from '../../../src/study/presets/index.ts';
import { useGpu } from '../../support/gpu.ts';
import { endsOnDeadDevices, MortalGpu } from '../../support/mortal-gpu.ts';
import { tinyData } from './fixture.ts';

// A software driver compiles for seconds, on every device anew.
vi.setConfig({ testTimeout: 240_000 });
const context = useGpu();

function equal(a: TrainResult, b: TrainResult): void {
  expect(a.hash).toBe(b.hash);
  expect(Buffer.from(encodeModel(a.model)).equals(encodeModel(b.model))).toBe(true);
  expect([a.finalLoss, a.threshold, a.trainDice]).toEqual([b.finalLoss, b.threshold, b.trainDice]);
}

/** Keeps states as the bytes that a disk would hold. */
function keepBytes(
  everySteps: number | null = null,
): CheckpointPolicy & { last(): Promise<TrainingState>; written: number[] } {
  const written: number[] = [];
  let bytes = new Uint8Array();
  return {
    everySteps,
    everySeconds: null,
    written,
    async write(state) {
      bytes = await encodeTrainingState(state);
      written.push(state.step);
    },
    last: () => decodeTrainingState(bytes, 'state'),
  };
}

describe('a run that is stopped and resumed', () => {
  for (const variant of VARIANTS)
    it(`${variant}: ends with the bits of one that was not`, async () => {
      const data = await tinyData({ variant });
      const whole = await train(context.gpu, data);
      for (const stopAfter of [1, 4, 6]) {
        const stop = new AbortController();
        const checkpoints = keepBytes();
        const stopped = train(context.gpu, {
          ...data,
          checkpoints,
          signal: stop.signal,
          onStep: ({ step }) => step === stopAfter && stop.abort(new Error('stopped')),
        });
        await expect(stopped).rejects.toThrow('stopped');
        expect(checkpoints.written).toEqual([stopAfter]);
        const steps: number[] = [];
        const resumed = await train(context.gpu, {
          ...data,
          resume: await checkpoints.last(),
          onStep: ({ step }) => steps.push(step),
        });
        equal(resumed, whole);
        expect(steps).toEqual([1, 2, 3, 4, 5, 6].slice(stopAfter));
        expect(resumed.seconds).toBeGreaterThan((await checkpoints.last()).progress.seconds - 1e-9);
      }
    });

  it('ends with the same bits with every augmentation, in 16 bits too', async ({ skip }) => {
    const all = allAugmentations();
    const often = all
      .flatMap(({ schema }) => Object.keys(schema.shape))
      .filter((name) => name.endsWith('Probability'))
      .map((name) => [name, 0.6]);
    for (const precision of ['f32', 'f16']) {
      if (precision === 'f16' && !context.gpu.capabilities.f16) skip('the device stores no 16-bit floats');
      const augment = all.map(({ name }) => name);
      const data = await tinyData({ augment, ...Object.fromEntries(often), precision });
      const whole = await train(context.gpu, data);
      const half = keepBytes();
      const stop = new AbortController();
      const stopped = train(context.gpu, {
        ...data,
        checkpoints: half,
        signal: stop.signal,
        onStep: ({ step }) => step === 3 && stop.abort(new Error('stopped')),
      });
      await expect(stopped).rejects.toThrow('stopped');
      equal(await train(context.gpu, { ...data, resume: await half.last() }), whole);
      const plain = await train(context.gpu, await tinyData({ precision }));
      expect(plain.hash).not.toBe(whole.hash);
    }
  });

  it('saves every N steps and after the last one', async () => {
    const checkpoints = keepBytes(4);
    const result = await train(context.gpu, { ...(await tinyData()), checkpoints });
    expect(checkpoints.written).toEqual([4, 6]);
    expect(await stateHash(await checkpoints.last())).toBe(result.hash);
  });

  it('saves by the clock', async () => {
    const checkpoints = { ...keepBytes(), everySeconds: 1e-6 };
    await train(context.gpu, { ...(await tinyData({ steps: 3 })), checkpoints });
    expect(checkpoints.written).toEqual([1, 2, 3]);
  });

  it('reports a hash every N steps, the same in every run', async () => {
    const hashes = async (extra: object): Promise<(string | undefined)[]> => {
      const found: (string | undefined)[] = [];
      await train(context.gpu, {
        ...(await tinyData(extra)),
        hashEvery: 2,
        onStep: ({ hash }) => found.push(hash),
      });
      return found;
    };
    const first = await hashes({});
    expect(first.map((hash) => hash !== undefined)).toEqual([false, true, false, true, false, true]);
    expect(new Set(first).size).toBe(4);
    expect(await hashes({})).toEqual(first);
    expect((await hashes({ lr: 2.0001e-3 }))[1]).not.toBe(first[1]);
  });

  it('goes on in a session of its own, as a browser page does', async () => {
    const { settings, scans } = await tinyData();
    const steps = async (session: TrainingSession, count: number): Promise<void> => {
      for (let i = 0; i < count; i++) await session.step(1e-3);
    };
    const first = await TrainingSession.create(context.gpu, scans, settings);
    await expect(first.save()).rejects.toThrow('nothing to save before the first step');
    await steps(first, 2);
    const bytes = await encodeTrainingState(await first.save());
    await steps(first, 2);
    const hash = await stateHash(await first.save());
    first.destroy();
    const second = await TrainingSession.create(context.gpu, scans, settings);
    second.restore(await decodeTrainingState(bytes, 'state'));
    expect(second.steps).toBe(2);
    const { allocatedBytes } = context.gpu;
    await steps(second, 2);
    expect(await stateHash(await second.save())).toBe(hash);
    await steps(second, 100);
    await second.save();
    expect(context.gpu.allocatedBytes).toBe(allocatedBytes);
    second.destroy();
  });

  it('is refused with other settings or data, naming what differs', async () => {
    const data = await tinyData();
    const checkpoints = keepBytes();
    await train(context.gpu, { ...data, checkpoints });
    const resume = await checkpoints.last();
    const refused = async (request: TrainRequest): Promise<unknown> => {
      const error = await train(context.gpu, { ...request, resume }).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(CheckpointError);
      return (error as Error).message;
    };
    expect(await refused(await tinyData({ lr: 1e-3, steps: 9 }))).toBe(
      'the saved state: the run has other settings: lr was 0.002 and is 0.001',
    );
    const [first, second] = data.scans;
    const input = second!.input.slice();
    input[500]! += 1;
    expect(await refused({ ...data, scans: [first!, { ...second!, input }] })).toBe(
      'the saved state: the run was trained on other data: sub-02 differs',
    );
    expect(await refused({ ...data, scans: [first!] })).toMatch(/sub-02 is missing$/);
    expect(await refused({ ...data, scans: [...data.scans, { ...second!, subject: '03' }] })).toMatch(
      /sub-03 is new$/,
    );
  });
});

describe('a lost device', () => {
  /** Trains while devices are lost at these steps, each once. */
  async function losing(
    lossesAt: readonly number[],
    extra: Partial<TrainRequest> = {},
  ): Promise<{ result: TrainResult; steps: number[]; opened: number }> {
    const mortal = await MortalGpu.open(lossesAt);
    const steps: number[] = [];
    try {
      const result = await train(mortal.first, {
        ...(await tinyData()),
        checkpoints: keepBytes(2),
        reopen: mortal.reopen,
        onStep({ step }) {
          steps.push(step);
          mortal.reach(step);
        },
        ...extra,
      });
      return { result, steps, opened: mortal.count };
    } finally {
      await mortal.close();
    }
  }

  it('is replaced, and the result is the same bit for bit', async () => {
    const whole = await train(context.gpu, await tinyData());
    const random = new Random(6);
    const lossesAt = [1 + random.integer(5), 6];
    const { result, steps, opened } = await losing(lossesAt);
    equal(result, whole);
    expect(steps).toEqual([1, 2, 3, 4, 5, 6]);
    expect(opened).toBe(1 + new Set(lossesAt).size);
  });

  it('ends the run where no other can be had, or where each is lost at once', async () => {
    await expect(losing([3], { reopen: () => Promise.reject(new Error('none')) })).rejects.toThrow('none');
    await endsOnDeadDevices((reopen) => losing([2], { reopen }));
  });
});
