import { type ErrorOptionsWithHint, ShapeError, VoxelgradError } from '../../core/errors.ts';
import { formatShape, sameShape, sizeOf } from '../../core/shape.ts';
import type { Capabilities } from '../gpu/capabilities.ts';
import type { Command } from './command.ts';
import { copyCommand } from './copy.ts';
import type { Emitter, GradientThunk, Op } from './op.ts';
import { requireElement } from './storage.ts';
import { describeTensor, type Element, type Tensor, tensor } from './tensor.ts';
import { flatChunks } from './workgroups.ts';

interface Recorded {
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  readonly passesGradient: boolean;
  backward(inputs: readonly Tensor[], gradOutput: Tensor): readonly (GradientThunk | null)[];
}

/** Settings of a {@link Tape}. */
export interface TapeOptions {
  /**
   * Fill the outputs of cheap ops (those with `recompute`) again when backward reads them, instead of keeping them:
   * less memory for a little more time, and the same bits.
   */
  readonly recompute?: boolean;
}

/** Where backward starts: an output and the gradient of the total with respect to it. */
export interface Root {
  readonly output: Tensor;
  readonly grad: Tensor;
}

/** A call of the tape that its order does not allow. */
export class TapeError extends VoxelgradError {
  constructor(message: string, options: ErrorOptionsWithHint = {}) {
    super('tape', message, options);
  }
}

/**
 * Records a computation once: `apply` runs shape rules and emits the forward dispatches, `backward` walks the nodes
 * in reverse and emits the gradient dispatches. Nothing touches the GPU; the list of commands is compiled by
 * `compilePlan` and replayed each step.
 */
export class Tape {
  readonly capabilities: Capabilities;
  readonly commands: Command[] = [];
  readonly emitter: Emitter;
  readonly #nodes: Recorded[] = [];
  readonly #gradients: Map<Tensor, Tensor> = new Map();
  /** Of a gradient that several tensors share: those whose own backward is still to come. */
  readonly #sharers: Map<Tensor, Set<Tensor>> = new Map();
  /** Gradients that backward started from: the caller's, so nothing is added to them. */
  readonly #given: Set<Tensor> = new Set();
  readonly #recompute: boolean;
  /** How to fill a tensor again, by the tensor. */
  readonly #again: Map<Tensor, (output: Tensor) => void> = new Map();
  #scope = '';
  #differentiated = false;

  /** The variant that each slot got, to be recorded with a run. */
  readonly choices: Map<string, string> = new Map();

  /** @param wanted variants by slot, from an earlier run or the autotuner; unknown names are passed over. */
  constructor(
    capabilities: Capabilities,
    wanted: (slot: string) => string | undefined = () => undefined,
    { recompute = false }: TapeOptions = {},
  ) {
    this.capabilities = capabilities;
    this.#recompute = recompute;
    this.emitter = {
      capabilities,
      run: (command) => {
        checkCommand(command, capabilities);
        this.commands.push(command);
      },
      scratch: (label, shape, element = 'f32') => tensor(this.#label(label), shape, 'arena', { element }),
      panel: (label, shape) => tensor(this.#label(label), shape, 'panel'),
      choose: (slot, candidates) => {
        const name = wanted(slot);
        const chosen = candidates.find((candidate) => candidate.name === name) ?? candidates[0];
        if (!chosen) throw new TapeError(`${slot}: no variant runs on ${capabilities.description}`);
        this.choices.set(slot, chosen.name);
        return chosen;
      },
    };
  }

  #label(label: string): string {
    return this.#scope ? `${this.#scope}/${label}` : label;
  }

  /** Prefixes the labels of everything that `record` makes: `encoder.0`. */
  scope<T>(name: string, record: () => T): T {
    const outer = this.#scope;
    this.#scope = outer ? `${outer}.${name}` : name;
    try {
      return record();
    } finally {
      this.#scope = outer;
    }
  }

  /**
   * Applies an op. The output requires a gradient if one of the inputs does.
   * @param element what the output is stored as; a gradient is stored as what it is the gradient of
   * @throws ShapeError from the op's rule; TapeError if the op does not take 16-bit floats, GpuError if the device
   *   does not.
   */
  apply<A, S>(op: Op<A, S>, inputs: readonly Tensor[], attributes: A, element: Element = 'f32'): Tensor {
    const half = element === 'f16' ? 'its output' : inputs.find((input) => input.element === 'f16');
    if (half) {
      requireElement('f16', this.capabilities);
      const what = typeof half === 'string' ? half : describeTensor(half);
      if (!op.storesF16) throw new TapeError(`${op.name}: ${what} cannot be of 16-bit floats`);
    }
    const shape = op.shape(
      inputs.map((input) => input.shape),
      attributes,
    );
    const requiresGrad = inputs.some((input) => input.requiresGrad);
    const output = tensor(this.#label(op.name), shape, 'arena', { requiresGrad, element });
    const saved = op.forward(this.emitter, inputs, output, attributes);
    if (requiresGrad) {
      const scope = this.#scope;
      this.#nodes.push({
        inputs,
        output,
        passesGradient: op.passesGradient === true,
        backward: (from, gradOutput) => {
          this.#scope = scope;
          return op.backward({ inputs: from, output, attributes, saved }, gradOutput);
        },
      });
      if (this.#recompute && op.recompute)
        this.#again.set(output, (target) => {
          const filled = inputs.map((input) => this.#refill(input));
          op.recompute?.(this.emitter, { inputs: filled, output, attributes, saved }, target);
        });
    }
    return output;
  }

