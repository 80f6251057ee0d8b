import type { Reference } from '../support/describe-op.ts';
import { zeros } from '../support/nd.ts';

export const crossStitchReference: Reference<Record<string, never>> = {
  forward([own, other, weight]) {
    const channelOf = channels(own!.shape);
    const n = own!.shape[1]!;
    return {
      shape: own!.shape,
      data: own!.data.map((a, i) => {
        const c = channelOf(i);
        return weight!.data[c]! * a + weight!.data[n + c]! * other!.data[i]!;
      }),
    };
  },
  backward([own, other, weight], _, gradOutput) {
    const channelOf = channels(own!.shape);
    const n = own!.shape[1]!;
    const gradWeight = zeros(weight!.shape);
    gradOutput.data.forEach((g, i) => {
      const c = channelOf(i);
      gradWeight.data[c]! += g * own!.data[i]!;
      gradWeight.data[n + c]! += g * other!.data[i]!;
    });
    const scaled = (row: number) => ({
      shape: own!.shape,
      data: gradOutput.data.map((g, i) => g * weight!.data[row * n + channelOf(i)]!),
    });
    return [scaled(0), scaled(1), gradWeight];
  },
};

function channels(shape: readonly number[]): (i: number) => number {
  const voxels = shape.slice(2).reduce((a, b) => a * b, 1);
  return (i) => Math.floor(i / voxels) % shape[1]!;
}
