import { StoppedError } from '../core/errors.ts';
import type { FileStore } from '../core/files.ts';
import type { Gpu } from '../engine/gpu/gpu.ts';
import { describeMixedSpacing } from '../pipeline/predict/voxel-size.ts';
import type { TrainingData } from '../pipeline/train/prepare.ts';
import type { StepReport } from '../pipeline/train/request.ts';
import { type RunFolderOptions, type RunFolderResult, trainInFolder } from '../pipeline/train/run-folder.ts';
import { spacingOf } from '../pipeline/train/session.ts';
import { type TrainSettings, taskName } from '../pipeline/train/settings.ts';
import { watchStopSignals } from '../platform/stop-signals.ts';
import { packageVersion } from '../platform/terminal.ts';
import type { Output } from './output.ts';
import type { Progress, ProgressOptions } from './progress.ts';

/**
 * Trains with progress in the folder of a run; SIGINT and SIGTERM end it with a checkpoint.
 * @param options how, and how to go on after a signal
 * @returns the result, and the loss of every step
 * @throws StoppedError that says how to go on; whatever `trainInFolder` throws.
 */
export async function runTraining(
  gpu: Gpu,
  data: TrainingData,
  run: FileStore,
  output: Output,
  { hint, ...options }: Partial<RunFolderOptions> & { readonly hint?: string } = {},
): Promise<RunFolderResult> {
  const { settings, scans } = data;
  let saved = 0;
  const kept = (): string =>
    saved > 0 ? `the first ${saved} steps are saved` : 'no checkpoint was written yet';
  const stop = watchStopSignals(
    (name) => output.note(`${name}: finishing the step and saving; once more ends at once`),
    (name) =>
      output.note(
        `error: ${name}: the step did not end in time; ${kept()}${hint === undefined ? '' : `\nhint: ${hint}`}`,
      ),
  );
  try {
    output.note(`training ${taskName(settings)} on ${gpu.capabilities.description}, scans: ${scans.length}`);
    const mixed = describeMixedSpacing(spacingOf(scans));
    if (mixed !== undefined)
      output.note(`note: ${mixed}; predict resamples a scan to the nearest of these sizes`);
    const show = stepDisplay(settings, output.progress(trainingLength(settings)));
    let choosing: Progress | undefined;
    return await trainInFolder(gpu, data, run, {
      resume: false,
      version: packageVersion(),
      ...options,
      signal: stop.signal,
      warn: (text) => output.note(`note: ${text}`),
      onCheckpoint(step) {
        saved = step;
      },
      onStep: show,
      onThreshold(done, total, scan) {
        choosing ??= output.progress({ label: 'choosing the threshold', total, unit: 'scan' });
        choosing.update(done, scan);
      },
    });
  } catch (error) {
    if (!(error instanceof StoppedError)) throw error;
    throw new StoppedError(`${error.message}; ${kept()}`, error.exitCode, {
      hint,
    });
  } finally {
    stop.release();
  }
}

function trainingLength(settings: TrainSettings): ProgressOptions {
  const { epochs, steps, minutes, stepsPerEpoch } = settings;
  const label = `training, ${taskName(settings)}`;
  if (minutes !== null) return { label, total: minutes * 60, unit: 's' };
  return { label, total: steps ?? (epochs ?? 0) * stepsPerEpoch, unit: 'step' };
}

function stepDisplay({ minutes }: TrainSettings, bar: Progress): (report: StepReport) => void {
  return ({ step, loss, seconds }) => {
    const detail = `loss ${loss.toFixed(4)}, ${(seconds / step).toPrecision(3)} s/step`;
    if (minutes === null) bar.update(step, detail);
    else bar.update(seconds, `step ${step}, ${detail}`);
  };
}
