import { Random } from '../../src/core/random.ts';
import type { Gpu } from '../../src/engine/gpu/gpu.ts';
import { openDataset } from '../../src/imaging/dataset/open-dataset.ts';
import { Predictor } from '../../src/pipeline/predict/predictor.ts';
import { taskOf } from '../../src/pipeline/train/network.ts';
import { prepareTraining, type TrainingData } from '../../src/pipeline/train/prepare.ts';
import { train } from '../../src/pipeline/train/run.ts';
import { TrainingSession } from '../../src/pipeline/train/session.ts';
import { trainSettings } from '../../src/pipeline/train/settings.ts';
import { openNodeGpu } from '../../src/platform/node.ts';
import { NodeFolder } from '../../src/platform/node-files.ts';
import type { Outcome, Workspace } from './workspace.ts';

/** The scans of the workspace and the settings of a small run. */
export async function prepare(workspace: Workspace, steps: number): Promise<TrainingData> {
  const dataset = await openDataset(new NodeFolder(workspace.dataset));
  const size = { patch: 16, levels: 2, baseChannels: 2 };
  return await prepareTraining(dataset, trainSettings({ variant: 'single', steps, ...size }));
}

/** Takes the device away after random steps of one run, and compares its result to that of an undisturbed one. */
export async function lostDevices(workspace: Workspace, seed: number, losses: number): Promise<Outcome> {
  const data = await prepare(workspace, 3 * losses);
  const random = new Random(seed);
  const at = new Set(random.shuffle(Array.from({ length: 3 * losses }, (_, i) => i + 1)).slice(0, losses));
  const opened: Gpu[] = [await openNodeGpu()];
  const whole = await train(opened[0]!, data);
  const disturbed = await train(opened[0]!, {
    ...data,
    checkpoints: { everySteps: 5, everySeconds: null, write: () => Promise.resolve() },
    async reopen() {
      opened.push(await openNodeGpu());
      return opened.at(-1)!;
    },
    onStep({ step }) {
      if (at.delete(step)) opened.at(-1)!.device.destroy();
    },
  });
  for (const gpu of opened) await gpu.close();
  return {
    promise: 'a lost device is replaced, with the same bits',
    counts: `${opened.length - 1} devices lost at random steps, result ${disturbed.hash === whole.hash ? 'equal' : 'DIFFERENT'}`,
    kept: disturbed.hash === whole.hash && opened.length - 1 === losses,
  };
}

/** Steps and predictions in one process: memory of the process and of the GPU after a warm-up and at the end. */
export async function leaks(workspace: Workspace, enough: (steps: number) => boolean): Promise<Outcome> {
  const gpu = await openNodeGpu();
  const before = gpu.buffers.length;
  const { settings, scans } = await prepare(workspace, 1);
  const session = await TrainingSession.create(gpu, scans, settings);
  const predictor = await Predictor.create(gpu, session.net, taskOf(settings), settings.patch);
  const warmUp = 500;
  let steps = 0;
  let predictions = 0;
  let first = { resident: 0, gpu: 0 };
  const now = (): { resident: number; gpu: number } => {
    (globalThis as { gc?: () => void }).gc?.();
    return { resident: process.memoryUsage().rss, gpu: gpu.allocatedBytes };
  };
  while (steps < 2 * warmUp || !enough(steps)) {
    await session.step(1e-4);
    if (++steps % 25 === 0) {
      await predictor.predict(scans[0]!);
      await session.save();
      predictions++;
    }
    if (steps === warmUp) first = now();
  }
  const last = now();
  predictor.destroy();
  session.destroy();
  const left = gpu.buffers.length - before;
  await gpu.close();
  const growth = (last.resident - first.resident) / first.resident;
  const mega = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  return {
    promise: 'no leaks',
    counts:
      `${steps} steps and ${predictions} predictions in one process: resident ${mega(first.resident)} after ${warmUp} steps, ` +
      `${mega(last.resident)} at the end (${(growth * 100).toFixed(1)} %); GPU ${mega(first.gpu)}, ${mega(last.gpu)}; ${left} buffers left`,
    kept: growth < 0.02 && last.gpu === first.gpu && left === 0,
  };
}
