/**
 * conv-transpose3d: every variant, forward, input gradient and weight gradient, on the shapes of the networks. Weights
 * are packed inside the timed replay. `npm run bench -- conv-transpose3d:weight` runs the rows that contain "weight".
 */
import { sizeOf } from '../src/core/shape.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { convTranspose3d } from '../src/ops/conv-transpose3d.ts';
import { compilePlan, type Plan } from '../src/tape/plan.ts';
import { TensorStore } from '../src/tape/store.ts';
import { Tape } from '../src/tape/tape.ts';
import { BenchLog, benchRow, timePlan } from './harness.ts';

interface BenchShape {
  readonly samples: number;
  readonly from: number;
  readonly to: number;
  readonly extent: number;
  readonly kernel: 2 | 3;
}

const SHAPES: readonly BenchShape[] = [
  { samples: 1, from: 32, to: 16, extent: 32, kernel: 2 },
  { samples: 1, from: 64, to: 32, extent: 16, kernel: 2 },
  { samples: 1, from: 128, to: 64, extent: 8, kernel: 2 },
  { samples: 2, from: 16, to: 8, extent: 16, kernel: 2 },
  { samples: 2, from: 32, to: 16, extent: 8, kernel: 2 },
  { samples: 1, from: 16, to: 8, extent: 16, kernel: 3 },
];

const PARTS = ['forward', 'backward_input', 'backward_weight'] as const;
type Part = (typeof PARTS)[number];

export async function bench(gpu: Gpu, filter: string): Promise<void> {
  const log = new BenchLog('conv-transpose3d', gpu);
  for (const shape of SHAPES) {
    const { samples, from, to, extent, kernel } = shape;
    const name = `${from}->${to}@${samples}x${extent}^3 k${kernel}`;
    const operations = 2 * kernel ** 3 * from * to * samples * extent ** 3;
    for (const part of PARTS) {
      if (!`${part} ${name}`.includes(filter)) continue;
      const variants = new Set<string>();
      (await record(gpu, shape, part, '', variants)).free();
      for (const variant of variants) {
        const { plan, free } = await record(gpu, shape, part, variant, variants);
        log.add(
          benchRow(`conv-transpose3d/${part}`, name, variant, operations, await timePlan(gpu, plan, 0.7)),
        );
        free();
      }
    }
  }
}

async function record(
  gpu: Gpu,
  { samples, from, to, extent, kernel }: BenchShape,
  part: Part,
  variant: string,
  variants: Set<string>,
): Promise<{ plan: Plan; free: () => void }> {
  const weightSpec = [{ name: 'weight', shape: [from, to, kernel, kernel, kernel] }];
  const specs = [
    { name: 'input', shape: [samples, from, extent, extent, extent] },
    { name: 'grad', shape: [samples, to, 2 * extent, 2 * extent, 2 * extent] },
  ];
  const inputs = await TensorStore.create(gpu, 'inputs', specs, { requiresGrad: part === 'backward_input' });
  const grads = await TensorStore.create(gpu, 'grads', weightSpec);
  const parameters = await TensorStore.create(gpu, 'parameters', weightSpec, {
    ...(part === 'backward_weight' ? { grads } : {}),
  });
  for (const { name, shape } of specs) inputs.write(name, noise(sizeOf(shape)));
  parameters.write('weight', noise(sizeOf(weightSpec[0]!.shape)));
  const tape = new Tape(gpu.capabilities, () => variant);
  const { choose } = tape.emitter;
  Object.assign(tape.emitter, {
    choose: ((slot, candidates) => {
      if (slot.includes(part)) for (const { name } of candidates) variants.add(name);
      return choose(slot, candidates);
    }) satisfies typeof choose,
  });
  const padding = kernel - 2;
  const output = tape.apply(convTranspose3d, [inputs.get('input'), parameters.get('weight')], {
    stride: 2,
    padding,
    outputPadding: padding,
    bias: false,
  });
  if (part !== 'forward') {
    tape.commands.length = 0;
    tape.backward([{ output, grad: inputs.get('grad') }]);
  }
  const plan = await compilePlan(gpu, tape.commands, { label: 'bench' });
  return {
    plan,
    free: () => {
      plan.destroy();
      for (const store of [inputs, grads, parameters]) store.destroy();
    },
  };
}

function noise(size: number): Float32Array {
  let state = 12345;
  return Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
}
