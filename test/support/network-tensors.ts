import type { NetworkSpec } from '../../src/engine/nn/network.ts';
import { declarationOf } from '../../src/engine/nn/networks/index.ts';
import type { ParameterSpec } from '../../src/engine/nn/scope.ts';

/** Everything that a network stores: its parameters, then its running statistics. */
export function tensorsOf(network: NetworkSpec): readonly ParameterSpec[] {
  const { parameters, state } = declarationOf(network);
  return [...parameters, ...state];
}