  /**
   * Emits the gradients of the weighted sum of `roots` with respect to everything that requires one. The first
   * consumer that backward reaches overwrites a gradient, later ones accumulate, so an activation that feeds two
   * ops gets the sum.
   *
   * @param roots outputs with the gradient that each starts from, of the output's own shape
   * @throws TapeError if it is called twice or a root depends on nothing that requires a gradient;
   *   ShapeError for a root gradient of another shape.
   */
  backward(roots: readonly Root[]): void {
    if (this.#differentiated)
      throw new TapeError('backward: this tape was differentiated already; record a new one');
    for (const { output, grad } of roots) {
      if (!output.requiresGrad)
        throw new TapeError(`backward: ${output.label} depends on nothing that requires a gradient`);
      if (!sameShape(grad.shape, output.shape))
        throw new ShapeError(
          'backward',
          'a root gradient has the shape of its output',
          `${formatShape(grad.shape)} for ${formatShape(output.shape)}`,
        );
      this.#gradients.set(output, grad);
      this.#given.add(grad);
    }
    this.#differentiated = true;
    for (const node of this.#nodes.reverse()) this.#backwardNode(node);
    this.#nodes.length = 0;
    this.#scope = '';
  }

  #backwardNode(node: Recorded): void {
    const gradOutput = this.#gradients.get(node.output);
    if (!gradOutput) return;
    const inputs = node.inputs.map((input) => this.#refill(input));
    const thunks = node.backward(inputs, gradOutput);
    // Last input first: a weight's gradient is the last reader of an activation, whose place the gradient of the
    // activation can take then.
    for (const [i, input] of [...node.inputs.entries()].reverse()) {
      const thunk = thunks[i];
      if (!input.requiresGrad || !thunk) continue;
      const existing = this.#gradients.get(input);
      if (!existing && node.passesGradient && !input.grad && input.element === gradOutput.element) {
        this.#share(gradOutput, node.output, input);
        continue;
      }
      const grad = existing ? this.#own(input, existing) : (input.grad ?? gradientTensor(input));
      this.#gradients.set(input, grad);
      thunk(this.emitter, grad, existing !== undefined);
    }
    this.#sharers.get(gradOutput)?.delete(node.output);
  }

  /** Makes the gradient of an output that of an input too. */
  #share(grad: Tensor, output: Tensor, input: Tensor): void {
    this.#gradients.set(input, grad);
    const sharers = this.#sharers.get(grad) ?? new Set([output]);
    this.#sharers.set(grad, sharers.add(input));
  }

  /** The gradient of a tensor, to be added to: itself if nothing else needs it, else a copy. */
  #own(input: Tensor, grad: Tensor): Tensor {
    const sharers = this.#sharers.get(grad);
    sharers?.delete(input);
    if (!this.#given.has(grad) && (sharers?.size ?? 0) === 0) {
      if (sharers)
        for (const [of, shared] of this.#gradients) if (shared === grad) this.#gradients.delete(of);
      this.#sharers.delete(grad);
      return grad;
    }
    const own = gradientTensor(input);
    for (const range of flatChunks(sizeOf(own.shape), this.capabilities)) {
      const [from, to] = [grad, own].map((each) => ({ tensor: each, ...range }));
      this.emitter.run(copyCommand('gradient/copy', from!, to!, 'write', this.capabilities));
    }
    return own;
  }

  /** The tensor itself, or a fresh one with the same values, so that the first need not live until here. */
  #refill(input: Tensor): Tensor {
    const again = this.#again.get(input);
    if (!again) return input;
    const { label, shape, requiresGrad, element } = input;
    const target = tensor(`${label} again`, shape, 'arena', { requiresGrad, element });
    again(target);
    return target;
  }

  /**
   * The gradient of a tensor after {@link backward}; undefined if none was needed, or if it was shared and the gradient
   * of another tensor was made in its place.
   */
  gradient(of: Tensor): Tensor | undefined {
    return this.#gradients.get(of);
  }
}

function gradientTensor({ label, shape, element }: Tensor): Tensor {
  return tensor(`grad ${label}`, shape, 'arena', { element });
}

function checkCommand(command: Command, capabilities: Capabilities): void {
  for (const count of command.workgroups) {
    if (Number.isInteger(count) && count >= 1 && count <= capabilities.maxWorkgroups) continue;
    throw new ShapeError(
      command.label,
      `each number of workgroups lies in 1 to ${capabilities.maxWorkgroups} on this adapter`,
      command.workgroups.join('x'),
    );
  }
}
