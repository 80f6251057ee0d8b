import { CheckpointError, UsageError } from '../../../core/errors.ts';
import type { Triple } from '../../../core/shape.ts';
import { setting, worded } from '../../../core/wording.ts';
import type { NetworkSpec } from '../../../engine/nn/network.ts';
import { parseNetworkSpec } from '../../../engine/nn/networks/index.ts';
import type { NnUNetSteps, Normalisation, Resampling, SplineOrder } from '../../models/steps.ts';
import { Fields } from './fields.ts';

/** What `plans.json` says of one configuration. */
export interface Plans {
  /** `Dataset001_Plain` */
  readonly dataset: string;
  readonly configuration: string;
  /** Extents of the window, along the network's axes. */
  readonly patch: Triple;
  readonly steps: NnUNetSteps;
  /** @throws UsageError for a network that is none of nnU-Net's two. */
  network(inChannels: number, outChannels: number): NetworkSpec;
}

/** The name of a network's only head. */
export const HEAD = 'labels';

const RESAMPLING = 'resample_data_or_seg_to_shape';
const NETWORKS = { PlainConvUNet: 'plain', ResidualEncoderUNet: 'residual' } as const;
const SCHEMES = [
  'ZScoreNormalization',
  'CTNormalization',
  'RescaleTo01Normalization',
  'RGBTo01Normalization',
  'NoNormalization',
];
/** Whether a reader of images brings axes to one order first. */
const READERS: Readonly<Record<string, boolean>> = {
  SimpleITKIO: false,
  NibabelIO: false,
  NibabelIOWithReorient: true,
};

/**
 * Reads `plans.json` of nnU-Net v2: also of versions before 2.5, in which the network stands among the configuration's own
 * fields.
 * @param value the JSON
 * @param path how messages call the file
 * @param configuration such as `3d_fullres`
 * @throws CheckpointError for plans of nnU-Net v1, 2D networks, second stages of a cascade, unknown normalisation,
 *   resampling, preprocessors and readers; UsageError for a configuration that is not there; FileFormatError for a field
 *   that makes no sense.
 */
export function readPlans(value: unknown, path: string, configuration: string): Plans {
  const plans = new Fields(value, path);
  if (plans.has('plans_per_stage') || plans.has('num_stages'))
    throw new CheckpointError(`${path}: are plans of nnU-Net v1; those of v2 are read`, {
      hint: 'Convert the data set and train again with nnU-Net v2.',
    });
  const own = mergedConfiguration(plans, path, configuration);
  if (own.has('previous_stage'))
    throw new CheckpointError(
      `${path}: ${configuration} is the second stage of a cascade, which reads what ${String(own.raw('previous_stage'))} found`,
      {
        hint: worded`Networks of one stage are read: choose ${setting('configuration', '3d_fullres')} or ${setting('configuration', '3d_lowres')}.`,
      },
    );
  if (own.numbers('patch_size').length === 2)
    throw new CheckpointError(`${path}: ${configuration} is a 2D network`, {
      hint: worded`3D networks are read: choose ${setting('configuration', '3d_fullres')}.`,
    });
  known(
    path,
    'preprocessor',
    own.has('preprocessor_name') ? own.text('preprocessor_name') : 'DefaultPreprocessor',
    ['DefaultPreprocessor'],
  );
  const reader = plans.has('image_reader_writer') ? plans.text('image_reader_writer') : 'SimpleITKIO';
  known(path, 'reader of images', reader, Object.keys(READERS));
  const schemes = own.list('normalization_schemes').map(String);
  const steps: NnUNetSteps = {
    kind: 'nnunet',
    reorient: READERS[reader]!,
    transpose: plans.has('transpose_forward') ? plans.triple('transpose_forward') : [0, 1, 2],
    spacing: own.triple('spacing'),
    normalisation: schemes.map((scheme, channel) => normalisationOf(scheme, channel, own, plans, path)),
    images: resamplingOf(own, 'data', path),
    outputs: resamplingOf(own, 'probabilities', path),
    // The checkpoint says, not the plans.
    mirror: [],
  };
  return {
    dataset: plans.has('dataset_name') ? plans.text('dataset_name') : 'nnU-Net',
    configuration,
    patch: own.triple('patch_size'),
    steps,
    network: (inChannels, outChannels) => networkOf(own, path, inChannels, outChannels),
  };
}

/** A configuration over those that it inherits from. */
function mergedConfiguration(plans: Fields, path: string, name: string): Fields {
  const all = plans.object('configurations');
  const seen: string[] = [];
  let fields: Record<string, unknown> = {};
  for (let next: string | undefined = name; next !== undefined; ) {
    if (!all.names.includes(next))
      throw new UsageError(`${path}: there is no configuration ${JSON.stringify(next)}`, {
        hint: `There are ${all.names.join(', ')}.`,
      });
    if (seen.includes(next))
      throw new CheckpointError(`${path}: configurations inherit in a circle: ${[...seen, next].join(', ')}`);
    seen.push(next);
    const own: Fields = all.object(next);
    fields = { ...Object.fromEntries(own.names.map((key) => [key, own.raw(key)])), ...fields };
    next = own.has('inherits_from') ? own.text('inherits_from') : undefined;
  }
  return new Fields(fields, path, `configurations.${name}`);
}

/** @throws CheckpointError for a name that is none of these, listing them. */
function known(path: string, what: string, name: string, names: readonly string[]): void {
  if (names.includes(name)) return;
  throw new CheckpointError(`${path}: the ${what} ${JSON.stringify(name)} is not known`, {
    hint: `Known is ${names.join(', ')}.`,
  });
}

