import { Random } from '../../core/random.ts';
import { Resources } from '../../core/resources.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { DEFAULT_LOSS, segmentationLoss } from '../loss/segmentation-loss.ts';
import { UNet3d } from '../nn/unet3d.ts';
import { LESION_HEAD, TISSUE_HEAD, TISSUES, type Variant, variantConfig } from '../nn/variants.ts';
import { Adam } from '../optim/adam.ts';
import type { Command } from '../tape/command.ts';
import { TensorStore } from '../tape/store.ts';
import type { Root, Tape } from '../tape/tape.ts';

/** What of a training run's settings decides which kernels its step needs. */
export interface StepShape {
  readonly variant: Variant;
  /** Only their number counts. */
  readonly modalities: readonly string[];
  readonly baseChannels: number;
  readonly levels: number;
  readonly patch: number;
  readonly batch: number;
}

/** `single 4 modalities, base 16, 4 levels, patch 64, batch 1`. */
export function describeStep({ variant, modalities, baseChannels, levels, patch, batch }: StepShape): string {
  return `${variant} ${modalities.length} modalities, base ${baseChannels}, ${levels} levels, patch ${patch}, batch ${batch}`;
}

/** Forward, loss, backward and Adam of a step, recorded on data of its own; the sampler is not in it. */
export interface RecordedStep {
  readonly commands: readonly Command[];
  /** The kernel variant that each slot got. */
  readonly choices: ReadonlyMap<string, string>;
  destroy(): void;
}

/**
 * Records a training step.
 * @param tape where it is recorded; the caller may watch its emitter
 * @param options `random` fills network and batch; without it they stay zero, for a recording that is not run.
 * @throws UsageError, ShapeError for settings that no network has; OutOfMemoryError.
 */
export async function recordTrainingStep(
  gpu: Gpu,
  shape: StepShape,
  tape: Tape,
  options: { readonly random?: Random } = {},
): Promise<RecordedStep> {
  return await Resources.build(async (owned) => {
    const { variant, modalities, batch, patch } = shape;
    const config = variantConfig(variant, modalities, shape);
    const net = owned.add(await UNet3d.create(gpu, config, { training: true, ...options }));
    const volume = [patch, patch, patch];
    const data = owned.add(
      await TensorStore.create(gpu, 'batch', [
        { name: 'input', shape: [batch, config.inChannels, ...volume] },
        { name: LESION_HEAD.name, shape: [batch, 1, ...volume] },
        { name: TISSUE_HEAD.name, shape: [batch, TISSUES.length, ...volume] },
        { name: 'seed', shape: [1] },
      ]),
    );
    data.write('seed', Float32Array.of(1));
    if (options.random) fillBatch(data, config.inChannels * patch ** 3 * batch, patch ** 3 * batch);
    const roots: Root[] = [];
    for (const [name, logits] of net.forward(tape, data.get('input'), true)) {
      const output = tape.apply(segmentationLoss, [logits], { ...DEFAULT_LOSS, target: data.get(name) });
      roots.push({ output, grad: data.get('seed') });
    }
    tape.backward(roots);
    const adam = owned.add(await Adam.create(gpu, net.parameters, net.grads!));
    adam.record(tape.emitter, roots[0]!.output);
    adam.setStep(1, 5e-4);
    return { commands: tape.commands, choices: tape.choices, destroy: () => owned.destroy() };
  });
}

function fillBatch(data: TensorStore, inputs: number, voxels: number): void {
  const random = new Random(1);
  data.write(
    'input',
    Float32Array.from({ length: inputs }, () => random.uniform(-1.7, 1.7)),
  );
  data.write(
    LESION_HEAD.name,
    Float32Array.from({ length: voxels }, () => (random.uniform() < 0.02 ? 1 : 0)),
  );
  data.write(
    TISSUE_HEAD.name,
    Float32Array.from({ length: TISSUES.length * voxels }, () => random.uniform(0, 1 / TISSUES.length)),
  );
}
