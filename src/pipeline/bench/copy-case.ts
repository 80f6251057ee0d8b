import { read, write } from '../../engine/tape/command.ts';
import { tensor } from '../../engine/tape/tensor.ts';
import { cutSection, noiseOf } from '../../engine/tune/isolated.ts';
import type { BenchCase } from './cases.ts';

/** Floats that a workgroup of shaders/plain-copy.wgsl copies. */
const PER_GROUP = 64 * 8 * 4;

/** A plain copy: the rate that kernels of bandwidth are held against. `groups` times 8 kB are copied. */
export function copyCase(groups: number): BenchCase {
  const shape = [groups * PER_GROUP];
  return {
    kernel: 'copy/plain',
    shape: String(shape[0]),
    bound: 'bandwidth',
    flops: 0,
    bytes: 8 * shape[0]!,
    record(tape) {
      const [source, target] = [tensor('source', shape, 'arena'), tensor('target', shape, 'arena')] as const;
      tape.emitter.run({
        label: 'copy/plain',
        kernel: { file: 'plain-copy.wgsl', entry: 'copy' },
        bindings: [read(source), write(target)],
        workgroups: [groups, 1, 1],
      });
      const data = noiseOf(source);
      const section = cutSection(tape.commands, 0, 1, [source, target]);
      return { section, check: { tensor: target, expected: (i) => data[i]! } };
    },
  };
}
