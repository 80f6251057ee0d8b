import { z } from 'zod/mini';
import { UsageError } from '../../../core/errors.ts';
import type { Declaration } from '../declare.ts';
import type { DesignRequest, NetworkKind } from '../kind.ts';
import { type Architecture, declareNetwork, type NetworkSpec } from '../network.ts';
import { ensembleOf } from './ensemble.ts';
import { meshnet } from './meshnet.ts';
import { nnunet } from './nnunet.ts';
import { unet } from './unet.ts';
import { unetRegression } from './unet-regression.ts';
import { unetSluice } from './unet-sluice.ts';
import { unetSoft } from './unet-soft.ts';

// The page reads checkpoints before anything else, so schemas are zod's small form; it has no language of its own.
z.config(z.locales.en());

/** A kind with its configurations' type left behind. */
interface AnyKind {
  readonly kind: string;
  readonly title: string;
  /** @throws UsageError naming the field. */
  parse(config: unknown): { readonly config: object; readonly architecture: Architecture };
  design(request: DesignRequest, given: object): object;
}

const KINDS: Map<string, AnyKind> = new Map();

/**
 * Adds a kind of network, which settings, commands and checkpoints then know by its name.
 * @throws UsageError for a name that is taken.
 */
export function registerNetwork<Config extends object>(kind: NetworkKind<Config>): void {
  if (KINDS.has(kind.kind))
    throw new UsageError(`there is a network kind ${JSON.stringify(kind.kind)} already`, {
      hint: 'Give yours another name.',
    });
  KINDS.set(kind.kind, {
    kind: kind.kind,
    title: kind.title,
    parse(value) {
      const parsed = kind.schema.safeParse(value);
      if (!parsed.success) {
        const issue = parsed.error.issues[0];
        const path = issue?.path.map(String).join('.') || 'the configuration';
        throw new UsageError(`network ${kind.kind}: ${path}: ${issue?.message ?? ''}`);
      }
      const config = parsed.data;
      return {
        config,
        architecture: {
          inChannels: kind.inChannels(config),
          heads: kind.heads(config),
          penalties: kind.penalties?.(config),
          patchMultiple: kind.patchMultiple(config),
          forward: (scope, input) => kind.forward(scope, input, config),
        },
      };
    },
    design: (request, given) => kind.design(request, given as Partial<Config>),
  });
}

// The kinds that come with the program.
registerNetwork(unet);
registerNetwork(nnunet);
registerNetwork(meshnet);
registerNetwork(unetRegression);
registerNetwork(unetSoft);
registerNetwork(unetSluice);
registerNetwork(ensembleOf(architectureOf));

/** What settings choose, and what checkpoints hold that name no kind. */
export const DEFAULT_KIND: string = unet.kind;

/** Every kind by name, with a sentence on each. */
export function networkKinds(): readonly { readonly kind: string; readonly title: string }[] {
  return [...KINDS.values()].map(({ kind, title }) => ({ kind, title }));
}

function find(kind: string): AnyKind {
  const found = KINDS.get(kind);
  if (found) return found;
  throw new UsageError(`there is no network kind ${JSON.stringify(kind)}`, {
    hint: `Kinds are ${[...KINDS.keys()].join(', ')}.`,
  });
}

/** A network as a function. @throws UsageError for an unknown kind, listing what exists, or a wrong configuration. */
export function architectureOf({ kind, config }: NetworkSpec): Architecture {
  return find(kind).parse(config).architecture;
}

/** What a network keeps. @throws UsageError as {@link architectureOf}. */
export function declarationOf(spec: NetworkSpec): Declaration {
  return declareNetwork(architectureOf(spec));
}

/**
 * Reads the description of a network that came with a file.
 * @param value `{ kind, config }`, or the configuration alone of a file from before there were kinds
 * @throws UsageError naming the kind or the field.
 */
export function parseNetworkSpec(value: unknown): NetworkSpec {
  const { kind = DEFAULT_KIND, config = value } = (value ?? {}) as Partial<
    Record<keyof NetworkSpec, unknown>
  >;
  const found = find(String(kind));
  return { kind: found.kind, config: found.parse(config).config };
}

/**
 * Designs a network for a task.
 * @param given fields of the configuration that are set already; the kind fills in the others
 * @throws UsageError for an unknown kind, an unknown field, or what no network of the kind does.
 */
export function designNetwork(kind: string, request: DesignRequest, given: object = {}): NetworkSpec {
  const found = find(kind);
  const designed = found.design(request, given);
  for (const field of Object.keys(given))
    if (!(field in designed))
      throw new UsageError(`network ${kind}: there is no field ${JSON.stringify(field)}`, {
        hint: `Fields are ${Object.keys(designed).join(', ')}.`,
      });
  const { config, architecture } = found.parse({ ...designed, ...given });
  for (const { name, perScan = false } of request.heads) {
    const head = architecture.heads.find((each) => each.name === name);
    if (!head) throw new UsageError(`network ${kind}: has no output ${JSON.stringify(name)}`);
    if (perScan !== (head.perScan ?? false))
      throw new UsageError(
        `network ${kind}: its output ${name} has a value per ${head.perScan ? 'scan' : 'voxel'}, and one per ${perScan ? 'scan' : 'voxel'} is wanted`,
        { hint: `Kinds are ${[...KINDS.keys()].join(', ')}.` },
      );
  }
  return { kind, config };
}

/** What of a network follows from a task. */
export type NetworkEnds = Pick<DesignRequest, 'inChannels' | 'heads'>;

/**
 * A network's configuration without its input channels and outputs: what another task's network of the same kind and
 * widths is designed with.
 * @throws UsageError as {@link architectureOf}.
 */
export function configWithoutEnds(spec: NetworkSpec): Readonly<Record<string, unknown>> {
  const { inChannels, heads } = architectureOf(spec);
  const others = heads.map((head) => ({ ...head, name: `${head.name}X`, channels: head.channels + 1 }));
  const one = designLike(spec, { inChannels, heads });
  const other = designLike(spec, { inChannels: inChannels + 1, heads: others });
  const same = ([field]: readonly [string, unknown]): boolean =>
    JSON.stringify(one[field]) === JSON.stringify(other[field]);
  return Object.fromEntries(Object.entries(spec.config).filter(same));
}

/** The same network with other input channels and outputs. @throws UsageError for what no network of the kind does. */
export function withEnds(spec: NetworkSpec, ends: NetworkEnds): NetworkSpec {
  const { kind, config } = parseNetworkSpec({
    kind: spec.kind,
    config: { ...designLike(spec, ends), ...configWithoutEnds(spec) },
  });
  return { kind, config };
}

function designLike({ kind, config }: NetworkSpec, ends: NetworkEnds): Readonly<Record<string, unknown>> {
  // Widths and extents stand in the configuration.
  const request: DesignRequest = { ...ends, baseChannels: 8, levels: 3, patch: [16, 16, 16] };
  return { ...find(kind).design(request, config) };
}
