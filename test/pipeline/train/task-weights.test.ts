import { describe, expect, it, vi } from 'vitest';
import { encodeTrainingState } from '../../../src/engine/checkpoint/training-state.ts';
import { decodeTrainingState } from '../../../src/pipeline/models/model.ts';
import type { StepReport } from '../../../src/pipeline/train/request.ts';
import { train } from '../../../src/pipeline/train/run.ts';
import { TrainingSession } from '../../../src/pipeline/train/session.ts';
import { useGpu } from '../../support/gpu.ts';
import { tinyData } from './fixture.ts';

vi.setConfig({ testTimeout: 240_000 });
const context = useGpu();

describe('weights of heads that are learned', () => {
  it('start at 1, are in the log, and a resumed run has the bits of a whole one', async () => {
    const data = await tinyData({ variant: 'multi-output', taskWeighting: 'uncertainty' });
    const reports: StepReport[] = [];
    let saved = new Uint8Array();
    const whole = await train(context.gpu, {
      ...data,
      onStep: (report) => reports.push(report),
      checkpoints: {
        everySteps: 3,
        everySeconds: null,
        write: async (state) => {
          if (state.step === 3) saved = await encodeTrainingState(state);
        },
      },
    });
    expect(reports[0]!.taskWeights).toEqual({ lesion: 1, tissue: 1 });
    const last = reports.at(-1)!.taskWeights!;
    expect(last.lesion).toBeLessThan(1);
    expect(last.lesion).not.toBe(last.tissue);
    const state = await decodeTrainingState(saved, 'state');
    const rest: StepReport[] = [];
    const resumed = await train(context.gpu, { ...data, resume: state, onStep: (r) => rest.push(r) });
    expect(resumed.hash).toBe(whole.hash);
    expect(rest.map(({ taskWeights }) => taskWeights)).toEqual(
      reports.slice(3).map(({ taskWeights }) => taskWeights),
    );

    const session = await TrainingSession.create(context.gpu, data.scans, data.settings);
    try {
      expect(() => session.restore({ ...state, taskWeights: undefined })).toThrow('learned weights');
    } finally {
      session.destroy();
    }
  });

  it('of a single head are fixed: the same bits', async () => {
    const hashes: string[] = [];
    for (const taskWeighting of ['fixed', 'uncertainty']) {
      const data = await tinyData({ taskWeighting, steps: 2 });
      const reports: StepReport[] = [];
      const { hash } = await train(context.gpu, { ...data, onStep: (report) => reports.push(report) });
      expect(reports.every(({ taskWeights }) => taskWeights === undefined)).toBe(true);
      hashes.push(hash);
    }
    expect(hashes[0]).toBe(hashes[1]);
  });
});
