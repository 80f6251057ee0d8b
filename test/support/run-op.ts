import type { Gpu } from '../../src/engine/gpu/gpu.ts';
import type { Op } from '../../src/engine/tape/op.ts';
import { compilePlan } from '../../src/engine/tape/plan.ts';
import { TensorStore } from '../../src/engine/tape/store.ts';
import { Tape } from '../../src/engine/tape/tape.ts';
import type { Element, Tensor } from '../../src/engine/tape/tensor.ts';
import { halfTensor } from './half.ts';
import { type Nd, toFloat32 } from './nd.ts';

/** An op's attributes with arrays in place of GPU tensors: what cases and references hold. */
export type HostAttributes<A> = { readonly [K in keyof A]: HostAttribute<A[K]> };
type HostAttribute<T> = T extends Tensor ? Nd : T;

/** What an op computed on the GPU. */
export interface OpResult {
  readonly output: Float32Array;
  /** Gradient of each input, null where the op has none. */
  readonly grads: readonly (Float32Array | null)[];
  /** What tensor attributes hold after the run, by attribute name. */
  readonly attributes: ReadonlyMap<string, Float32Array>;
  /** The variant that each slot got. */
  readonly choices: ReadonlyMap<string, string>;
  /** Every slot's candidates, so that a test can run them all. */
  readonly candidates: ReadonlyMap<string, readonly string[]>;
}

/**
 * Runs an op forward and backward, its arena poisoned with NaN before.
 * @param attributes arrays among them are uploaded, each into a buffer of its own
 * @param gradOutput where given, backward runs too
 * @param wanted variant by slot
 * @param uses how many times the op is applied to the same inputs; with 2, the second gradient accumulates
 * @param elements what the inputs and the output are stored as (default: all of 32 bits)
 */
export async function runOp<A, S>(
  gpu: Gpu,
  op: Op<A, S>,
  inputs: readonly Nd[],
  attributes: HostAttributes<NoInfer<A>>,
  gradOutput?: Nd,
  wanted?: (slot: string) => string | undefined,
  uses = 1,
  elements?: { readonly inputs: readonly Element[]; readonly output: Element },
): Promise<OpResult> {
  const name = (i: number): string => `input${i}`;
  const specs = inputs.map((input, i) => ({ name: name(i), shape: input.shape }));
  const grads = await TensorStore.create(gpu, 'grads', specs);
  // Each input in a buffer of its own: a shader may declare one read-only and another writable.
  const stores = await Promise.all(
    specs.map((spec) =>
      TensorStore.create(gpu, spec.name, [spec], { grads, requiresGrad: gradOutput !== undefined }),
    ),
  );
  const root = await TensorStore.create(gpu, 'gradOutput', [
    { name: 'gradOutput', shape: gradOutput?.shape ?? [1] },
  ]);
  const halves: { destroy(): void }[] = [];
  const half = async (...made: Parameters<typeof halfTensor>): Promise<Tensor> => {
    const each = await halfTensor(...made);
    halves.push(each);
    return each.tensor;
  };
  const held = new Map<string, TensorStore>();
  for (const [key, value] of Object.entries(attributes)) {
    if (!isArray(value)) continue;
    const store = await TensorStore.create(gpu, key, [{ name: key, shape: value.shape }]);
    store.write(key, toFloat32(value));
    held.set(key, store);
  }
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
    const tensors: Tensor[] = [];
    for (const [i, { shape, data }] of inputs.entries()) {
      if (elements?.inputs[i] !== 'f16') {
        tensors.push(stores[i]!.get(name(i)));
        continue;
      }
      const grad = await half(gpu, `grad ${name(i)}`, shape, new Float64Array(data.length).fill(Number.NaN));
      tensors.push(await half(gpu, name(i), shape, data, { requiresGrad: gradOutput !== undefined, grad }));
    }
    const onDevice = { ...attributes, ...Object.fromEntries([...held].map(([k, s]) => [k, s.get(k)])) } as A;
    const outputs = Array.from({ length: uses }, () => tape.apply(op, tensors, onDevice, elements?.output));
    const output = outputs[0]!;
    if (gradOutput) {
      root.write('gradOutput', toFloat32(gradOutput));
      for (let i = 0; i < inputs.length; i++)
        grads.write(name(i), new Float32Array(inputs[i]!.data.length).fill(Number.NaN));
      const grad =
        elements?.output === 'f16'
          ? await half(gpu, 'gradOutput', gradOutput.shape, gradOutput.data)
          : root.get('gradOutput');
      tape.backward(outputs.map((each) => ({ output: each, grad })));
    }
    const plan = await compilePlan(gpu, tape.commands, { label: op.name, keep: [output], poison: true });
    try {
      plan.run();
      const result = await plan.read(output);
      const out: (Float32Array | null)[] = [];
      for (const tensor of tensors)
        out.push(gradOutput && tape.gradient(tensor) ? await plan.read(tensor.grad!) : null);
      const after = new Map<string, Float32Array>();
      for (const [key, store] of held) after.set(key, await store.read(key));
      return { output: result, grads: out, attributes: after, choices: tape.choices, candidates };
    } finally {
      plan.destroy();
    }
  } finally {
    for (const store of [grads, root, ...stores, ...held.values(), ...halves]) store.destroy();
  }
}

function isArray(value: unknown): value is Nd {
  return typeof value === 'object' && value !== null && 'data' in value && value.data instanceof Float64Array;
}
