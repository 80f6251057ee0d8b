import { describe, expect, it, vi } from 'vitest';
import { MemoryFiles } from '../../../src/core/files.ts';
import { encodeTrainingState } from '../../../src/engine/checkpoint/training-state.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { decodeTrainingState, encodeModel, type Model } from '../../../src/pipeline/models/model.ts';
import { chooseTraining, prepareTraining, type TrainingData } from '../../../src/pipeline/train/prepare.ts';
import type { StepReport, TrainRequest, TrainResult } from '../../../src/pipeline/train/request.ts';
import { train } from '../../../src/pipeline/train/run.ts';
import { trainInFolder } from '../../../src/pipeline/train/run-folder.ts';
import { readManifest, readRunConfig } from '../../../src/pipeline/train/run-record.ts';
import { trainSettings } from '../../../src/pipeline/train/settings.ts';
import { parseLog } from '../../../src/pipeline/train/step-log.ts';
import { verifyRun } from '../../../src/pipeline/train/verify-run.ts';
import { bidsPatient, tree } from '../../imaging/dataset/make.ts';
import { useGpu } from '../../support/gpu.ts';
import { tinySettings } from './fixture.ts';

// A software driver compiles for seconds.
vi.setConfig({ testTimeout: 240_000 });
const context = useGpu();
const dataset = openDataset(tree({ ...bidsPatient('01'), ...bidsPatient('02'), ...bidsPatient('03') }));

async function dataOf(extra: object = {}): Promise<TrainingData> {
  const settings = tinySettings({ validate: ['03'], validateEvery: 2, schedule: 'constant', ...extra });
  return await prepareTraining(await dataset, settings);
}

async function run(
  data: TrainingData,
  extra: Partial<TrainRequest> = {},
): Promise<[TrainResult, StepReport[]]> {
  const steps: StepReport[] = [];
  const result = await train(context.gpu, { ...data, onStep: (report) => steps.push(report), ...extra });
  return [result, steps];
}

const bytes = ({ weights, info }: Model): Buffer =>
  Buffer.from(encodeModel({ weights, info: { ...info, decisions: {}, settings: null } }));

describe('a run with validation', () => {
  it('reports Dice, keeps the network of the best step, and the threshold of the validation scans', async () => {
    const data = await dataOf();
    expect(data.scans.map(({ subject }) => subject)).toEqual(['01', '02']);
    const [result, steps] = await run(data);
    const found = steps.map(({ validation }) => validation?.dice.lesion);
    expect(found.map((dice) => dice !== undefined)).toEqual([false, true, false, true, false, true]);
    const best = Math.max(...found.filter((dice) => dice !== undefined));
    expect(result.best).toEqual({ step: found.indexOf(best) + 1, dice: best, error: null });
    expect(result.trainDice).toBeNull();
    // A run that ends there has the same weights.
    const short = await dataOf({ steps: result.best!.step });
    const [ended] = await run({ ...short, validation: [] });
    expect(bytes(result.model).equals(bytes(ended.model))).toBe(true);
    expect(result.threshold).not.toBeNull();
  });

  it('is resumed bit for bit, and stops early with patience', async () => {
    const data = await dataOf({ validateEvery: 1, patience: 1, steps: 40, precision: 'f32' });
    const [whole, steps] = await run(data);
    expect(whole.steps).toBe(whole.best!.step + 1);
    expect(whole.steps).toBeLessThan(40);
    expect(steps).toHaveLength(whole.steps);
    for (const at of new Set([1, whole.best!.step, whole.steps])) {
      const stop = new AbortController();
      let saved = new Uint8Array();
      const checkpoints = {
        everySteps: 1,
        everySeconds: null,
        write: async (state: Parameters<typeof encodeTrainingState>[0]) => {
          saved = await encodeTrainingState(state);
        },
      };
      const stopped = run(data, {
        checkpoints: checkpoints as NonNullable<TrainRequest['checkpoints']>,
        signal: stop.signal,
        onStep: ({ step }) => step === at && stop.abort(new Error('stopped')),
      });
      // After its last step there is nothing to stop.
      if (at < whole.steps) await expect(stopped).rejects.toThrow('stopped');
      else await stopped;
      const [resumed] = await run(data, { resume: await decodeTrainingState(saved, 'state') });
      expect(resumed.hash).toBe(whole.hash);
      expect([resumed.best, resumed.threshold]).toEqual([whole.best, whole.threshold]);
      expect(bytes(resumed.model).equals(bytes(whole.model))).toBe(true);
    }
  });

  it('leaves a folder whose files agree', async () => {
    const files = new MemoryFiles('run');
    const data = await dataOf();
    const { result } = await trainInFolder(context.gpu, data, files, {
      ...{ resume: false, version: '1.2.3', checkpointSteps: 2 },
    });
    expect((await readManifest(files))!.best).toEqual(result.best);
    expect(Object.keys((await readRunConfig(files)).validation!)).toEqual(['sub-03']);
    const { steps } = parseLog(await files.read('log.jsonl'), 'log');
    expect(steps[1]!.validation!.dice).toHaveProperty('lesion');
    const { checks } = await verifyRun(files);
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
    const [first] = data.validation!;
    const input = first!.input.slice();
    input[500]! += 1;
    const other = { ...data, validation: [{ ...first!, input }] };
    await expect(
      trainInFolder(context.gpu, other, files, { resume: true, version: '1.2.3' }),
    ).rejects.toThrow('the run was validated on other data: sub-03 differs');
  });

  it('refuses patients who are trained on too, and settings that mean nothing', async () => {
    const both = { subjects: ['01', '02'], validate: ['02'], validateEvery: 2 };
    const choose = async (extra: object): Promise<unknown> =>
      chooseTraining(await dataset, tinySettings(extra));
    await expect(choose(both)).rejects.toThrow('validate names patients who are trained on: 02');
    await expect(choose({ validate: ['09'], validateEvery: 2 })).rejects.toThrow(/09/);
    const settings = (extra: object): unknown => trainSettings({ preset: 'single', ...extra });
    expect(() => settings({ patience: 3 })).toThrow('patience counts validations, and there are none');
    expect(() => settings({ validate: ['1'], steps: 100 })).toThrow(
      "validateEvery: 250 is more than the run's 100 steps",
    );
    expect(settings({ validate: ['1'], steps: 250 })).toMatchObject({ validateEvery: 250, patience: null });
  });
});
