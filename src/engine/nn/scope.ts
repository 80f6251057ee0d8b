import { UsageError } from '../../core/errors.ts';
import type { Shape } from '../../core/shape.ts';
import type { Op } from '../tape/op.ts';
import type { Element, Tensor } from '../tape/tensor.ts';
import type { Initialisation } from './init.ts';

/** Whether a network learns (batch statistics, dropout, further outputs) or only answers. */
export type Mode = 'train' | 'predict';

/** A tensor that a network keeps between runs, under its PyTorch-like name. */
export interface ParameterSpec {
  /** Such as `encoder.0.conv1.weight`. */
  readonly name: string;
  readonly shape: Shape;
  readonly init: Initialisation;
  /** False for what no gradient moves: running statistics, and a bias that the norm behind it cancels. */
  readonly requiresGrad: boolean;
}

/**
 * What a layer is applied in. A layer asks it for its tensors and applies ops to them; which of two things that does,
 * the layer need not know:
 * - to *declare* runs the shape rules alone and collects what the network keeps; it needs no GPU;
 * - to *record* emits the ops on a tape, with tensors that are on the GPU.
 *
 * So a network is written once, as a function of a scope and an input:
 *
 *     function block(scope: Scope, x: Tensor): Tensor {
 *       const y = scope.in('conv', (inner) => conv3d(8, { kernel: 3 }).forward(inner, x));
 *       return relu().forward(scope, y);
 *     }
 */
export interface Scope {
  readonly mode: Mode;
  /** What activations are stored as between the first layer and the heads, and their gradients with them. */
  readonly stored: Element;
  /** Runs `body` in a scope whose names begin with `name` and a dot. */
  in<T>(name: string, body: (inner: Scope) => T): T;
  /**
   * A tensor that training changes. Its name is this scope's and `name`.
   * @param options `requiresGrad`: false where no gradient moves it (default true)
   * @throws UsageError where two layers have the same name.
   */
  parameter(
    name: string,
    shape: Shape,
    init: Initialisation,
    options?: { readonly requiresGrad?: boolean },
  ): Tensor;
  /** A tensor that the forward pass itself moves, such as a running mean. @throws UsageError as for a parameter. */
  state(name: string, shape: Shape, init: Initialisation): Tensor;
  /**
   * Random numbers for an op of a training step: a seed that changes with each step, and a stream that no other layer has.
   * @throws UsageError where nothing sets a seed.
   */
  random(): { readonly seed: Tensor; readonly stream: number };
  /**
   * Applies an op.
   * @param element what the output is stored as (default {@link stored}; 32 bits for an op that has only these)
   * @throws ShapeError from the op's rule.
   */
  apply<A, S>(op: Op<A, S>, inputs: readonly Tensor[], attributes: A, element?: Element): Tensor;
}

/** Names of a scope's tensors and numbers of its random streams: what has been asked for in the whole network. */
export class Names {
  readonly #prefix: string;
  readonly #taken: Set<string>;
  readonly #streams: { count: number };

  constructor(prefix = '', taken: Set<string> = new Set(), streams: { count: number } = { count: 0 }) {
    this.#prefix = prefix;
    this.#taken = taken;
    this.#streams = streams;
  }

  /** The names below one of them. */
  below(name: string): Names {
    return new Names(`${this.#prefix}${name}.`, this.#taken, this.#streams);
  }

  /** A stream of random numbers that was not given out before. */
  takeStream(): number {
    return this.#streams.count++;
  }

  /** How many streams were given out. */
  get streams(): number {
    return this.#streams.count;
  }

  /** The full name of a tensor. @throws UsageError for one that another layer has. */
  take(name: string): string {
    const full = `${this.#prefix}${name}`;
    if (this.#taken.has(full))
      throw new UsageError(`a network's tensors have names of their own; two layers ask for ${full}`, {
        hint: 'Apply each layer in a scope of its own: scope.in(name, (inner) => layer.forward(inner, x)).',
      });
    this.#taken.add(full);
    return full;
  }
}
