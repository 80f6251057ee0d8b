import { readFileSync } from 'node:fs';
import type { Shape } from '../../src/core/shape.ts';
import { fromArray, type Nd } from './nd.ts';

/** Tensors and cases of one file below test/golden, written by make_golden.py. */
export interface Golden<Case> {
  readonly cases: readonly Case[];
  /** @throws Error for an unknown name. */
  get(name: string): Nd;
  /** Names of tensors that start with a prefix, without it. */
  below(prefix: string): string[];
  has(name: string): boolean;
}

interface Entry {
  readonly dtype: string;
  readonly shape: Shape;
  readonly data_offsets: readonly [number, number];
}

/** Reads `test/golden/<name>.safetensors`. */
export function loadGolden<Case extends { readonly name: string }>(name: string): Golden<Case> {
  const bytes = readFileSync(new URL(`../golden/${name}.safetensors`, import.meta.url));
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__: metadata, ...entries } = JSON.parse(bytes.toString('utf8', 8, start)) as Record<
    string,
    Entry
  > & { readonly __metadata__: { readonly cases: string } };
  const names = Object.keys(entries);
  return {
    cases: JSON.parse(metadata.cases) as Case[],
    get(tensor) {
      const entry = entries[tensor];
      if (!entry) throw new Error(`test/golden/${name}.safetensors holds no ${tensor}`);
      const [from, to] = entry.data_offsets;
      // A copy, so that the view is aligned.
      return fromArray(
        entry.shape,
        new Float32Array(Uint8Array.from(bytes.subarray(start + from, start + to)).buffer),
      );
    },
    below: (prefix) =>
      names.filter((tensor) => tensor.startsWith(prefix)).map((tensor) => tensor.slice(prefix.length)),
    has: (tensor) => tensor in entries,
  };
}
