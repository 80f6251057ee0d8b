import type { BatchNormAttributes } from '../../src/engine/ops/batch-norm.ts';
import type { Reference } from '../support/describe-op.ts';
import { type Nd, zeros } from '../support/nd.ts';
import type { HostAttributes } from '../support/run-op.ts';

type Attributes = HostAttributes<BatchNormAttributes>;

/** Calls `visit` with each element's index and channel. */
function eachElement(shape: readonly number[], visit: (i: number, channel: number) => void): void {
  const [batch, channels, ...space] = shape as [number, number, ...number[]];
  const voxels = space.reduce((product, extent) => product * extent, 1);
  for (let n = 0, i = 0; n < batch; n++)
    for (let c = 0; c < channels; c++) for (let v = 0; v < voxels; v++) visit(i++, c);
}

function batchStatistics(input: Nd): { mean: Float64Array; variance: Float64Array; count: number } {
  const channels = input.shape[1]!;
  const count = input.data.length / channels;
  const mean = new Float64Array(channels);
  const variance = new Float64Array(channels);
  eachElement(input.shape, (i, c) => {
    mean[c]! += input.data[i]! / count;
  });
  eachElement(input.shape, (i, c) => {
    variance[c]! += (input.data[i]! - mean[c]!) ** 2 / count;
  });
  return { mean, variance, count };
}

function statisticsOf(input: Nd, attributes: Attributes): { mean: Float64Array; variance: Float64Array } {
  return attributes.training
    ? batchStatistics(input)
    : { mean: attributes.runningMean.data, variance: attributes.runningVar.data };
}

export const batchNormReference: Reference<Attributes> = {
  forward([input, weight, bias], attributes) {
    const { mean, variance } = statisticsOf(input!, attributes);
    const output = zeros(input!.shape);
    eachElement(input!.shape, (i, c) => {
      const xhat = (input!.data[i]! - mean[c]!) / Math.sqrt(variance[c]! + (attributes.eps ?? 1e-5));
      const y = xhat * weight!.data[c]! + bias!.data[c]!;
      output.data[i] = y > 0 ? y : y * (attributes.slope ?? 1);
    });
    return output;
  },

  backward([input, weight, bias], attributes, gradOutput) {
    const { mean, variance } = statisticsOf(input!, attributes);
    const { shape } = input!;
    const channels = shape[1]!;
    const count = input!.data.length / channels;
    const gradInput = zeros(shape);
    const gradWeight = zeros([channels]);
    const gradBias = zeros([channels]);
    const g = new Float64Array(input!.data.length);
    const xhat = new Float64Array(input!.data.length);
    eachElement(shape, (i, c) => {
      xhat[i] = (input!.data[i]! - mean[c]!) / Math.sqrt(variance[c]! + (attributes.eps ?? 1e-5));
      const y = xhat[i]! * weight!.data[c]! + bias!.data[c]!;
      g[i] = gradOutput.data[i]! * (y > 0 ? 1 : (attributes.slope ?? 1));
      gradBias.data[c]! += g[i]!;
      gradWeight.data[c]! += g[i]! * xhat[i]!;
    });
    eachElement(shape, (i, c) => {
      const scale = weight!.data[c]! / Math.sqrt(variance[c]! + (attributes.eps ?? 1e-5));
      const centred = (gradBias.data[c]! + xhat[i]! * gradWeight.data[c]!) / count;
      gradInput.data[i] = scale * (g[i]! - (attributes.training ? centred : 0));
    });
    return [gradInput, gradWeight, gradBias];
  },

  after([input], { training, momentum = 0.1, runningMean, runningVar }) {
    if (!training) return { runningMean, runningVar };
    const { mean, variance, count } = batchStatistics(input!);
    const move = (old: Nd, value: (c: number) => number): Nd => ({
      shape: old.shape,
      data: old.data.map((x, c) => (1 - momentum) * x + momentum * value(c)),
    });
    return {
      runningMean: move(runningMean, (c) => mean[c]!),
      runningVar: move(runningVar, (c) => (variance[c]! * count) / (count - 1)),
    };
  },
};
