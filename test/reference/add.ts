import type { AddAttributes } from '../../src/engine/ops/add.ts';
import type { Reference } from '../support/describe-op.ts';

export const addReference: Reference<AddAttributes> = {
  forward: (inputs) => ({
    shape: inputs[0]!.shape,
    data: inputs[0]!.data.map((_, i) => inputs.reduce((sum, { data }) => sum + data[i]!, 0)),
  }),
  backward: (inputs, _, gradOutput) => inputs.map(() => gradOutput),
};
