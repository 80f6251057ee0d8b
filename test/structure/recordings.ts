import type { Capabilities } from '../../src/engine/gpu/capabilities.ts';
import type { Gpu } from '../../src/engine/gpu/gpu.ts';
import type { Command } from '../../src/engine/tape/command.ts';
import type { Op } from '../../src/engine/tape/op.ts';
import { TensorStore } from '../../src/engine/tape/store.ts';
import { Tape } from '../../src/engine/tape/tape.ts';
import type { Tensor } from '../../src/engine/tape/tensor.ts';
import type { OpCase } from '../support/describe-op.ts';
import type { Nd } from '../support/nd.ts';
import { definesOp } from './completeness.ts';
import { filesBelow, readText } from './sources.ts';

type Attributes = Readonly<Record<string, unknown>>;

/** An op or loss with the cases of its test. */
export interface TestedOp {
  readonly stem: string;
  readonly op: Op<Attributes, unknown>;
  readonly cases: readonly OpCase<Attributes>[];
}

/** Every file of src/engine/ops and src/engine/loss with its cases, found by name. */
export async function testedOps(): Promise<TestedOp[]> {
  const files = [...filesBelow('src/engine/ops', '.ts'), ...filesBelow('src/engine/loss', '.ts')].filter(
    (path) => path.split('/').length === 4 && definesOp(readText(path)),
  );
  return Promise.all(
    files.map(async (path) => {
      const stem = path.split('/')[3]!.replace('.ts', '');
      const camel = stem.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
      const source = (await (path.startsWith('src/engine/ops/')
        ? import(`../../src/engine/ops/${stem}.ts`)
        : import(`../../src/engine/loss/${stem}.ts`))) as Record<string, TestedOp['op']>;
      const tests = (await import(`../cases/${stem}.ts`)) as Record<string, TestedOp['cases']>;
      return { stem, op: source[camel]!, cases: tests[`${camel}Cases`]! };
    }),
  );
}

/** A case as its op is applied: a segmentation loss takes as an attribute the target that its cases hold as an input. */
export function appliedCase(stem: string, testCase: OpCase<Attributes>): OpCase<Attributes> {
  if (stem !== 'segmentation-loss') return testCase;
  const [logits, target] = testCase.inputs;
  return { ...testCase, inputs: [logits!], attributes: { ...testCase.attributes, target: target! } };
}

/** What an op recorded for one case, forward and backward (overwriting and accumulating). */
export interface Recording {
  readonly label: string;
  readonly commands: readonly Command[];
}

/**
 * Records a case with each variant that the capabilities allow; executes nothing.
 * @param visit called with each recording while its buffers live
 */
export async function recordVariants(
  gpu: Gpu,
  { stem, op, cases }: TestedOp,
  capabilities: Capabilities,
  visit: (recording: Recording) => Promise<void>,
): Promise<void> {
  for (const testCase of cases) {
    const stores: TensorStore[] = [];
    const upload = async (name: string, { shape }: Nd, grads?: TensorStore): Promise<Tensor> => {
      const store = await TensorStore.create(gpu, name, [{ name, shape }], grads ? { grads } : {});
      stores.push(store);
      return store.get(name);
    };
    const { inputs, attributes } = appliedCase(stem, testCase);
    const specs = inputs.map(({ shape }, i) => ({ name: `input${i}`, shape }));
    const grads = await TensorStore.create(gpu, 'grads', specs);
    stores.push(grads);
    const tensors = await Promise.all(inputs.map((input, i) => upload(`input${i}`, input, grads)));
    const onDevice: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(attributes))
      onDevice[key] = isArray(value) ? await upload(key, value) : value;
    const outputShape = op.shape(
      tensors.map(({ shape }) => shape),
      onDevice,
    );
    const seed = await upload('gradOutput', { shape: outputShape, data: new Float64Array() });

    let longest = 1;
    for (let k = 0; k < longest; k++) {
      const offered = new Map<string, readonly string[]>();
      const tape = new Tape(capabilities, (slot) => offered.get(slot)?.[k]);
      const { choose } = tape.emitter;
      Object.assign(tape.emitter, {
        choose: ((slot, variants) => {
          const names = variants.map(({ name }) => name);
          offered.set(slot, names);
          longest = Math.max(longest, names.length);
          return choose(slot, variants);
        }) satisfies typeof choose,
      });
      // Twice, so that the second gradient is accumulated.
      const outputs = [0, 1].map(() => tape.apply(op, tensors, onDevice));
      tape.backward(outputs.map((output) => ({ output, grad: seed })));
      const variant = [...tape.choices].map((choice) => choice.join(': ')).join('; ');
      await visit({ label: `${stem}, ${testCase.name}, ${variant}`, commands: tape.commands });
    }
    for (const store of stores) store.destroy();
  }
}

/** Whether an attribute of a case is an array, which becomes a tensor. */
export function isArray(value: unknown): value is Nd {
  return typeof value === 'object' && value !== null && 'data' in value && value.data instanceof Float64Array;
}
