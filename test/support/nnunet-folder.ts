import { MemoryFiles } from '../../src/core/files.ts';
import { sizeOf } from '../../src/core/shape.ts';
import { parameterShapes } from '../../src/engine/checkpoint/checkpoint.ts';
import { type Saved, Tuple, writeTorchFile } from '../../src/engine/checkpoint/write-torch-file.ts';
import { readLabels } from '../../src/pipeline/exchange/nnunet/labels.ts';
import { readPlans } from '../../src/pipeline/exchange/nnunet/plans.ts';

type Json = Record<string, unknown>;

/** Plans of a tiny network: two channels, two stages. */
export function tinyPlans(changes: Json = {}, configuration: Json = {}, args: Json = {}): Json {
  return {
    dataset_name: 'Dataset001_Tiny',
    plans_name: 'nnUNetPlans',
    image_reader_writer: 'SimpleITKIO',
    transpose_forward: [0, 1, 2],
    transpose_backward: [0, 1, 2],
    configurations: {
      '3d_fullres': {
        preprocessor_name: 'DefaultPreprocessor',
        patch_size: [8, 8, 8],
        spacing: [1, 1, 1],
        normalization_schemes: ['ZScoreNormalization', 'ZScoreNormalization'],
        use_mask_for_norm: [true, false],
        resampling_fn_data: 'resample_data_or_seg_to_shape',
        resampling_fn_data_kwargs: { is_seg: false, order: 3, order_z: 0, force_separate_z: null },
        resampling_fn_probabilities: 'resample_data_or_seg_to_shape',
        resampling_fn_probabilities_kwargs: { is_seg: false, order: 1, order_z: 0, force_separate_z: null },
        architecture: {
          network_class_name: 'dynamic_network_architectures.architectures.unet.PlainConvUNet',
          arch_kwargs: {
            n_stages: 2,
            features_per_stage: [2, 4],
            conv_op: 'torch.nn.modules.conv.Conv3d',
            kernel_sizes: [
              [1, 3, 3],
              [3, 3, 3],
            ],
            strides: [
              [1, 1, 1],
              [1, 2, 2],
            ],
            n_conv_per_stage: [1, 1],
            n_conv_per_stage_decoder: [1],
            conv_bias: true,
            norm_op: 'torch.nn.modules.instancenorm.InstanceNorm3d',
            norm_op_kwargs: { eps: 1e-5, affine: true },
            dropout_op: null,
            dropout_op_kwargs: null,
            nonlin: 'torch.nn.LeakyReLU',
            nonlin_kwargs: { inplace: true },
            ...args,
          },
        },
        ...configuration,
      },
    },
    foreground_intensity_properties_per_channel: {
      '0': { mean: 5, std: 2, percentile_00_5: 1, percentile_99_5: 9 },
      '1': { mean: 6, std: 3, percentile_00_5: 2, percentile_99_5: 8 },
    },
    ...changes,
  };
}

export const TINY_DATASET: Json = {
  channel_names: { '0': 'FLAIR', '1': 'T1w' },
  labels: { background: 0, lesion: 1 },
  file_ending: '.nii.gz',
};

/** A checkpoint whose tensors count up from `first`, with what the library keeps twice. */
export function tinyCheckpoint(plans: Json, dataset: Json, first: number, prefix = ''): Uint8Array {
  const { task, outChannels } = readLabels(dataset, 'dataset.json', 'x');
  const network = readPlans(plans, 'plans.json', '3d_fullres').network(task.channels.length, outChannels);
  const weights = new Map<string, Saved>();
  let next = first;
  for (const [name, shape] of parameterShapes(network)) {
    const data = Float32Array.from({ length: sizeOf(shape) }, () => Math.sin(next++) / 2);
    weights.set(`${prefix}${name}`, { shape, data });
    if (name.startsWith('encoder.')) weights.set(`${prefix}decoder.${name}`, { shape, data });
  }
  return writeTorchFile(
    new Map<string, Saved>([
      ['network_weights', weights],
      ['trainer_name', 'nnUNetTrainer'],
      ['inference_allowed_mirroring_axes', new Tuple(0, 2)],
    ]),
  );
}

/** A trainer's folder with folds. */
export function tinyFolder(
  plans: Json = tinyPlans(),
  dataset: Json = TINY_DATASET,
  folds: readonly number[] = [0],
  path = 'nnUNetTrainer__nnUNetPlans__3d_fullres',
): MemoryFiles {
  const files = new MemoryFiles('results');
  // Not sorted: regions are in the order of the file.
  const bytes = (value: Json): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
  files.files.set(`${path}/plans.json`, bytes(plans));
  files.files.set(`${path}/dataset.json`, bytes(dataset));
  for (const fold of folds)
    files.files.set(`${path}/fold_${fold}/checkpoint_final.pth`, tinyCheckpoint(plans, dataset, 1000 * fold));
  return files;
}

/** The only configuration of tiny plans. */
export function fullres(plans: Json): Json {
  return (plans.configurations as Record<string, Json>)['3d_fullres']!;
}
