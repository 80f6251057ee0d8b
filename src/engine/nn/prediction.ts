import type { Activation } from '../loss/loss.ts';
import { sigmoid } from '../ops/sigmoid.ts';
import { softmax } from '../ops/softmax.ts';
import type { Tape } from '../tape/tape.ts';
import type { Element, Tensor } from '../tape/tensor.ts';
import type { Network } from './network.ts';

/** How a prediction is recorded. */
export interface PredictionOptions {
  /** What activations are stored as (default f32). */
  readonly stored?: Element | undefined;
  /** By head (default softmax). */
  readonly activations?: Readonly<Record<string, Activation>>;
}

/**
 * Records a network in evaluation mode, for predicting, tuning and timing alike.
 * @param input [N, channels, D, H, W]
 * @returns by head: probabilities, or values, of 32 bits
 * @throws ShapeError for an input that the network does not take; GpuError where the device does not store such
 *   elements.
 */
export function recordPrediction(
  tape: Tape,
  net: Network,
  input: Tensor,
  { stored = 'f32', activations = {} }: PredictionOptions = {},
): ReadonlyMap<string, Tensor> {
  const found = new Map<string, Tensor>();
  for (const [head, [output]] of net.forward(tape, input, 'predict', stored))
    found.set(head, activate(tape, output!, activations[head] ?? 'softmax'));
  return found;
}

function activate(tape: Tape, output: Tensor, activation: Activation): Tensor {
  if (activation === 'none') return output;
  return activation === 'softmax' ? tape.apply(softmax, [output], {}) : tape.apply(sigmoid, [output], {});
}
