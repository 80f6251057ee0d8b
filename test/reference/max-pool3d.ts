import type { MaxPool3dAttributes } from '../../src/engine/ops/max-pool3d.ts';
import type { Reference } from '../support/describe-op.ts';
import { type Nd, zeros } from '../support/nd.ts';
import { eachWindow, pooledZeros } from '../support/windows.ts';

/** The first largest of some elements. */
function winner({ data }: Nd, window: readonly number[]): number {
  return window.reduce((best, i) => (data[i]! > data[best]! ? i : best));
}

export const maxPool3dReference: Reference<MaxPool3dAttributes> = {
  forward([input], attributes) {
    const output = pooledZeros(input!, attributes);
    eachWindow(input!, attributes, (o, window) => {
      output.data[o] = input!.data[winner(input!, window)]!;
    });
    return output;
  },

  backward([input], attributes, gradOutput) {
    const gradInput = zeros(input!.shape);
    eachWindow(input!, attributes, (o, window) => {
      gradInput.data[winner(input!, window)]! += gradOutput.data[o]!;
    });
    return [gradInput];
  },
};
