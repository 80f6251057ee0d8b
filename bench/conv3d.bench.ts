/**
 * conv3d: every variant, forward, input gradient and weight gradient, on the shapes of the networks. Weights are
 * packed inside the timed replay. `npm run bench -- conv3d:weight` runs the rows whose text contains "weight".
 */
import { sizeOf } from '../src/core/shape.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { type Conv3dAttributes, conv3d } from '../src/ops/conv3d.ts';
import type { Command } from '../src/tape/command.ts';
import type { Emitter } from '../src/tape/op.ts';
import { compilePlan } from '../src/tape/plan.ts';
import { type TensorSpec, TensorStore } from '../src/tape/store.ts';
import { Tape } from '../src/tape/tape.ts';
import { type Tensor, tensor } from '../src/tape/tensor.ts';
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

const PARTS = ['forward', 'backward_input', 'backward_weight', 'backward_bias'] as const;
type Part = (typeof PARTS)[number];

export async function bench(gpu: Gpu, filter: string): Promise<void> {
  const log = new BenchLog('conv3d', gpu);
  for (const shape of SHAPES) for (const part of PARTS) await benchPart(gpu, log, shape, part, filter);
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
  const outputs = to * samples * extent ** 3;
  const operations = part === 'backward_bias' ? outputs : 2 * kernel ** 3 * channels * outputs;
  for (const variant of variantsOf(gpu, shape, part)) {
    if (!`${part} ${name} ${variant}`.includes(filter)) continue;
    const { plan, free } = await compilePart(gpu, shape, part, variant);
    const timing = await timePlan(gpu, plan, 0.7);
    log.add(benchRow(`conv3d/${part}`, name, variant, operations, timing));
    free();
  }
}

/** Specs of the activations and of the parameters of a shape. */
function specsOf({ samples, from, to, extent, kernel = 3 }: BenchShape): [TensorSpec[], TensorSpec[]] {
  const channels = from.reduce((a, b) => a + b, 0);
  return [
    [
      ...from.map((c, i) => ({ name: `input${i}`, shape: [samples, c, extent, extent, extent] })),
      { name: 'grad', shape: [samples, to, extent, extent, extent] },
    ],
    [
      { name: 'weight', shape: [to, channels, kernel, kernel, kernel] },
      { name: 'bias', shape: [to] },
    ],
  ];
}

/** The dispatches of one part; `tensors` gives tensors by name. */
function recordPart(
  gpu: Gpu,
  shape: BenchShape,
  part: Part,
  tensors: (name: string) => Tensor,
  choose: (candidates: readonly string[], slot: string) => string | undefined,
): Command[] {
  const attributes: Conv3dAttributes = {
    stride: 1,
    padding: shape.kernel === 1 ? 0 : 1,
    sources: shape.from.length === 2 ? 2 : 1,
    bias: true,
  };
  const tape = new Tape(gpu.capabilities);
  Object.assign(tape.emitter, {
    choose: ((slot, candidates) => {
      const name = choose(
        candidates.map((candidate) => candidate.name),
        slot,
      );
      return candidates.find((candidate) => candidate.name === name) ?? candidates[0]!;
    }) satisfies Emitter['choose'],
  });
  const inputs = [...shape.from.map((_, i) => tensors(`input${i}`)), tensors('weight'), tensors('bias')];
  const output = tape.apply(conv3d, inputs, attributes);
  if (part !== 'forward') {
    tape.commands.length = 0;
    tape.backward([{ output, grad: tensors('grad') }]);
  }
  return tape.commands.filter((command) => command.label.includes('bias') === (part === 'backward_bias'));
}

function variantsOf(gpu: Gpu, shape: BenchShape, part: Part): readonly string[] {
  const specs = new Map(
    specsOf(shape)
      .flat()
      .map((spec) => [spec.name, spec.shape]),
  );
  // The bias gradient has one form only.
  let names: readonly string[] = ['only'];
  const make = (name: string): Tensor => tensor(name, specs.get(name)!, 'arena', { requiresGrad: true });
  recordPart(gpu, shape, part, make, (candidates, slot) => {
    if (slot.includes(part)) names = candidates;
    return undefined;
  });
  return names;
}

async function compilePart(gpu: Gpu, shape: BenchShape, part: Part, variant: string) {
  const [activations, parameterSpecs] = specsOf(shape);
  const inputs = await TensorStore.create(gpu, 'inputs', activations, {
    requiresGrad: part === 'backward_input',
  });
  const grads = await TensorStore.create(gpu, 'grads', parameterSpecs);
  const parameters = await TensorStore.create(gpu, 'parameters', parameterSpecs, {
    ...(part === 'backward_weight' || part === 'backward_bias' ? { grads } : {}),
  });
  for (const spec of activations) inputs.write(spec.name, noise(sizeOf(spec.shape)));
  for (const spec of parameterSpecs) parameters.write(spec.name, noise(sizeOf(spec.shape)));
  const find = (name: string): Tensor => inputs.tensors.get(name) ?? parameters.get(name);
  const commands = recordPart(gpu, shape, part, find, () => variant);
  const plan = await compilePlan(gpu, commands, { label: 'bench' });
  const free = (): void => {
    plan.destroy();
    for (const store of [inputs, grads, parameters]) store.destroy();
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
