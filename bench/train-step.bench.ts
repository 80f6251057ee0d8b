/** A whole training step (forward, loss, backward, Adam) without the sampler, and where its time goes. */
import { Random } from '../src/core/random.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { DEFAULT_LOSS, segmentationLoss } from '../src/loss/segmentation-loss.ts';
import { UNet3d } from '../src/nn/unet3d.ts';
import { LESION_HEAD, variantConfig } from '../src/nn/variants.ts';
import { Adam } from '../src/optim/adam.ts';
import { compilePlan } from '../src/tape/plan.ts';
import { profilePlan } from '../src/tape/profile.ts';
import { TensorStore } from '../src/tape/store.ts';
import { Tape } from '../src/tape/tape.ts';
import { timePlan } from './harness.ts';

interface StepShape {
  readonly baseChannels: number;
  readonly levels: number;
  readonly patch: number;
  readonly batch: number;
}

/** The size of quick runs, and the paper's patch. */
const SHAPES: readonly StepShape[] = [
  { baseChannels: 8, levels: 3, patch: 32, batch: 2 },
  { baseChannels: 16, levels: 4, patch: 64, batch: 1 },
];

export async function bench(gpu: Gpu, filter: string): Promise<void> {
  for (const shape of SHAPES) {
    const name = `base${shape.baseChannels} levels${shape.levels} patch${shape.patch} batch${shape.batch}`;
    if (name.includes(filter)) await timeStep(gpu, name, shape);
  }
}

async function timeStep(
  gpu: Gpu,
  name: string,
  { baseChannels, levels, patch, batch }: StepShape,
): Promise<void> {
  const random = new Random(1);
  const config = variantConfig('single', ['FLAIR', 'T1w', 'PDw', 'T2w'], { baseChannels, levels });
  const net = await UNet3d.create(gpu, config, { training: true, random });
  const volume = [patch, patch, patch];
  const data = await TensorStore.create(gpu, 'batch', [
    { name: 'input', shape: [batch, 4, ...volume] },
    { name: 'target', shape: [batch, 1, ...volume] },
    { name: 'seed', shape: [1] },
  ]);
  const voxels = patch ** 3 * batch;
  data.write(
    'input',
    Float32Array.from({ length: 4 * voxels }, () => random.normal()),
  );
  data.write(
    'target',
    Float32Array.from({ length: voxels }, () => (random.uniform() < 0.02 ? 1 : 0)),
  );
  data.write('seed', Float32Array.of(1));
  const tape = new Tape(gpu.capabilities);
  const logits = net.forward(tape, data.get('input'), true).get(LESION_HEAD.name)!;
  const loss = tape.apply(segmentationLoss, [logits], { ...DEFAULT_LOSS, target: data.get('target') });
  tape.backward([{ output: loss, grad: data.get('seed') }]);
  const adam = await Adam.create(gpu, net.parameters, net.grads!);
  adam.record(tape.emitter, loss);
  adam.setStep(1, 5e-4);
  const started = performance.now();
  const plan = await compilePlan(gpu, tape.commands, { label: 'train' });
  const compileMs = performance.now() - started;
  const timing = await timePlan(gpu, plan, 4);
  const { arenaBytes, livenessBytes, panelBytes, dispatches } = plan.statistics;
  console.log(
    `${gpu.capabilities.description}: ${name}: ${timing.ms.toFixed(1)} ms median, ${timing.bestMs.toFixed(1)} best, first ${timing.firstMs.toFixed(0)}, compile ${compileMs.toFixed(0)} ms; ` +
      `${dispatches} dispatches, arena ${(arenaBytes / 1e6).toFixed(1)} MB (bound ${(livenessBytes / 1e6).toFixed(1)}), panels ${(panelBytes / 1e6).toFixed(1)} MB`,
  );
  if (gpu.capabilities.timestamps) {
    const sums = new Map<string, { ms: number; count: number }>();
    for (const { label, ms } of await profilePlan(gpu, plan)) {
      const old = sums.get(label) ?? { ms: 0, count: 0 };
      sums.set(label, { ms: old.ms + ms, count: old.count + 1 });
    }
    for (const [label, { ms, count }] of [...sums].sort((a, b) => b[1].ms - a[1].ms).slice(0, 24))
      console.log(`  ${label.padEnd(36)} ${String(count).padStart(4)} x ${ms.toFixed(2).padStart(9)} ms`);
  }
  plan.destroy();
  adam.destroy();
  net.destroy();
  data.destroy();
}
