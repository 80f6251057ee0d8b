import type { Shape } from '../../core/shape.ts';
import type { Op } from '../tape/op.ts';
import { type Element, type Tensor, tensor } from '../tape/tensor.ts';
import type { Initialisation } from './init.ts';
import { type Mode, Names, type ParameterSpec, type Scope } from './scope.ts';

/** What a network keeps. */
export interface Declaration {
  /** What training changes, module by module as PyTorch's `named_parameters` lists them. */
  readonly parameters: readonly ParameterSpec[];
  /** What the forward pass itself moves, in the same order. */
  readonly state: readonly ParameterSpec[];
  /** Layers that ask for random numbers, such as dropout. */
  readonly streams: number;
}

/** What a forward pass gives: the tensors of one output, or of several by name. */
export type Forward<T> = (scope: Scope, input: Tensor) => T;

/** One op that a forward pass applied: tensors have shapes and no values, and each is one object throughout. */
export interface AppliedOp {
  readonly op: Op<never, unknown>;
  readonly inputs: readonly Tensor[];
  readonly attributes: object;
  readonly output: Tensor;
}

/**
 * Runs a forward pass by its shape rules alone, with no GPU.
 * @param input the shape that it gets, batch first
 * @param onApply told of every op in order
 * @returns what it keeps, and the outputs, which have shapes and no values
 * @throws ShapeError where a rule does not hold; UsageError where two layers have one name.
 */
export function declare<T>(
  forward: Forward<T>,
  input: Shape,
  mode: Mode,
  onApply: (applied: AppliedOp) => void = () => undefined,
): Declaration & { outputs: T } {
  const found: Found = { parameters: [], state: [], onApply };
  const names = new Names();
  const scope = new DeclaringScope(mode, names, found);
  const outputs = forward(scope, tensor('input', input, 'arena'));
  const { streams } = names;
  return { parameters: byModule(found.parameters), state: byModule(found.state), streams, outputs };
}

interface Found {
  readonly parameters: ParameterSpec[];
  readonly state: ParameterSpec[];
  readonly onApply: (applied: AppliedOp) => void;
}

class DeclaringScope implements Scope {
  readonly mode: Mode;
  readonly stored: Element = 'f32';
  readonly #names: Names;
  readonly #found: Found;

  constructor(mode: Mode, names: Names, found: Found) {
    this.mode = mode;
    this.#names = names;
    this.#found = found;
  }

  in<T>(name: string, body: (inner: Scope) => T): T {
    return body(new DeclaringScope(this.mode, this.#names.below(name), this.#found));
  }

  parameter(
    name: string,
    shape: Shape,
    init: Initialisation,
    { requiresGrad = true }: { readonly requiresGrad?: boolean } = {},
  ): Tensor {
    return this.#note(this.#found.parameters, { name: this.#names.take(name), shape, init, requiresGrad });
  }

  state(name: string, shape: Shape, init: Initialisation): Tensor {
    return this.#note(this.#found.state, { name: this.#names.take(name), shape, init, requiresGrad: false });
  }

  #note(list: ParameterSpec[], spec: ParameterSpec): Tensor {
    list.push(spec);
    return tensor(spec.name, spec.shape, 'arena', { requiresGrad: spec.requiresGrad });
  }

  random(): { readonly seed: Tensor; readonly stream: number } {
    return { seed: tensor('seed', [2], 'arena'), stream: this.#names.takeStream() };
  }

  apply<A, S>(op: Op<A, S>, inputs: readonly Tensor[], attributes: A): Tensor {
    const shape = op.shape(
      inputs.map((input) => input.shape),
      attributes,
    );
    const output = tensor(op.name, shape, 'arena');
    this.#found.onApply({ op, inputs, attributes: attributes as object, output });
    return output;
  }
}

/**
 * Puts the tensors of one module (all whose names begin alike) next to each other, modules in the order in which the
 * forward pass first meets them.
 */
function byModule(specs: readonly ParameterSpec[]): readonly ParameterSpec[] {
  const met = new Map<string, number>();
  const keys = specs.map(({ name }) => {
    const parts = name.split('.');
    return parts.map((_, i) => {
      const module = parts.slice(0, i + 1).join('.');
      const order = met.get(module) ?? met.size;
      met.set(module, order);
      return order;
    });
  });
  const compare = (a: readonly number[], b: readonly number[]): number => {
    const at = a.findIndex((order, i) => order !== b[i]);
    return at < 0 ? 0 : a[at]! - (b[at] ?? -1);
  };
  return specs
    .map((spec, i) => ({ spec, key: keys[i]! }))
    .sort((a, b) => compare(a.key, b.key))
    .map(({ spec }) => spec);
}
