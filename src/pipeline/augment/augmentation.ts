import { UsageError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import type { ObjectSchema, OutputOf } from '../../core/schema.ts';
import type { Triple } from '../../core/shape.ts';
import type { Kernel } from '../../engine/gpu/kernel.ts';
import type { Params } from '../../engine/tape/command.ts';

/** What an augmentation knows of the patch that it changes. */
export interface AugmentContext {
  /** Extents of the patch, [z, y, x]. */
  readonly patch: Triple;
  /** Image channels; maps that a network reads beside them keep their values. */
  readonly images: number;
}

/** A 3 x 3 matrix in rows, over [z, y, x]. */
export type Matrix3 = readonly [number, number, number, number, number, number, number, number, number];

/** Where the voxels of a patch are read from. All changes of a patch are put together and resampled once. */
export interface SpatialChange {
  /** In mm: brings an output voxel, from the centre of the patch, to where it is read (default: the identity). */
  readonly matrix?: Matrix3;
  /** Is added to where a voxel is read: a cubic B-spline over the patch. */
  readonly shifts?: Shifts;
}

/** Control points of a displacement. */
export interface Shifts {
  /** Control points along each axis; at least 4. */
  readonly points: number;
  /** [points, points, points, 3]: displacement [z, y, x] in voxels, z slowest. */
  readonly values: Float32Array;
}

/**
 * One kernel that changes a channel of a patch. It binds, in this order from 0: what `bindings` names, then its
 * parameters, a struct that begins with `depth, height, width, first: u32` (`values` starts at element `first` of its
 * binding) and continues with the fields of {@link PassInput.params}.
 * A voxel that is exactly 0 lies outside the brain and must stay 0.
 */
export interface PatchKernel {
  readonly kernel: Kernel;
  /**
   * `values`: the channel, `array<f32>`, x fastest. `scratch`: two channels and 16 further floats, which later kernels of
   * the same augmentation find as they were left. `table`: what {@link PassInput.table} gave. All `read_write`.
   */
  readonly bindings: readonly ('values' | 'scratch' | 'table')[];
  /** The most floats that its table takes. */
  tableFloats?(patch: Triple): number;
  /** Workgroups (default: one per 1024 voxels). */
  workgroups?(patch: Triple): readonly [number, number, number];
}

/** What a kernel is given for one channel of one patch. */
export interface PassInput {
  readonly params?: Params;
  readonly table?: Float32Array;
}

interface Named<Checked extends ObjectSchema> {
  /** `gamma`: in settings and messages. */
  readonly name: string;
  /** A few words for lists: what it does. */
  readonly title: string;
  /** Its settings: each with its description, bounds and default, under names that no other setting has. */
  readonly schema: Checked;
}

/** What moves voxels. */
export interface SpatialDefinition<Checked extends ObjectSchema> extends Named<Checked> {
  readonly kind: 'spatial';
  /** False if all it does is to mirror axes: then voxels are copied, not interpolated (default true). */
  readonly resamples?: boolean;
  /** The most control points along an axis (default: none). */
  points?(settings: OutputOf<Checked>): number;
  /** Draws once per patch; undefined if the patch stays as it is. */
  draw(random: Random, settings: OutputOf<Checked>, context: AugmentContext): SpatialChange | undefined;
}

/** What changes intensities. */
export interface IntensityDefinition<Checked extends ObjectSchema, Parameters> extends Named<Checked> {
  readonly kind: 'intensity';
  /** Draws once per patch: for each image channel parameters, or undefined if it stays as it is. */
  draw(
    random: Random,
    settings: OutputOf<Checked>,
    context: AugmentContext,
  ): readonly (Parameters | undefined)[];
  /** What runs, in this order. */
  readonly kernels: readonly PatchKernel[];
  /** What each kernel is given. */
  passes(parameters: Parameters, patch: Triple): readonly PassInput[];
}

/** An augmentation with its settings. */
export type BoundAugmentation = BoundSpatial | BoundIntensity;

/** A spatial augmentation with its settings. */
export interface BoundSpatial {
  readonly kind: 'spatial';
  readonly name: string;
  readonly resamples: boolean;
  readonly points: number;
  draw(random: Random, context: AugmentContext): SpatialChange | undefined;
}

/** An augmentation of intensities with its settings. */
export interface BoundIntensity {
  readonly kind: 'intensity';
  readonly name: string;
  readonly kernels: readonly PatchKernel[];
  /** For each image channel what each kernel is given, or undefined. */
  draw(random: Random, context: AugmentContext): readonly (readonly PassInput[] | undefined)[];
}

/** An augmentation of the registry. */
export interface Augmentation {
  readonly name: string;
  readonly title: string;
  readonly schema: ObjectSchema;
  /**
   * The augmentation with some of its settings, the others at their defaults.
   * @throws UsageError naming the augmentation, the setting, the rule and the value.
   */
  bind(settings?: Readonly<Record<string, unknown>>): BoundAugmentation;
}

/** An augmentation of intensities, whose kernels can be run with parameters of one's choice. */
export interface IntensityAugmentation<Parameters> extends Augmentation {
  /** What runs, in this order. */
  readonly kernels: readonly PatchKernel[];
  /** What each kernel is given. */
  passes(parameters: Parameters, patch: Triple): readonly PassInput[];
}

/**
 * Makes an augmentation that moves voxels, to be listed in the registry.
 *
 * @example
 * export const upsideDown = defineSpatial({
 *   name: 'upside-down', title: 'Upside down', kind: 'spatial', schema: z.strictObject({}),
 *   draw: (random) => (random.uniform() < 0.5 ? { matrix: [-1, 0, 0, 0, 1, 0, 0, 0, 1] } : undefined),
 * });
 */
export function defineSpatial<Checked extends ObjectSchema>(
  definition: SpatialDefinition<Checked>,
): Augmentation {
  const { name, title, schema } = definition;
  return {
    name,
    title,
    schema,
    bind(given = {}) {
      const settings = parseSettings(name, schema, given);
      return {
        kind: 'spatial',
        name,
        resamples: definition.resamples ?? true,
        points: definition.points?.(settings) ?? 0,
        draw: (random, context) => definition.draw(random, settings, context),
      };
    },
  };
}

/** Makes an augmentation of intensities, to be listed in the registry: `test/examples/custom-augmentation.ts`. */
export function defineIntensity<Checked extends ObjectSchema, Parameters>(
  definition: IntensityDefinition<Checked, Parameters>,
): IntensityAugmentation<Parameters> {
  const { name, title, schema, kernels } = definition;
  return {
    name,
    title,
    schema,
    kernels,
    passes: (parameters, patch) => definition.passes(parameters, patch),
    bind(given = {}) {
      const settings = parseSettings(name, schema, given);
      return {
        kind: 'intensity',
        name,
        kernels,
        draw: (random, context) =>
          definition
            .draw(random, settings, context)
            .map((parameters) => parameters && definition.passes(parameters, context.patch)),
      };
    },
  };
}

function parseSettings<Checked extends ObjectSchema>(
  name: string,
  schema: Checked,
  settings: Readonly<Record<string, unknown>>,
): OutputOf<Checked> {
  const parsed = schema.safeParse(settings);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const key = String(issue.path[0] ?? issue.keys?.[0]);
  const rule = issue.code === 'unrecognized_keys' ? 'there is no such setting' : issue.message;
  throw new UsageError(
    `augmentation ${name}: ${key} is ${JSON.stringify(settings[key])}; ${rule.replace(/^Invalid (input|option): /, '')}`,
    { hint: `Its settings are ${Object.keys(schema.shape).join(', ') || 'none'}.` },
  );
}
