import { UsageError } from '../../../core/errors.ts';
import { formatRecord } from '../../../core/record.ts';
import { type Triple, toTriple } from '../../../core/shape.ts';
import { parameterShapes } from '../../../engine/checkpoint/checkpoint.ts';
import { type Saved, savedJson, Tuple, writeTorchFile } from '../../../engine/checkpoint/write-torch-file.ts';
import type { NetworkSpec } from '../../../engine/nn/network.ts';
import type { EnsembleConfig } from '../../../engine/nn/networks/ensemble.ts';
import type { NnUNetConfig } from '../../../engine/nn/networks/nnunet.ts';
import type { ModelInfo } from '../../models/model.ts';
import type { NnUNetSteps, Normalisation } from '../../models/steps.ts';
import type { ExportFormat } from '../export-format.ts';

const CONFIGURATION = '3d_fullres';
const FOLDER = `nnUNetTrainer__nnUNetPlans__${CONFIGURATION}`;
const RESAMPLING = 'resample_data_or_seg_to_shape';

/** A results folder of nnU-Net v2, for networks that it could have planned. */
export const nnunet: ExportFormat = {
  name: 'nnunet',
  title: 'a results folder of nnU-Net v2, for its kind of network with one head',
  async write({ model: { info, weights }, name }, out) {
    const { config, members } = networkOf(info.network);
    const [head] = info.task.heads;
    if (info.task.heads.length !== 1 || head!.activation !== 'softmax')
      throw new UsageError(
        `${info.task.name}: nnU-Net has one head whose labels exclude one another; this network has ${info.task.heads.map((each) => `${each.name} (${each.activation})`).join(', ')}`,
        { hint: 'Choose another format.' },
      );
    const notes: string[] = [];
    const steps = info.steps?.kind === 'nnunet' ? info.steps : ownSteps(info);
    if (!info.steps)
      notes.push(
        "nnU-Net cuts and normalises images in its own way, not as in this network's training: probabilities differ a little",
      );
    const dataset = `Dataset001_${name.replace(/\W/g, '')}`;
    const plans = plansOf(dataset, config, steps, toTriple(info.patch));
    const values = head!.target.from === 'dseg' ? head!.target.values : undefined;
    const labels = Object.fromEntries(head!.labels.map((label, i) => [label, values?.[i] ?? i + 1]));
    const datasetJson = {
      channel_names: Object.fromEntries(info.task.channels.map((channel, i) => [String(i), channel])),
      labels: { background: 0, ...labels },
      numTraining: 0,
      file_ending: '.nii.gz',
    };
    const files: string[] = [];
    const write = async (path: string, bytes: Uint8Array): Promise<void> => {
      await out.write(`${FOLDER}/${path}`, bytes);
      files.push(`${FOLDER}/${path}`);
    };
    await write('plans.json', formatRecord(plans));
    await write('dataset.json', formatRecord(datasetJson));
    for (let fold = 0; fold < members.length; fold++) {
      const checkpoint = new Map<string, Saved>([
        ['network_weights', stateDictionary(members[fold]!, weights)],
        ['trainer_name', 'nnUNetTrainer'],
        ['init_args', savedJson({ plans, configuration: CONFIGURATION, fold, dataset_json: datasetJson })],
        ['current_epoch', 0],
        ['inference_allowed_mirroring_axes', steps.mirror.length > 0 ? new Tuple(...steps.mirror) : null],
      ]);
      await write(`fold_${fold}/checkpoint_final.pth`, writeTorchFile(checkpoint));
    }
    return { files, notes };
  },
};

/** A network, and its tensors' names and shapes: by member of an ensemble, the names in the file of the model first. */
function networkOf({ kind, config }: NetworkSpec): {
  readonly config: NnUNetConfig;
  readonly members: readonly Member[];
} {
  const ensemble = kind === 'ensemble' ? (config as EnsembleConfig) : undefined;
  const of = ensemble?.of ?? { kind, config };
  if (of.kind !== 'nnunet')
    throw new UsageError(`nnU-Net has no network of the kind ${of.kind}`, {
      hint: 'Networks of the kind nnunet can be written so; for others choose another format.',
    });
  const shapes = parameterShapes(of);
  const prefixes = ensemble ? Array.from({ length: ensemble.members }, (_, i) => `members.${i}.`) : [''];
  return {
    config: of.config as NnUNetConfig,
    members: prefixes.map((prefix) => ({ prefix, shapes })),
  };
}

interface Member {
  readonly prefix: string;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
}

