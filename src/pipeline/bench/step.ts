import Benchmark from 'benchmark';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import { compilePlan, type Dispatch, encodeDispatches, type Plan } from '../../engine/tape/plan.ts';
import { profilePlan } from '../../engine/tape/profile.ts';
import { Tape } from '../../engine/tape/tape.ts';
import { median, timeRoundRobin } from '../../engine/tune/timing.ts';
import { recordStep, type StepShape } from './bench-step.ts';
import type { CaseOptions } from './run-case.ts';

/** Dispatches of a step that bear one label. */
export interface StepKernel {
  readonly kernel: string;
  readonly count: number;
  /** Of all of them in one step. */
  readonly ms: number;
}

/** A whole training step: forward, loss, backward, Adam; without the sampler. */
export interface StepTiming {
  /** Median wall time, from submission until the device is idle. */
  readonly ms: number;
  readonly bestMs: number;
  /** Relative margin of error of the mean at 95 %, as benchmark.js computes it. */
  readonly marginOfError: number;
  /** Median time that the host spends to submit a step, while the device waits. */
  readonly hostMs: number;
  readonly hostBestMs: number;
  /** Median time that it spends, while the device is at work, to encode the next step. */
  readonly encodeMs: number;
  readonly encodeBestMs: number;
  /** Sum of the kernels' own times. */
  readonly kernelMs: number;
  /** Bytes of activations, gradients, scratch and packed weights. */
  readonly tensorBytes: number;
  /** The most bytes alive at one command: no layout of activations, gradients and scratch is smaller. */
  readonly livenessBytes: number;
  /** Longest first. */
  readonly byKernel: readonly StepKernel[];
}

/** The paper's patch and depth, with half of its channels: what two processor cores can be timed on. */
export const STEP_SHAPE: StepShape = {
  channels: 4,
  baseChannels: 16,
  levels: 4,
  patch: 64,
  batch: 1,
};

const LEAST_SAMPLES = 5;
const PROFILES = 3;

/**
 * Times a training step by benchmark.js and takes it apart by kernel.
 * @param wanted tuned or recorded choices by slot
 * @param seconds for the timing of the whole
 * @throws OutOfMemoryError, GpuError, DeviceLostError.
 */
export async function timeStep(
  gpu: Gpu,
  shape: StepShape,
  options: Pick<CaseOptions, 'seconds' | 'wanted'>,
): Promise<StepTiming> {
  const tape = new Tape(gpu.capabilities, options.wanted);
  const step = await recordStep(gpu, shape, tape);
  try {
    const plan = await compilePlan(gpu, step.commands, { label: 'train' });
    try {
      plan.run();
      plan.prepare();
      await gpu.idle();
      const { walls, hosts, encodes, marginOfError } = await timeReplays(gpu, plan, options.seconds);
      const byKernel = await kernelTimes(gpu, plan);
      const { arenaBytes, panelBytes, livenessBytes } = plan.statistics;
      return {
        ms: median(walls),
        bestMs: Math.min(...walls),
        marginOfError,
        hostMs: median(hosts),
        hostBestMs: Math.min(...hosts),
        encodeMs: median(encodes),
        encodeBestMs: Math.min(...encodes),
        kernelMs: byKernel.reduce((sum, { ms }) => sum + ms, 0),
        tensorBytes: arenaBytes + panelBytes,
        livenessBytes,
        byKernel,
      };
    } finally {
      plan.destroy();
    }
  } finally {
    step.destroy();
  }
}

/** Replays one by one, as training does: each is waited for. */
function timeReplays(
  gpu: Gpu,
  plan: Plan,
  seconds: number,
): Promise<{
  readonly walls: number[];
  readonly hosts: number[];
  readonly encodes: number[];
  readonly marginOfError: number;
}> {
  const hosts: number[] = [];
  const encodes: number[] = [];
  return new Promise((resolve, reject) => {
    const benchmark = new Benchmark({
      defer: true,
      minSamples: LEAST_SAMPLES,
      maxTime: seconds,
      fn(deferred: { resolve(): void }) {
        const start = performance.now();
        try {
          plan.run();
          const submitted = performance.now();
          plan.prepare();
          hosts.push(submitted - start);
          encodes.push(performance.now() - submitted);
        } catch (error) {
          reject(error);
          benchmark.abort();
          return;
        }
        gpu.idle().then(
          () => deferred.resolve(),
          (error: unknown) => {
            reject(error);
            benchmark.abort();
          },
        );
      },
      onComplete() {
        const { sample, rme } = benchmark.stats;
        resolve({ walls: sample.map((s) => s * 1000), hosts, encodes, marginOfError: rme / 100 });
      },
    });
    benchmark.run({ async: true });
  });
}

/** Time by label: from timestamps, or where the device has none from dispatches that are repeated one by one. */
async function kernelTimes(gpu: Gpu, plan: Plan): Promise<StepKernel[]> {
  const profiles: { readonly label: string; readonly ms: number }[][] = [];
  if (gpu.capabilities.timestamps)
    for (let i = 0; i < PROFILES; i++) profiles.push(await profilePlan(gpu, plan));
  else profiles.push(await repeatDispatches(gpu, plan.dispatches));
  const sums = new Map<string, { count: number; ms: number }>();
  profiles[0]!.forEach(({ label }, i) => {
    const old = sums.get(label) ?? { count: 0, ms: 0 };
    const own = median(profiles.map((profile) => profile[i]!.ms));
    sums.set(label, { count: old.count + 1, ms: old.ms + own });
  });
  return [...sums].map(([kernel, sum]) => ({ kernel, ...sum })).sort((a, b) => b.ms - a.ms);
}

async function repeatDispatches(
  gpu: Gpu,
  dispatches: readonly Dispatch[],
): Promise<{ label: string; ms: number }[]> {
  const times: { label: string; ms: number }[] = [];
  for (const dispatch of dispatches) {
    const run = (): void => {
      const encoder = gpu.device.createCommandEncoder({ label: dispatch.label });
      const pass = encoder.beginComputePass();
      encodeDispatches(pass, [dispatch]);
      pass.end();
      gpu.device.queue.submit([encoder.finish()]);
    };
    const [samples] = await timeRoundRobin(gpu, [{ run }], { least: 1, seconds: 0 });
    times.push({ label: dispatch.label, ms: median(samples!) });
  }
  return times;
}
