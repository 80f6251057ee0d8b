import type { Gpu } from '../../engine/gpu/gpu.ts';
import { compilePlan } from '../../engine/tape/plan.ts';
import { Tape } from '../../engine/tape/tape.ts';
import { timeRuns } from '../../engine/tune/timing.ts';
import { recordStep, type StepShape } from './bench-step.ts';

/** What is varied, while the rest stays as the series says. */
export type Axis = 'patch' | 'baseChannels' | 'batch';

/** A step at one size. */
export interface ScalingPoint {
  /** Voxels of the batch for `patch` and `batch`, channels for `baseChannels`. */
  readonly size: number;
  readonly value: number;
  /** Shortest of the replays. */
  readonly ms: number;
  /** Bytes of activations, gradients, scratch and packed weights. */
  readonly tensorBytes: number;
}

/** Sizes along one axis, with how time and memory grow: as a power of the size. */
export interface ScalingSeries {
  readonly axis: Axis;
  readonly fixed: StepShape;
  readonly points: readonly ScalingPoint[];
  readonly timeExponent: number;
  readonly memoryExponent: number;
}

/**
 * Times a training step at several values of one setting. The shortest of the replays counts: other programs only ever
 * lengthen it.
 * @throws UsageError, ShapeError for settings that no network has; OutOfMemoryError, GpuError, DeviceLostError.
 */
export async function measureScaling(
  gpu: Gpu,
  axis: Axis,
  values: readonly number[],
  fixed: StepShape,
  options: { readonly replays: number; onPoint?(point: ScalingPoint): void },
): Promise<ScalingSeries> {
  const points: ScalingPoint[] = [];
  for (const value of values) {
    const shape = { ...fixed, [axis]: value };
    const size = axis === 'baseChannels' ? value : shape.batch * shape.patch ** 3;
    const point = { size, value, ...(await measureStep(gpu, shape, options.replays)) };
    options.onPoint?.(point);
    points.push(point);
  }
  return {
    axis,
    fixed,
    points,
    timeExponent: fitExponent(points.map(({ size, ms }) => [size, ms])),
    memoryExponent: fitExponent(points.map(({ size, tensorBytes }) => [size, tensorBytes])),
  };
}

/** Slope of the least-squares line through the logarithms: b of y = a x^b. All numbers are positive. */
export function fitExponent(pairs: readonly (readonly [number, number])[]): number {
  const logs = pairs.map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const mean = (at: 0 | 1): number => logs.reduce((sum, pair) => sum + pair[at], 0) / logs.length;
  const [mx, my] = [mean(0), mean(1)];
  const over = logs.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  return over / logs.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

async function measureStep(
  gpu: Gpu,
  shape: StepShape,
  replays: number,
): Promise<{ ms: number; tensorBytes: number }> {
  const tape = new Tape(gpu.capabilities);
  const step = await recordStep(gpu, shape, tape);
  try {
    const plan = await compilePlan(gpu, step.commands, { label: 'scaling' });
    try {
      // The first run compiles.
      await timeRuns(gpu, plan, 1);
      const times: number[] = [];
      for (let i = 0; i < replays; i++) times.push(await timeRuns(gpu, plan, 1));
      const { arenaBytes, panelBytes } = plan.statistics;
      return { ms: Math.min(...times), tensorBytes: arenaBytes + panelBytes };
    } finally {
      plan.destroy();
    }
  } finally {
    step.destroy();
  }
}
