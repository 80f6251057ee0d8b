import type { Shape } from '../../core/shape.ts';
import type { Capabilities } from '../gpu/capabilities.ts';
import type { Command } from './command.ts';
import type { Element, Tensor } from './tensor.ts';

/** One of several kernels (or sequences of kernels) that compute the same. */
export interface Variant {
  readonly name: string;
}

/** What an op may do while it is recorded: emit dispatches and ask for scratch. */
export interface Emitter {
  readonly capabilities: Capabilities;
  /** Appends a dispatch. */
  run(command: Command): void;
  /** A tensor that lives from its first writer to its last reader; may also be saved for backward. */
  scratch(label: string, shape: Shape, element?: Element): Tensor;
  /** Scratch that is bound as a uniform block; at most `capabilities.maxUniformBytes` a binding. */
  panel(label: string, shape: Shape): Tensor;
  /**
   * Picks one of the variants that can run here, best guess first. A recorded or tuned choice for the slot wins
   * if it is among them; otherwise the first does.
   *
   * @param slot what is chosen for: label and shapes, such as `conv3d/forward 32->32@2x32x32x32`
   */
  choose<V extends Variant>(slot: string, candidates: readonly V[]): V;
}

/**
 * Writes the gradient of one input, the last input's first: overwrites `gradInput`, or adds to it if `accumulate` is set (another
 * consumer of the same tensor has written already).
 */
export type GradientThunk = (emit: Emitter, gradInput: Tensor, accumulate: boolean) => void;

/** One recorded application of an op. */
export interface Node<Attributes, Saved> {
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  readonly attributes: Attributes;
  readonly saved: Saved;
}

/**
 * A differentiable operation. `Saved` names what backward needs beyond inputs and output; the tape keeps these
 * tensors alive for exactly as long as a recorded backward dispatch reads them.
 */
export interface Op<Attributes, Saved> {
  /** Also the stem of its shader, reference, cases and test. */
  readonly name: string;
  /** Whether its kernels take activations and their gradients as 16-bit floats too. */
  readonly storesF16?: true;
  /**
   * Set if every input has the output's shape and the output's own gradient: the tape then lets inputs share that
   * tensor instead of calling their thunks, as long as nothing is added to it.
   */
  readonly passesGradient?: true;
  /** The output's shape. @throws ShapeError naming the op, the rule and the shapes. */
  shape(inputs: readonly Shape[], attributes: Attributes): Shape;
  /** Emits the dispatches that fill `output`. */
  forward(emit: Emitter, inputs: readonly Tensor[], output: Tensor, attributes: Attributes): Saved;
  /**
   * Emits what fills an output again, bit for bit, from inputs and saved tensors: for an op that is so cheap beside
   * the convolutions that its output need not be kept for backward.
   */
  recompute?(emit: Emitter, node: Node<Attributes, Saved>, output: Tensor): void;
  /** One thunk per input, or null if that input has no gradient. Only thunks that are needed are called. */
  backward(node: Node<Attributes, Saved>, gradOutput: Tensor): readonly (GradientThunk | null)[];
}
