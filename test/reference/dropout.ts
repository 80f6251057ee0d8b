import { sizeOf } from '../../src/core/shape.ts';
import type { DropoutAttributes } from '../../src/engine/ops/dropout.ts';
import type { Reference } from '../support/describe-op.ts';
import { type Nd, toFloat32 } from '../support/nd.ts';
import type { HostAttributes } from '../support/run-op.ts';

type Attributes = HostAttributes<DropoutAttributes>;

/** Jarzynski and Olano's pcg4d. */
export function pcg4d(key: readonly [number, number, number, number]): [number, number, number, number] {
  const v = key.map((word) => (Math.imul(word, 1664525) + 1013904223) >>> 0) as [
    number,
    number,
    number,
    number,
  ];
  const mix = (to: number, a: number, b: number): void => {
    v[to] = (v[to]! + Math.imul(v[a]!, v[b]!)) >>> 0;
  };
  const round = (): void => {
    mix(0, 1, 3);
    mix(1, 2, 0);
    mix(2, 0, 1);
    mix(3, 1, 2);
  };
  round();
  for (let i = 0; i < 4; i++) v[i] = (v[i]! ^ (v[i]! >>> 16)) >>> 0;
  round();
  return v;
}

function masked(values: Nd, { p = 0.5, perChannel = false, seed, stream = 0 }: Attributes): Nd {
  const [low, high] = new Uint32Array(toFloat32(seed).buffer) as unknown as [number, number];
  const unitSize = perChannel ? sizeOf(values.shape.slice(2)) : 1;
  const data = values.data.map((x, at) => {
    const unit = Math.floor(at / unitSize);
    const word = pcg4d([Math.floor(unit / 4), stream, low, high])[unit % 4]!;
    return word / 2 ** 32 >= p ? x / (1 - p) : 0;
  });
  return { shape: values.shape, data };
}

export const dropoutReference: Reference<Attributes> = {
  forward: ([input], attributes) => masked(input!, attributes),
  backward: (_, attributes, gradOutput) => [masked(gradOutput, attributes)],
};
