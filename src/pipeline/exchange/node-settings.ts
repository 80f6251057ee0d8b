import { type Triple, toTriple } from '../../core/shape.ts';
import type { GraphNode, GraphValue } from '../../engine/nn/graph.ts';
import type { PerAxis } from '../../engine/tape/check.ts';

/** The attributes of an op with their defaults, and its inputs by their roles, as all formats want them. */
export interface ConvolutionSettings {
  /** Convolved as if their channels stood one behind the other. */
  readonly sources: readonly GraphValue[];
  readonly weight: GraphValue;
  readonly bias: GraphValue | undefined;
  readonly kernel: Triple;
  readonly stride: Triple;
  readonly dilation: Triple;
  /** Zeros before the first voxel. */
  readonly padding: Triple;
  /** Zeros behind the last one: one more where `same` has an odd number of them. */
  readonly paddingBehind: Triple;
}

/** What a convolution does. */
export function convolutionOf({ inputs, attributes }: GraphNode): ConvolutionSettings {
  const { sources = 1, bias, stride = 1, padding = 0, dilation = 1 } = attributes;
  const count = sources as number;
  const weight = inputs[count]!;
  const kernel = weight.shape.slice(2) as unknown as Triple;
  const apart = toTriple(dilation as PerAxis);
  const zeros = (half: (taps: number) => number): Triple =>
    padding === 'same'
      ? (kernel.map((taps, a) => half((apart[a]! * (taps - 1)) / 2)) as unknown as Triple)
      : toTriple(padding as PerAxis);
  return {
    sources: inputs.slice(0, count),
    weight,
    bias: bias === false ? undefined : inputs[count + 1],
    kernel,
    stride: toTriple(stride as PerAxis),
    dilation: apart,
    padding: zeros(Math.floor),
    paddingBehind: zeros(Math.ceil),
  };
}

/** What a transposed convolution does. */
export function transposedOf({ inputs, attributes }: GraphNode): {
  readonly input: GraphValue;
  readonly weight: GraphValue;
  readonly bias: GraphValue | undefined;
  readonly kernel: Triple;
  readonly stride: Triple;
  readonly padding: Triple;
  readonly outputPadding: Triple;
} {
  const { bias, stride = 1, padding = 0, outputPadding = 0 } = attributes;
  return {
    input: inputs[0]!,
    weight: inputs[1]!,
    bias: bias === false ? undefined : inputs[2],
    kernel: inputs[1]!.shape.slice(2) as unknown as Triple,
    stride: toTriple(stride as PerAxis),
    padding: toTriple(padding as PerAxis),
    outputPadding: toTriple(outputPadding as PerAxis),
  };
}

/** What a norm does; `slope` is that of the rectifier in it, null if there is none. */
export function normOf({ inputs, attributes }: GraphNode): {
  readonly input: GraphValue;
  readonly weight: GraphValue;
  readonly bias: GraphValue;
  readonly eps: number;
  readonly slope: number | null;
  readonly groups: number;
} {
  const { eps = 1e-5, slope = null, groups = inputs[0]!.shape[1] } = attributes;
  const [input, weight, bias] = inputs;
  return {
    input: input!,
    weight: weight!,
    bias: bias!,
    eps: eps as number,
    slope: slope as number | null,
    groups: groups as number,
  };
}

/** The window of a pooling op, which is its step too, or the factor of an upsampling. */
export function windowOf({ attributes }: GraphNode, name: 'kernel' | 'scale'): Triple {
  return toTriple((attributes[name] ?? 2) as PerAxis);
}
