/**
 * How time and memory of a training step grow with the patch, the channels and the batch: `npm run bench:scaling`.
 * Adds a line to results/scaling.jsonl.
 */
import { appendFileSync } from 'node:fs';
import { type Axis, measureScaling } from '../src/bench/scaling.ts';
import { checkout } from '../src/platform/checkout.ts';
import { openNodeGpu } from '../src/platform/node.ts';
import type { StepShape } from '../src/tune/training-step.ts';

const FIXED: StepShape = {
  variant: 'single',
  modalities: ['FLAIR', 'T1w', 'PDw', 'T2w'],
  baseChannels: 8,
  levels: 3,
  patch: 32,
  batch: 1,
};
const SERIES: readonly (readonly [Axis, readonly number[]])[] = [
  ['patch', [16, 24, 32, 48, 64, 80, 96]],
  ['baseChannels', [4, 8, 16, 32]],
  ['batch', [1, 2, 3, 4]],
];
const REPLAYS = 3;

const gpu = await openNodeGpu();
try {
  const series = [];
  for (const [axis, values] of SERIES) {
    const one = await measureScaling(gpu, axis, values, FIXED, {
      replays: REPLAYS,
      onPoint: ({ value, ms, tensorBytes }) =>
        console.log(`${axis} ${value}: ${ms.toFixed(1)} ms, ${(tensorBytes / 1e6).toFixed(2)} MB`),
    });
    console.log(
      `${axis}: time as size^${one.timeExponent.toFixed(2)}, memory as size^${one.memoryExponent.toFixed(2)}`,
    );
    series.push(one);
  }
  const { description, driver } = gpu.capabilities;
  const line = { adapter: description, driver, commit: checkout()?.commit ?? null, series };
  appendFileSync(new URL('results/scaling.jsonl', import.meta.url), `${JSON.stringify(line)}\n`);
} finally {
  await gpu.close();
}