function normalisationOf(
  scheme: string,
  channel: number,
  own: Fields,
  plans: Fields,
  path: string,
): Normalisation {
  known(path, 'normalisation', scheme, SCHEMES);
  switch (scheme) {
    case 'ZScoreNormalization':
      return { scheme: 'zscore', mask: own.list('use_mask_for_norm')[channel] === true };
    case 'CTNormalization': {
      // Of plans before 2.1 the first is missing.
      const name = [
        'foreground_intensity_properties_per_channel',
        'foreground_intensity_properties_by_modality',
      ];
      const found = plans.object(name.find((each) => plans.has(each)) ?? name[0]!).object(String(channel));
      return {
        scheme: 'ct',
        mean: found.number('mean'),
        deviation: found.number('std'),
        low: found.number('percentile_00_5'),
        high: found.number('percentile_99_5'),
      };
    }
    case 'RescaleTo01Normalization':
      return { scheme: 'rescale' };
    case 'RGBTo01Normalization':
      return { scheme: 'rgb' };
    default:
      return { scheme: 'none' };
  }
}

function resamplingOf(own: Fields, what: 'data' | 'probabilities', path: string): Resampling {
  const name = `resampling_fn_${what}`;
  known(path, `way of resampling (${name})`, own.has(name) ? own.text(name) : RESAMPLING, [RESAMPLING]);
  const usual = { order: what === 'data' ? 3 : 1, order_z: 0, force_separate_z: null };
  const given = own.has(`${name}_kwargs`) ? own.object(`${name}_kwargs`) : new Fields(usual, path);
  const order = (field: 'order' | 'order_z'): SplineOrder => {
    const value = given.has(field) ? given.number(field) : usual[field];
    if (value !== 0 && value !== 1 && value !== 3)
      throw new CheckpointError(`${path}: ${name} interpolates with order ${value}`, {
        hint: 'Orders 0, 1 and 3 are known.',
      });
    return value;
  };
  const separate = given.raw('force_separate_z');
  return {
    order: order('order'),
    orderZ: order('order_z'),
    separateZ: typeof separate === 'boolean' ? separate : null,
  };
}

/** The network as this program knows it. */
function networkOf(own: Fields, path: string, inChannels: number, outChannels: number): NetworkSpec {
  const design = own.has('architecture') ? newDesign(own.object('architecture'), path) : oldDesign(own);
  const name = design.network.split('.').at(-1)!;
  known(path, 'network', name, Object.keys(NETWORKS));
  const encoder = NETWORKS[name as keyof typeof NETWORKS];
  const { network: _, ...config } = design;
  return parseNetworkSpec({
    kind: 'nnunet',
    config: {
      inChannels,
      encoder,
      ...config,
      heads: [{ name: HEAD, channels: outChannels }],
      deepSupervision: true,
    },
  });
}

interface Design {
  readonly network: string;
  readonly features: readonly number[];
  readonly kernels: readonly Triple[];
  readonly strides: readonly Triple[];
  readonly blocks: readonly number[];
  readonly decoderBlocks: readonly number[];
}

/** Plans since 2.5: the class and its arguments. */
function newDesign(architecture: Fields, path: string): Design {
  const network = architecture.text('network_class_name');
  const args = architecture.object('arch_kwargs');
  if (args.raw('conv_bias') !== true) throw unlike(path, 'conv_bias', args.raw('conv_bias'), 'true');
  for (const [field, wanted] of [
    ['conv_op', 'Conv3d'],
    ['norm_op', 'InstanceNorm3d'],
    ['nonlin', 'LeakyReLU'],
  ] as const) {
    const name = String(args.raw(field)).split('.').at(-1);
    if (name !== wanted) throw unlike(path, field, args.raw(field), wanted);
  }
  if (args.has('dropout_op')) throw unlike(path, 'dropout_op', args.raw('dropout_op'), 'null');
  const norm = args.object('norm_op_kwargs');
  if (norm.raw('affine') !== true || norm.number('eps') !== 1e-5)
    throw unlike(path, 'norm_op_kwargs', args.raw('norm_op_kwargs'), '{"eps": 1e-5, "affine": true}');
  const slope = args.has('nonlin_kwargs') ? args.object('nonlin_kwargs').raw('negative_slope') : undefined;
  if (slope !== undefined && slope !== 0.01) throw unlike(path, 'negative_slope', slope, '0.01');
  const residual = network.endsWith('ResidualEncoderUNet');
  const features = args.numbers('features_per_stage');
  return {
    network,
    features,
    kernels: args.triples('kernel_sizes'),
    strides: args.triples('strides'),
    blocks: each(args, residual ? 'n_blocks_per_stage' : 'n_conv_per_stage', features.length),
    decoderBlocks: each(args, 'n_conv_per_stage_decoder', features.length - 1),
  };
}

/** One number for every stage, or a list of them. */
function each(args: Fields, name: string, stages: number): readonly number[] {
  return typeof args.raw(name) === 'number'
    ? Array.from({ length: stages }, () => args.number(name))
    : args.numbers(name);
}

function unlike(path: string, field: string, value: unknown, wanted: string): CheckpointError {
  return new CheckpointError(`${path}: ${field} is ${JSON.stringify(value)}`, {
    hint: `Networks with ${wanted} are read, as nnU-Net plans them.`,
  });
}

/** Plans before 2.5. */
function oldDesign(own: Fields): Design {
  const kernels = own.triples('conv_kernel_sizes');
  const base = own.number('UNet_base_num_features');
  const most = own.number('unet_max_num_features');
  return {
    network: own.text('UNet_class_name'),
    features: kernels.map((_, stage) => Math.min(most, base * 2 ** stage)),
    kernels,
    strides: own.triples('pool_op_kernel_sizes'),
    blocks: own.numbers('n_conv_per_stage_encoder'),
    decoderBlocks: own.numbers('n_conv_per_stage_decoder'),
  };
}
