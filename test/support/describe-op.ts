import { describe, expect, it } from 'vitest';
import type { Shape } from '../../src/core/shape.ts';
import type { AdapterFamily } from '../../src/engine/gpu/capabilities.ts';
import type { Op } from '../../src/engine/tape/op.ts';
import { expectation } from './case-errors.ts';
import { useGpu } from './gpu.ts';
import { withBindingLimit, withLeastLimit } from './limit.ts';
import { type Nd, normal, relativeError, zeros } from './nd.ts';
import { type HostAttributes, type OpResult, runOp } from './run-op.ts';

/** A float64 implementation of an op: the plain formula, no tricks. */
export interface Reference<A> {
  forward(inputs: readonly Nd[], attributes: A): Nd;
  /** Gradient of each input, null where there is none. */
  backward(inputs: readonly Nd[], attributes: A, gradOutput: Nd): readonly (Nd | null)[];
  /** What forward leaves in tensor attributes (running statistics), by attribute name. */
  after?(inputs: readonly Nd[], attributes: A): Readonly<Record<string, Nd>>;
}

/** One set of inputs that drives the test, the gradient check and the bench. */
export interface OpCase<A> {
  readonly name: string;
  readonly inputs: readonly Nd[];
  readonly attributes: A;
  /** Small enough for central differences in the reference (default: up to 400 input elements in all). */
  readonly checkGradient?: boolean;
}

/** Inputs that a shape rule must refuse, and what the message says. */
export interface BadCase<A> {
  readonly name: string;
  readonly shapes: readonly Shape[];
  readonly attributes: A;
  readonly message: RegExp;
}

/** What differs from op to op. */
export interface DescribeOptions {
  /** Largest error relative to the largest value (default 2e-5). */
  readonly tolerance?: number;
  /** The op binds its tensors whole, as they are always small: no case runs in parts. */
  readonly boundWhole?: boolean;
  /** False for an op that takes other kernels where it runs in parts (default true). */
  readonly sameBitsWhenCut?: boolean;
}

/**
 * Tests an op: its reference by central differences, every variant against the reference, as it is and on a device
 * that binds as little as the op can do with, and its shape rule.
 */
export function describeOp<A, S>(
  op: Op<A, S>,
  reference: Reference<HostAttributes<NoInfer<A>>>,
  cases: readonly OpCase<HostAttributes<NoInfer<A>>>[],
  badCases: readonly BadCase<NoInfer<A>>[],
  options: DescribeOptions = {},
): void {
  describe(`${op.name} reference`, () => {
    for (const testCase of cases) {
      const elements = testCase.inputs.reduce((sum, input) => sum + input.data.length, 0);
      if (!(testCase.checkGradient ?? elements <= 400)) continue;
      it(`gradient by central differences: ${testCase.name}`, () => {
        checkReferenceGradient(reference, testCase);
      });
    }
  });
  describeVariants(op, reference, cases, options);
  describe(`${op.name} shape rule`, () => {
    for (const bad of badCases) {
      it(`refuses ${bad.name}`, () => {
        expect(() => op.shape(bad.shapes, bad.attributes)).toThrow(bad.message);
      });
    }
  });
}

/** What {@link describeVariants} tests. */
export interface VariantsOptions extends DescribeOptions {
  /** Takes the adapter at hand for one of another family, which has other candidates. */
  readonly family?: AdapterFamily;
  /** Only variants whose names match. */
  readonly only?: RegExp;
}

