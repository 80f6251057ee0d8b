import type { Gpu } from '../../src/gpu/gpu.ts';
import type { Op } from '../../src/tape/op.ts';
import { compilePlan } from '../../src/tape/plan.ts';
import { TensorStore } from '../../src/tape/store.ts';
import { Tape } from '../../src/tape/tape.ts';
import { type Nd, toFloat32 } from './nd.ts';

/** What an op computed on the GPU. */
export interface OpResult {
  readonly output: Float32Array;
  /** Gradient of each input, null where the op has none. */
  readonly grads: readonly (Float32Array | null)[];
  /** The variant that each slot got. */
  readonly choices: ReadonlyMap<string, string>;
  /** Every slot's candidates, so that a test can run them all. */
  readonly candidates: ReadonlyMap<string, readonly string[]>;
}

/**
 * Runs an op forward and backward, its arena poisoned with NaN before.
 * @param gradOutput where given, backward runs too
 * @param wanted variant by slot
 * @param accumulate start every input gradient from a copy of this value and add to it (fan-out of two)
 */
export async function runOp<A, S>(
  gpu: Gpu,
  op: Op<A, S>,
  inputs: readonly Nd[],
  attributes: A,
  gradOutput?: Nd,
  wanted?: (slot: string) => string | undefined,
): Promise<OpResult> {
  const name = (i: number): string => `input${i}`;
  const specs = inputs.map((input, i) => ({ name: name(i), shape: input.shape }));
  const grads = await TensorStore.create(gpu, 'grads', specs);
  const values = await TensorStore.create(gpu, 'inputs', specs);
  // Each input in a buffer of its own: a shader may declare one read-only and another writable.
  const stores = await Promise.all(
    specs.map((spec) =>
      TensorStore.create(gpu, spec.name, [spec], { grads, requiresGrad: gradOutput !== undefined }),
    ),
  );
  const root = await TensorStore.create(gpu, 'gradOutput', [
    { name: 'gradOutput', shape: gradOutput?.shape ?? [1] },
  ]);
  try {
    inputs.forEach((input, i) => {
      stores[i]!.write(name(i), toFloat32(input));
    });
    const candidates = new Map<string, readonly string[]>();
    const tape = new Tape(gpu.capabilities, wanted);
    const { choose } = tape.emitter;
    Object.assign(tape.emitter, {
      choose: ((slot, variants) => {
        candidates.set(
          slot,
          variants.map((variant) => variant.name),
        );
        return choose(slot, variants);
      }) satisfies typeof choose,
    });
    const tensors = stores.map((store, i) => store.get(name(i)));
    const output = tape.apply(op, tensors, attributes);
    if (gradOutput) {
      root.write('gradOutput', toFloat32(gradOutput));
      for (let i = 0; i < inputs.length; i++)
        grads.write(name(i), new Float32Array(inputs[i]!.data.length).fill(Number.NaN));
      tape.backward([{ output, grad: root.get('gradOutput') }]);
    }
    const plan = await compilePlan(gpu, tape.commands, { label: op.name, keep: [output], poison: true });
    try {
      plan.run();
      const result = await plan.read(output);
      const out: (Float32Array | null)[] = [];
      for (const [i, tensor] of tensors.entries())
        out.push(gradOutput && tape.gradient(tensor) ? await grads.read(name(i)) : null);
      return { output: result, grads: out, choices: tape.choices, candidates };
    } finally {
      plan.destroy();
    }
  } finally {
    for (const store of [grads, values, root, ...stores]) store.destroy();
  }
}
