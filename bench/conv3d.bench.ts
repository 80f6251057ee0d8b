/**
 * conv3d: every variant, forward, input gradient and weight gradient, on the shapes of the networks. Weights are
 * packed inside the timed replay. `npm run bench -- conv3d:weight` runs the rows whose text contains "weight".
 */
import { sizeOf } from '../src/core/shape.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { type Conv3dAttributes, conv3d } from '../src/ops/conv3d.ts';
import { compilePlan } from '../src/tape/plan.ts';
import { TensorStore } from '../src/tape/store.ts';
import { Tape } from '../src/tape/tape.ts';
import { BenchLog, benchRow, timePlan } from './harness.ts';

interface BenchShape {
  readonly samples: number;
  readonly from: readonly number[];
  readonly to: number;
  readonly extent: number;
  readonly kernel?: 1 | 3;
}

const SHAPES: readonly BenchShape[] = [
  { samples: 1, from: [32], to: 32, extent: 32 },
  { samples: 1, from: [16], to: 16, extent: 64 },
  { samples: 1, from: [64], to: 64, extent: 16 },
  { samples: 1, from: [4], to: 16, extent: 64 },
  { samples: 1, from: [128], to: 128, extent: 8 },
  { samples: 1, from: [16, 16], to: 16, extent: 64 },
  { samples: 2, from: [8], to: 8, extent: 32 },
  { samples: 2, from: [4], to: 8, extent: 32 },
  { samples: 2, from: [16], to: 16, extent: 16 },
  { samples: 2, from: [32], to: 32, extent: 8 },
  { samples: 1, from: [16], to: 2, extent: 64, kernel: 1 },
];

type Part = 'forward' | 'backward_input' | 'backward_weight';

export async function bench(gpu: Gpu, filter: string): Promise<void> {
  const log = new BenchLog('conv3d', gpu);
  for (const shape of SHAPES)
    for (const part of ['forward', 'backward_input', 'backward_weight'] as const)
      await benchPart(gpu, log, shape, part, filter);
}

async function benchPart(
  gpu: Gpu,
  log: BenchLog,
  shape: BenchShape,
  part: Part,
  filter: string,
): Promise<void> {
  const { samples, from, to, extent, kernel = 3 } = shape;
  const name = `${from.join('+')}->${to}@${samples}x${extent}^3 k${kernel}`;
  const channels = from.reduce((a, b) => a + b, 0);
  const operations = 2 * kernel ** 3 * channels * to * samples * extent ** 3;
  const names = await variantsOf(gpu, shape, part);
  for (const variant of names) {
    if (!`${part} ${name} ${variant}`.includes(filter)) continue;
    const { plan, free } = await record(gpu, shape, part, variant);
    const timing = await timePlan(gpu, plan, 0.7);
    log.add(benchRow(`conv3d/${part}`, name, variant, operations, timing));
    free();
  }
}

async function variantsOf(gpu: Gpu, shape: BenchShape, part: Part): Promise<readonly string[]> {
  const seen: string[] = [];
  const { free } = await record(gpu, shape, part, '', seen);
  free();
  return seen;
}

async function record(gpu: Gpu, shape: BenchShape, part: Part, variant: string, seen?: string[]) {
  const { samples, from, to, extent, kernel = 3 } = shape;
  const channels = from.reduce((a, b) => a + b, 0);
  const attributes: Conv3dAttributes = {
    stride: 1,
    padding: kernel === 3 ? 1 : 0,
    sources: from.length === 2 ? 2 : 1,
    bias: true,
  };
  const specs = [
    ...from.map((c, i) => ({ name: `input${i}`, shape: [samples, c, extent, extent, extent] })),
    { name: 'grad', shape: [samples, to, extent, extent, extent] },
  ];
  const parameterSpecs = [
    { name: 'weight', shape: [to, channels, kernel, kernel, kernel] },
    { name: 'bias', shape: [to] },
  ];
  const inputs = await TensorStore.create(gpu, 'inputs', specs, { requiresGrad: part === 'backward_input' });
  const grads = await TensorStore.create(gpu, 'grads', parameterSpecs);
  const parameters = await TensorStore.create(gpu, 'parameters', parameterSpecs, {
    ...(part === 'backward_weight' ? { grads } : {}),
  });
  const stores = [inputs, grads, parameters];
  for (const spec of specs) inputs.write(spec.name, noise(sizeOf(spec.shape)));
  for (const spec of parameterSpecs) parameters.write(spec.name, noise(sizeOf(spec.shape)));
  const tape = new Tape(gpu.capabilities, () => variant);
  const { choose } = tape.emitter;
  Object.assign(tape.emitter, {
    choose: ((slot, candidates) => {
      if (seen && slot.includes(part))
        for (const c of candidates) if (!seen.includes(c.name)) seen.push(c.name);
      return choose(slot, candidates);
    }) satisfies typeof choose,
  });
  const tensors = [
    ...from.map((_, i) => inputs.get(`input${i}`)),
    parameters.get('weight'),
    parameters.get('bias'),
  ];
  const output = tape.apply(conv3d, tensors, attributes);
  if (part !== 'forward') {
    tape.commands.length = 0;
    tape.backward([{ output, grad: inputs.get('grad') }]);
  }
  const commands = tape.commands.filter((command) => !command.label.includes('bias'));
  const plan = await compilePlan(gpu, commands, { label: 'bench' });
  const free = (): void => {
    plan.destroy();
    for (const store of stores) store.destroy();
  };
  return { plan, free };
}

function noise(size: number): Float32Array {
  let state = 12345;
  return Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
}
