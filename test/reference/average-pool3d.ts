import type { AveragePool3dAttributes } from '../../src/engine/ops/average-pool3d.ts';
import type { Reference } from '../support/describe-op.ts';
import { zeros } from '../support/nd.ts';
import { eachWindow, pooledZeros } from '../support/windows.ts';

export const averagePool3dReference: Reference<AveragePool3dAttributes> = {
  forward([input], attributes) {
    const output = pooledZeros(input!, attributes);
    eachWindow(input!, attributes, (o, window) => {
      output.data[o] = window.reduce((sum, i) => sum + input!.data[i]!, 0) / window.length;
    });
    return output;
  },

  backward([input], attributes, gradOutput) {
    const gradInput = zeros(input!.shape);
    eachWindow(input!, attributes, (o, window) => {
      for (const i of window) gradInput.data[i] = gradOutput.data[o]! / window.length;
    });
    return [gradInput];
  },
};
