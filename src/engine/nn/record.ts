import { UsageError } from '../../core/errors.ts';
import { formatShape, type Shape, sameShape } from '../../core/shape.ts';
import type { Op } from '../tape/op.ts';
import type { TensorStore } from '../tape/store.ts';
import type { Tape } from '../tape/tape.ts';
import type { Element, Tensor } from '../tape/tensor.ts';
import type { Initialisation } from './init.ts';
import { type Mode, Names, type Scope } from './scope.ts';

/** Where a forward pass is recorded, and the tensors that it finds there. */
export interface Recording {
  readonly tape: Tape;
  readonly parameters: TensorStore;
  readonly state: TensorStore;
  readonly mode: Mode;
  readonly stored: Element;
  /** Of the step's random numbers: that of a `StepSeed`. */
  readonly seed?: Tensor | undefined;
}

/** A scope that emits ops on a tape, with the tensors of a network on the GPU. */
export class RecordingScope implements Scope {
  readonly mode: Mode;
  readonly stored: Element;
  readonly #recording: Recording;
  readonly #names: Names;

  constructor(recording: Recording, names: Names = new Names()) {
    this.mode = recording.mode;
    this.stored = recording.stored;
    this.#recording = recording;
    this.#names = names;
  }

  in<T>(name: string, body: (inner: Scope) => T): T {
    const inner = new RecordingScope(this.#recording, this.#names.below(name));
    return this.#recording.tape.scope(name, () => body(inner));
  }

  parameter(name: string, shape: Shape, _init: Initialisation): Tensor {
    return find(this.#recording.parameters, this.#names.take(name), shape);
  }

  state(name: string, shape: Shape, _init: Initialisation): Tensor {
    return find(this.#recording.state, this.#names.take(name), shape);
  }

  random(): { readonly seed: Tensor; readonly stream: number } {
    const { seed } = this.#recording;
    if (seed) return { seed, stream: this.#names.takeStream() };
    throw new UsageError('the network has random layers, such as dropout, and nothing sets their seed', {
      hint: 'Record it by recordTrainingStep, or pass the tensor of a StepSeed to its forward pass.',
    });
  }

  apply<A, S>(
    op: Op<A, S>,
    inputs: readonly Tensor[],
    attributes: A,
    element: Element = op.storesF16 ? this.stored : 'f32',
  ): Tensor {
    return this.#recording.tape.apply(op, inputs, attributes, element);
  }
}

function find(store: TensorStore, name: string, shape: Shape): Tensor {
  const found = store.tensors.get(name);
  if (found && sameShape(found.shape, shape)) return found;
  const has = found ? `it is ${formatShape(found.shape)}` : 'it was not declared';
  throw new UsageError(`the network asks for ${name} as ${formatShape(shape)}, but ${has}`, {
    hint: 'A network asks for the same tensors in every mode, and for shapes that the size of the patch does not change.',
  });
}
