import { readFileSync } from 'node:fs';
import { readSafetensors } from '../../src/engine/checkpoint/safetensors.ts';
import { fromArray, type Nd } from './nd.ts';

/** Tensors and cases of one file below test/golden, written by make_golden.py. */
export interface Golden<Case> {
  readonly cases: readonly Case[];
  /** @throws Error for an unknown name. */
  get(name: string): Nd;
  /** Tensors whose names start with a prefix, by the rest of the name. */
  below(prefix: string): Map<string, Float32Array>;
}

/** Reads `test/golden/<name>.safetensors`. */
export function loadGolden<Case extends { readonly name: string }>(name: string): Golden<Case> {
  const path = `test/golden/${name}.safetensors`;
  const { tensors, metadata } = readSafetensors(
    readFileSync(new URL(`../../${path}`, import.meta.url)),
    path,
  );
  const floats = (tensor: string): Float32Array => {
    const data = tensors.get(tensor)?.data;
    if (!(data instanceof Float32Array)) throw new Error(`${path} holds no floats ${tensor}`);
    return data;
  };
  return {
    cases: JSON.parse(metadata.get('cases') ?? '[]') as Case[],
    get: (tensor) => fromArray(tensors.get(tensor)?.shape ?? [0], floats(tensor)),
    below: (prefix) =>
      new Map(
        [...tensors.keys()]
          .filter((tensor) => tensor.startsWith(prefix))
          .map((tensor) => [tensor.slice(prefix.length), floats(tensor)]),
      ),
  };
}
