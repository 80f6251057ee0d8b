import type { MseAttributes } from '../../src/engine/loss/mse.ts';
import type { Reference } from '../support/describe-op.ts';
import type { Nd } from '../support/nd.ts';
import type { HostAttributes } from '../support/run-op.ts';

type Settings = HostAttributes<MseAttributes>;

/** Weight of each element: its share of the mean. */
function shares(output: Nd, { mask }: Settings): Float64Array {
  const [items, channels] = output.shape as [number, number];
  const voxels = output.data.length / (items * channels);
  const weights = output.data.map((_, i) =>
    mask ? (mask as Nd).data[Math.floor(i / (channels * voxels)) * voxels + (i % voxels)]! : 1,
  );
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => (total > 0 ? weight / total : 0));
}

export const mseReference: Reference<Settings> = {
  forward: ([output], settings) => {
    const share = shares(output!, settings);
    const value = output!.data.reduce(
      (sum, x, i) => sum + share[i]! * (x - settings.target.data[i]!) ** 2,
      0,
    );
    return { shape: [1], data: Float64Array.of(value) };
  },
  backward: ([output], settings, gradOutput) => {
    const share = shares(output!, settings);
    const data = output!.data.map(
      (x, i) => 2 * gradOutput.data[0]! * share[i]! * (x - settings.target.data[i]!),
    );
    return [{ shape: output!.shape, data }];
  },
};
