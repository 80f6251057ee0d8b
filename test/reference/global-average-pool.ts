import type { GlobalAveragePoolAttributes } from '../../src/engine/ops/global-average-pool.ts';
import type { Reference } from '../support/describe-op.ts';
import { type Nd, zeros } from '../support/nd.ts';

function voxelsOf({ shape, data }: Nd): number {
  return data.length / (shape[0]! * shape[1]!);
}

export const globalAveragePoolReference: Reference<GlobalAveragePoolAttributes> = {
  forward: ([input]) => {
    const output = zeros(input!.shape.slice(0, 2));
    const voxels = voxelsOf(input!);
    input!.data.forEach((x, i) => {
      output.data[Math.floor(i / voxels)]! += x / voxels;
    });
    return output;
  },
  backward: ([input], _, gradOutput) => {
    const voxels = voxelsOf(input!);
    const data = input!.data.map((_, i) => gradOutput.data[Math.floor(i / voxels)]! / voxels);
    return [{ shape: input!.shape, data }];
  },
};
