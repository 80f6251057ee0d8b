import type { Shape } from '../../../core/shape.ts';
import type { Spec } from '../../gpu/specialise.ts';
import { expectInputs, expectRule } from '../../tape/check.ts';
import { read, readWrite, write } from '../../tape/command.ts';
import { flatParts } from '../../tape/flat-parts.ts';
import type { Op } from '../../tape/op.ts';

/** What one activation function differs in from another, beside its shader. */
export interface Activation<Attributes> {
  readonly name: string;
  /** Its shader, with `activate` and `derivative` (see shaders/common/activation.wgsl). */
  readonly file: string;
  /** What `derivative` takes: the output, so that the input need not be kept, or the input. */
  readonly derivativeOf: 'input' | 'output';
  /**
   * The shader's `alpha` (default 0) and values for its own `// @spec` lines.
   * @param rule refuses attributes: throws ShapeError with the text if it does not hold
   */
  settings(
    attributes: Attributes,
    rule: (holds: boolean, text: string) => void,
  ): { readonly alpha?: number; readonly spec?: Spec };
}

/** The op of an activation function: output = f(input), elementwise, any shape. */
export function activation<Attributes>(of: Activation<Attributes>): Op<Attributes, undefined> {
  const { name, file, derivativeOf } = of;
  const settings = (attributes: Attributes): { alpha: number; spec: Spec } => ({
    alpha: 0,
    spec: {},
    ...of.settings(attributes, () => undefined),
  });
  return {
    name,
    storesF16: true,

    shape(inputs: readonly Shape[], attributes: Attributes): Shape {
      const [input] = expectInputs(name, inputs, 1);
      of.settings(attributes, (holds, text) => expectRule(name, holds, text, inputs));
      return input!;
    },

    forward(emit, [input], output, attributes): undefined {
      const { alpha, spec: own } = settings(attributes);
      const stored = { Input: input!, Output: output };
      for (const { spec, items, groups, part } of flatParts(output.shape, emit.capabilities, stored))
        emit.run({
          label: `${name}/forward`,
          kernel: { file, entry: 'forward', spec: { ...spec, ...own } },
          bindings: [part(read(input!)), part(write(output))],
          params: { items, alpha: { f32: alpha }, groups_x: groups[0] },
          workgroups: groups,
        });
    },

    backward({ inputs: [input], output, attributes }, gradOutput) {
      const { alpha, spec: own } = settings(attributes);
      const saved = derivativeOf === 'input' ? input! : output;
      return [
        (emit, gradInput, accumulate) => {
          const target = accumulate ? readWrite(gradInput) : write(gradInput);
          const stored = { Saved: saved, Output: gradOutput, Input: gradInput };
          for (const { spec, items, groups, part } of flatParts(output.shape, emit.capabilities, stored))
            emit.run({
              label: `${name}/backward`,
              kernel: {
                file,
                entry: 'backward',
                spec: { ...spec, ...own, ACCUMULATE: accumulate ? 1 : 0 },
              },
              bindings: [part(read(saved)), part(read(gradOutput)), part(target)],
              params: { items, alpha: { f32: alpha }, groups_x: groups[0] },
              workgroups: groups,
            });
        },
      ];
    },
  };
}
