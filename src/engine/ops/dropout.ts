import { type Shape, sameShape, sizeOf } from '../../core/shape.ts';
import { expectActivation, expectInputs, expectRule, expectTensor } from '../tape/check.ts';
import { read, readWrite, write } from '../tape/command.ts';
import { flatParts } from '../tape/flat-parts.ts';
import type { Emitter, Op } from '../tape/op.ts';
import { storageSpec } from '../tape/storage.ts';
import type { Tensor } from '../tape/tensor.ts';

/** Settings of {@link dropout}. */
export interface DropoutAttributes {
  /** The probability of an element to become 0: at least 0 and below 1 (default 0.5). */
  readonly p?: number;
  /** Drops whole channels of a sample, as PyTorch's Dropout3d does (default false). */
  readonly perChannel?: boolean;
  /** [2] words that change with each step: that of a {@link StepSeed}. */
  readonly seed: Tensor;
  /** Which of the step's random numbers: another one for each layer (default 0), a 32-bit unsigned integer. */
  readonly stream?: number;
}

const FILE = 'dropout.wgsl';
const WORDS = 2 ** 32;

/**
 * Dropout while training (Srivastava et al. 2014): each element becomes 0 with probability p, and what is kept is
 * multiplied by 1 / (1 - p). Any shape; with `perChannel` an activation. A prediction leaves the op out. The mask
 * depends on `seed`, `stream` and the element's index alone: backward makes it again, nothing is stored, and a step
 * that is repeated or resumed has the same one.
 */
export const dropout: Op<DropoutAttributes, undefined> = {
  name: 'dropout',
  storesF16: true,

  shape(inputs: readonly Shape[], attributes: DropoutAttributes): Shape {
    const { p = 0.5, perChannel = false, stream = 0 } = attributes;
    const [input] = expectInputs('dropout', inputs, 1);
    const rule = (holds: boolean, text: string): void => expectRule('dropout', holds, text, inputs);
    const seed = expectTensor('dropout', 'seed', attributes.seed, inputs);
    rule(sameShape(seed.shape, [2]), '`seed` holds 2 words, as that of a StepSeed does');
    rule(p >= 0 && p < 1, `p is at least 0 and below 1 (here ${p})`);
    rule(
      Number.isInteger(stream) && stream >= 0 && stream < WORDS,
      `stream is an integer of 32 bits, at least 0 (here ${stream})`,
    );
    if (perChannel) expectActivation('dropout', input, inputs);
    rule(sizeOf(input!) < WORDS, 'an input has less than 2^32 elements');
    return input!;
  },

  forward(emit, [input], output, attributes): undefined {
    apply(emit, 'dropout/forward', attributes, input!, output, false);
  },

  backward({ attributes }, gradOutput) {
    return [
      (emit, gradInput, accumulate) =>
        apply(emit, 'dropout/backward', attributes, gradOutput, gradInput, accumulate),
    ];
  },
};

/** target (+)= source times the mask. */
function apply(
  emit: Emitter,
  label: string,
  { p = 0.5, perChannel = false, seed, stream = 0 }: DropoutAttributes,
  source: Tensor,
  target: Tensor,
  accumulate: boolean,
): void {
  const { shape } = source;
  const vector = sizeOf(shape) % 4 === 0;
  const stored = vector
    ? storageSpec({ Source4: source, Target4: target }, 4)
    : storageSpec({ Source: source, Target: target });
  for (const { items, first, groups, part } of flatParts(shape, emit.capabilities, { source, target }))
    emit.run({
      label,
      kernel: {
        file: FILE,
        entry: vector ? 'apply_vec4' : 'apply',
        spec: { ...stored, PER_CHANNEL: perChannel ? 1 : 0, ACCUMULATE: accumulate ? 1 : 0 },
      },
      bindings: [part(read(source)), read(seed), part(accumulate ? readWrite(target) : write(target))],
      params: {
        items,
        first,
        per_channel: perChannel ? sizeOf(shape.slice(2)) : 1,
        stream,
        threshold: Math.floor(p * WORDS),
        scale: { f32: 1 / (1 - p) },
        groups_x: groups[0],
      },
      workgroups: groups,
    });
}