/** Tests an op's variants against the reference, as they are and on a device that binds as little as they can do with. */
export function describeVariants<A, S>(
  op: Op<A, S>,
  reference: Reference<HostAttributes<NoInfer<A>>>,
  cases: readonly OpCase<HostAttributes<NoInfer<A>>>[],
  { tolerance = 2e-5, boundWhole = false, sameBitsWhenCut = true, family, only }: VariantsOptions = {},
): void {
  describe(`${op.name} on the GPU${only ? `: ${only}` : ''}`, () => {
    const context = useGpu(family);
    let split = false;
    for (const testCase of cases) {
      it(testCase.name, async () => {
        const { inputs, attributes } = testCase;
        const { gradOutput, errors } = expectation(reference, testCase);
        const check = (result: OpResult, variant: string, uses = 1): void => {
          for (const [what, error] of errors(result, uses))
            expect(error, `${what}, ${variant}`).toBeLessThan(tolerance);
        };
        const { gpu } = context;
        const run = (wanted?: (slot: string) => string | undefined): Promise<OpResult> =>
          runOp(gpu, op, inputs, attributes, gradOutput, wanted);
        const first = await run();
        const longest = Math.max(1, ...[...first.candidates.values()].map((names) => names.length));
        for (let k = 0; k < longest; k++) {
          if (only && ![...first.candidates.values()].some((names) => only.test(names[k] ?? ''))) continue;
          const { value: result, bound } = await withBindingLimit(
            gpu,
            gpu.capabilities.maxBindingBytes,
            () => (k === 0 ? run() : run((slot) => first.candidates.get(slot)?.[k])),
          );
          const variant = [...result.choices].map((choice) => choice.join(': ')).join('; ');
          check(result, variant);
          // Cut into channels the op has other slots, which get the variant of the same part of the op.
          const names = new Map([...result.choices].map(([slot, name]) => [partOf(slot), name]));
          const small = await withLeastLimit(gpu, () => run((slot) => names.get(partOf(slot))));
          check(small.value, `${variant}, at most ${small.limit} bytes a binding`);
          expect(small.bound.largest).toBeLessThanOrEqual(small.limit);
          // Only the convolutions, which have variants, sum over channels: in another order once they are cut.
          if (sameBitsWhenCut && result.choices.size === 0) expect(sameBits(small.value, result)).toBe(true);
          split ||= small.bound.groups > bound.groups;
        }
        const twice = await runOp(gpu, op, inputs, attributes, gradOutput, undefined, 2);
        check(twice, 'accumulated', 2);
      });
    }
    it(boundWhole ? 'was split in none of these' : 'was split in some of these', () => {
      expect(split).toBe(!boundWhole);
    });
  });
}

function sameBits(a: OpResult, b: OpResult): boolean {
  const bits = ({ output, grads, attributes }: OpResult): number[] =>
    [output, ...grads, ...attributes.values()].flatMap((each) =>
      each ? [...new Uint32Array(each.buffer)] : [],
    );
  const other = bits(b);
  return bits(a).every((word, i) => word === other[i]);
}

/** `conv3d/forward` of `conv3d/forward 8->16@...`. */
function partOf(slot: string): string {
  return slot.split(' ')[0]!;
}

/** Compares backward with central differences of a random projection of forward, every input element. */
export function checkReferenceGradient<A>(reference: Reference<A>, { inputs, attributes }: OpCase<A>): void {
  const output = reference.forward(inputs, attributes);
  const projection = normal(output.shape, 78);
  const grads = reference.backward(inputs, attributes, projection);
  const value = (): number => {
    const { data } = reference.forward(inputs, attributes);
    let sum = 0;
    for (let i = 0; i < data.length; i++) sum += data[i]! * projection.data[i]!;
    return sum;
  };
  inputs.forEach((input, k) => {
    const grad = grads[k];
    if (!grad) return;
    const numeric = zeros(input.shape);
    for (let i = 0; i < input.data.length; i++) {
      const x = input.data[i]!;
      const h = 1e-5;
      input.data[i] = x + h;
      const up = value();
      input.data[i] = x - h;
      const down = value();
      input.data[i] = x;
      numeric.data[i] = (up - down) / (2 * h);
    }
    expect(relativeError(grad.data, numeric.data), `gradient of input ${k}`).toBeLessThan(1e-6);
  });
}