/** Tensors under all the names that the library's modules have for them. */
function stateDictionary(
  { prefix, shapes }: Member,
  weights: ReadonlyMap<string, Float32Array>,
): ReadonlyMap<string, Saved> {
  const found = new Map<string, Saved>();
  for (const [name, shape] of shapes) {
    const tensor = { shape, data: weights.get(`${prefix}${name}`)! };
    // A block keeps its layers in a list too, and the decoder keeps the encoder.
    const listed = name.replace(
      /\.(conv|norm)\.(weight|bias)$/,
      (_, layer: string, what: string) => `.all_modules.${layer === 'conv' ? 0 : 1}.${what}`,
    );
    for (const each of new Set([name, listed])) {
      found.set(each, tensor);
      if (each.startsWith('encoder.')) found.set(`decoder.${each}`, tensor);
    }
  }
  return found;
}

/** The nearest that nnU-Net has to this program's own preparation. */
function ownSteps({ task, spacing }: ModelInfo): NnUNetSteps {
  const mm = spacing?.[0]?.mm ?? [1, 1, 1];
  return {
    kind: 'nnunet',
    reorient: false,
    transpose: [0, 1, 2],
    spacing: [mm[2], mm[1], mm[0]],
    normalisation: task.channels.map(() => ({ scheme: 'zscore', mask: true }) as const),
    images: { order: 3, orderZ: 0, separateZ: null },
    outputs: { order: 1, orderZ: 0, separateZ: null },
    mirror: [],
  };
}

const SCHEMES = {
  zscore: 'ZScoreNormalization',
  ct: 'CTNormalization',
  rescale: 'RescaleTo01Normalization',
  rgb: 'RGBTo01Normalization',
  none: 'NoNormalization',
} as const;

function plansOf(dataset: string, config: NnUNetConfig, steps: NnUNetSteps, patch: Triple): object {
  const { images, outputs, normalisation, transpose, spacing } = steps;
  const kwargs = (how: NnUNetSteps['images'], isSeg: boolean): object => ({
    is_seg: isSeg,
    order: how.order,
    order_z: how.orderZ,
    force_separate_z: how.separateZ,
  });
  const residual = config.encoder === 'residual';
  return {
    dataset_name: dataset,
    plans_name: 'nnUNetPlans',
    original_median_spacing_after_transp: spacing,
    original_median_shape_after_transp: patch,
    image_reader_writer: steps.reorient ? 'NibabelIOWithReorient' : 'SimpleITKIO',
    transpose_forward: transpose,
    transpose_backward: [0, 1, 2].map((axis) => transpose.indexOf(axis)),
    configurations: {
      [CONFIGURATION]: {
        data_identifier: `nnUNetPlans_${CONFIGURATION}`,
        preprocessor_name: 'DefaultPreprocessor',
        batch_size: 2,
        patch_size: patch,
        median_image_size_in_voxels: patch,
        spacing,
        normalization_schemes: normalisation.map(({ scheme }) => SCHEMES[scheme]),
        use_mask_for_norm: normalisation.map((how) => how.scheme === 'zscore' && how.mask),
        resampling_fn_data: RESAMPLING,
        resampling_fn_seg: RESAMPLING,
        resampling_fn_data_kwargs: kwargs(images, false),
        resampling_fn_seg_kwargs: kwargs({ ...outputs, order: 1 }, true),
        resampling_fn_probabilities: RESAMPLING,
        resampling_fn_probabilities_kwargs: kwargs(outputs, false),
        architecture: {
          network_class_name: `dynamic_network_architectures.architectures.unet.${residual ? 'ResidualEncoderUNet' : 'PlainConvUNet'}`,
          arch_kwargs: {
            n_stages: config.features.length,
            features_per_stage: config.features,
            conv_op: 'torch.nn.modules.conv.Conv3d',
            kernel_sizes: config.kernels,
            strides: config.strides,
            [residual ? 'n_blocks_per_stage' : 'n_conv_per_stage']: config.blocks,
            n_conv_per_stage_decoder: config.decoderBlocks,
            conv_bias: true,
            norm_op: 'torch.nn.modules.instancenorm.InstanceNorm3d',
            norm_op_kwargs: { eps: 1e-5, affine: true },
            dropout_op: null,
            dropout_op_kwargs: null,
            nonlin: 'torch.nn.LeakyReLU',
            nonlin_kwargs: { inplace: true },
          },
          _kw_requires_import: ['conv_op', 'norm_op', 'dropout_op', 'nonlin'],
        },
        batch_dice: false,
      },
    },
    experiment_planner_used: 'ExperimentPlanner',
    label_manager: 'LabelManager',
    foreground_intensity_properties_per_channel: Object.fromEntries(
      normalisation.map((how, i) => [String(i), intensities(how)]),
    ),
  };
}

function intensities(how: Normalisation): object {
  const { mean, deviation, low, high } =
    how.scheme === 'ct' ? how : { mean: 0, deviation: 1, low: 0, high: 1 };
  return {
    mean,
    median: mean,
    std: deviation,
    min: low,
    max: high,
    percentile_00_5: low,
    percentile_99_5: high,
  };
}
