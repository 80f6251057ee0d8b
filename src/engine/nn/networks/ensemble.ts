import { z } from 'zod/mini';
import { UsageError } from '../../../core/errors.ts';
import { add } from '../../ops/add.ts';
import { conv3d } from '../../ops/conv3d.ts';
import type { Tensor } from '../../tape/tensor.ts';
import type { NetworkKind } from '../kind.ts';
import type { Architecture, NetworkSpec } from '../network.ts';

/** Networks of one kind whose outputs are averaged before they become probabilities, as nnU-Net does with folds. */
export interface EnsembleConfig {
  /** How many. Their tensors are called `members.0.…`. */
  readonly members: number;
  /** Each of them. */
  readonly of: NetworkSpec;
}

const schema: z.ZodMiniType<EnsembleConfig> = z.strictObject({
  members: z.int().check(z.minimum(2), z.maximum(16)),
  of: z.strictObject({
    kind: z.string().check(z.refine((kind) => kind !== 'ensemble', { message: 'no ensemble of ensembles' })),
    config: z.record(z.string(), z.unknown()),
  }),
});

/** @param architectureOf of a member, by the registry */
export function ensembleOf(architectureOf: (spec: NetworkSpec) => Architecture): NetworkKind<EnsembleConfig> {
  return {
    kind: 'ensemble',
    title: 'several networks whose outputs are averaged, such as the folds of an nnU-Net',
    schema,
    inChannels: ({ of }) => architectureOf(of).inChannels,
    heads: ({ of }) => architectureOf(of).heads,
    patchMultiple: ({ of }) => architectureOf(of).patchMultiple,
    design(_, { members, of }) {
      if (members === undefined || of === undefined)
        throw new UsageError('network ensemble: members and of are missing', {
          hint: 'An ensemble is made of networks that there are, not designed.',
        });
      return { members, of };
    },
    forward(scope, input, { members, of }) {
      const { forward, heads } = architectureOf(of);
      const outputs = Array.from({ length: members }, (_, i) =>
        scope.in(`members.${i}`, (member) => forward(member, input)),
      );
      return new Map(
        heads.map(({ name, channels, perScan = false }) => {
          if (perScan)
            throw new UsageError(
              `network ensemble: the output ${name} has a value per scan; maps are averaged`,
            );
          // The mean is a convolution whose weights never change.
          const weight = scope.in('mean', (at) =>
            at.parameter(
              name,
              [channels, channels, 1, 1, 1],
              { kind: 'rows', values: unit(channels).map((value) => value / members) },
              { requiresGrad: false },
            ),
          );
          const first = outputs[0]!.get(name)!;
          const means = first.map((_, level): Tensor => {
            const sum = scope.apply(
              add,
              outputs.map((output) => output.get(name)![level]!),
              {},
              'f32',
            );
            return scope.apply(
              conv3d,
              [sum, weight],
              { stride: 1, dilation: 1, padding: 0, sources: 1, bias: false },
              'f32',
            );
          });
          return [name, means];
        }),
      );
    },
  };
}

/** The unit matrix in rows. */
function unit(extent: number): number[] {
  return Array.from({ length: extent * extent }, (_, i) => Number(i % (extent + 1) === 0));
}
