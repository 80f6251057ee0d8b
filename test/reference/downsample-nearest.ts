import type { DownsampleNearestAttributes } from '../../src/engine/loss/downsample-nearest.ts';
import type { Reference } from '../support/describe-op.ts';
import { zeros } from '../support/nd.ts';

export const downsampleNearestReference: Reference<DownsampleNearestAttributes> = {
  forward: ([input], { extents }) => {
    const [batch, channels, ...from] = input!.shape as [number, number, number, number, number];
    const output = zeros([batch, channels, ...extents]);
    let at = 0;
    for (let row = 0; row < batch * channels; row++)
      for (let z = 0; z < from[0]; z += from[0] / extents[0])
        for (let y = 0; y < from[1]; y += from[1] / extents[1])
          for (let x = 0; x < from[2]; x += from[2] / extents[2])
            output.data[at++] = input!.data[((row * from[0] + z) * from[1] + y) * from[2] + x]!;
    return output;
  },
  backward: () => [null],
};
