import { describe, expect, it, vi } from 'vitest';
import { NonFiniteError } from '../../../src/core/errors.ts';
import { MemoryFiles } from '../../../src/core/files.ts';
import { Checkpoints } from '../../../src/pipeline/train/checkpoints.ts';
import { train } from '../../../src/pipeline/train/run.ts';
import { trainInFolder } from '../../../src/pipeline/train/run-folder.ts';
import { TrainingSession } from '../../../src/pipeline/train/session.ts';
import { useGpu } from '../../support/gpu.ts';
import { tinyData } from './fixture.ts';

// A software driver compiles for seconds.
vi.setConfig({ testTimeout: 240_000 });
const context = useGpu();

async function failureOf(run: Promise<unknown>): Promise<NonFiniteError> {
  const error = await run.catch((e: unknown) => e);
  expect(error).toBeInstanceOf(NonFiniteError);
  return error as NonFiniteError;
}

describe('a loss that is not a number', () => {
  it('from an image that is none: names the patches and the scan', async () => {
    const { settings, scans } = await tinyData();
    const broken = scans.map((scan) => ({ ...scan, input: scan.input.map(() => Number.NaN) }));
    const { message, hint } = await failureOf(train(context.gpu, { settings, scans: broken }));
    expect(message).toMatch(/^step 1: the loss is NaN \(lesion\)/);
    expect(message).toMatch(/NaN in input 2x3x8x8x8, before anything was computed \(3072 of 3072 values\)/);
    expect(message).toMatch(/patches of (sub-01, sub-02|sub-02, sub-01|sub-01|sub-02)$/);
    expect(hint).toBe('Check the images of these scans.');
  });

  it('from numbers that grow too large: names the first op and tensor, and leaves the parameters', async () => {
    const { settings, scans } = await tinyData();
    const session = await TrainingSession.create(context.gpu, scans, settings);
    await session.step(1e-3);
    const name = 'encoder.1.conv1.weight';
    const weights = (await session.net.save()).get(name)!;
    session.net.parameters.write(name, weights.fill(3e38));
    const before = await session.net.parameters.readAll();
    const { message, hint } = await failureOf(session.step(1e-3));
    expect(message).toMatch(/^step 2: the loss is /);
    expect(message).toMatch(
      /(Infinity|NaN) in encoder\.1\.conv1\/conv3d 2x4x4x4x4, written by conv3d\/forward[^ ]* \(\d+ of 512 values\)/,
    );
    expect(hint).toMatch(/a smaller lr or .*\(clip: 1\)/);
    expect(await session.net.parameters.readAll()).toEqual(before);
    session.destroy();
  });

  it('keeps the last good checkpoint, from which the run goes on', async () => {
    const data = await tinyData();
    const files = new MemoryFiles('run');
    const options = { version: '1', checkpointSteps: 1 };
    const step = TrainingSession.prototype.step;
    const spy = vi.spyOn(TrainingSession.prototype, 'step').mockImplementation(async function (
      this: TrainingSession,
      rate: number,
    ) {
      if (this.steps === 3) this.net.parameters.write('heads.lesion.bias', Float32Array.of(Number.NaN, 0));
      return await step.call(this, rate);
    });
    const { message } = await failureOf(
      trainInFolder(context.gpu, data, files, { ...options, resume: false }),
    );
    spy.mockRestore();
    expect(message).toMatch(
      /^step 4: .* NaN in heads.lesion.bias 2, before anything was computed \(1 of 2 values\)/,
    );
    expect((await new Checkpoints(files, 'checkpoints').latest())!.step).toBe(3);
    const { result } = await trainInFolder(context.gpu, data, files, { ...options, resume: true });
    expect(result.hash).toBe((await train(context.gpu, data)).hash);
  });
});
