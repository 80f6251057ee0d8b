/**
 * How time and memory of a training step grow with the patch, the channels and the batch: `npm run bench:scaling`.
 * Adds a line to results/scaling.jsonl and replaces results/scaling.md and results/scaling.svg.
 */
import { appendFileSync, writeFileSync } from 'node:fs';
import type { StepShape } from '../src/pipeline/bench/bench-step.ts';
import { type Axis, measureScaling } from '../src/pipeline/bench/scaling.ts';
import { formatScaling, scalingPicture } from '../src/pipeline/bench/scaling-report.ts';
import { checkout } from '../src/platform/checkout.ts';
import { machineLoad } from '../src/platform/machine.ts';
import { openNodeGpu } from '../src/platform/node.ts';

const FIXED: StepShape = {
  channels: 4,
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

const machine = machineLoad();
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
  const report = { adapter: description, driver, commit: checkout()?.commit ?? null, machine, series };
  const results = (name: string): URL => new URL(`results/scaling.${name}`, import.meta.url);
  appendFileSync(results('jsonl'), `${JSON.stringify(report)}\n`);
  writeFileSync(results('md'), formatScaling(report));
  writeFileSync(results('svg'), scalingPicture(report));
} finally {
  await gpu.close();
}
