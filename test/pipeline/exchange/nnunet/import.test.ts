import { describe, expect, it } from 'vitest';
import { MemoryFiles } from '../../../../src/core/files.ts';
import { type Saved, writeTorchFile } from '../../../../src/engine/checkpoint/write-torch-file.ts';
import { importNnUNet, type NnUNetChoices } from '../../../../src/pipeline/exchange/nnunet/import.ts';
import { decodeModel, encodeModel } from '../../../../src/pipeline/models/model.ts';
import {
  fullres,
  TINY_DATASET,
  tinyCheckpoint,
  tinyFolder,
  tinyPlans,
} from '../../../support/nnunet-folder.ts';

const TRAINER = 'nnUNetTrainer__nnUNetPlans__3d_fullres';
const refusal = async (files: MemoryFiles, choices: NnUNetChoices = {}): Promise<string> => {
  try {
    await importNnUNet(files, choices);
  } catch (error) {
    const { name, message, hint } = error as Error & { hint?: string };
    return `${name}: ${message}${hint === undefined ? '' : `. ${hint}`}`;
  }
  return 'nothing is refused';
};
const withCheckpoint = (bytes: Uint8Array): MemoryFiles => {
  const files = tinyFolder();
  files.files.set(`${TRAINER}/fold_0/checkpoint_final.pth`, bytes);
  return files;
};
const plansOf = (changes: object, configuration: object = {}, args: object = {}): MemoryFiles => {
  const files = tinyFolder();
  const plans = tinyPlans({ ...changes }, { ...configuration }, { ...args });
  files.files.set(`${TRAINER}/plans.json`, new TextEncoder().encode(JSON.stringify(plans)));
  return files;
};

describe('a network of nnU-Net v2', () => {
  it('is imported with its steps, task and card, and survives its file', async () => {
    const { model, notes } = await importNnUNet(tinyFolder());
    const { info } = decodeModel(encodeModel(model), 'model');
    expect(info.network.config).toMatchObject({
      encoder: 'plain',
      features: [2, 4],
      kernels: [
        [1, 3, 3],
        [3, 3, 3],
      ],
      strides: [
        [1, 1, 1],
        [1, 2, 2],
      ],
    });
    expect(info.steps).toEqual({
      kind: 'nnunet',
      reorient: false,
      transpose: [0, 1, 2],
      spacing: [1, 1, 1],
      normalisation: [
        { scheme: 'zscore', mask: true },
        { scheme: 'zscore', mask: false },
      ],
      images: { order: 3, orderZ: 0, separateZ: null },
      outputs: { order: 1, orderZ: 0, separateZ: null },
      mirror: [0, 2],
    });
    expect(info.patch).toBe(8);
    expect(info.task).toMatchObject({ name: 'Dataset001_Tiny', channels: ['FLAIR', 'T1w'] });
    expect(info.decisions).toEqual({ labels: { kind: 'threshold', thresholds: [0.5] } });
    expect(info.card).toMatchObject({ licence: null });
    expect(info.card?.source).toContain(
      'nnU-Net v2, Dataset001_Tiny, 3d_fullres, nnUNetTrainer, fold 0 (final)',
    );
    expect(Object.keys(info.card!.files)).toEqual([
      'dataset.json',
      'fold_0/checkpoint_final.pth',
      'plans.json',
    ]);
    expect(notes).toEqual(['each place is predicted 4 times, mirrored along 2 axes']);
  });

  it('is the same from its own folder, with names of a compiled network, or without mirrors', async () => {
    const { model } = await importNnUNet(tinyFolder());
    const inside = tinyFolder(tinyPlans(), TINY_DATASET, [0], '.');
    const own = new MemoryFiles(`a/${TRAINER}`);
    for (const [path, bytes] of inside.files) own.files.set(path.slice(2), bytes);
    expect((await importNnUNet(own)).model.weights).toEqual(model.weights);
    const compiled = tinyCheckpoint(tinyPlans(), TINY_DATASET, 0, 'module._orig_mod.');
    const plain = await importNnUNet(withCheckpoint(compiled), { mirror: false, channels: ['T2w', 'PDw'] });
    expect(plain.model.weights).toEqual(model.weights);
    expect(plain.model.info.steps).toMatchObject({ mirror: [] });
    expect(plain.model.info.task.channels).toEqual(['T2w', 'PDw']);
  });

  it('of several folds is one that averages them', async () => {
    const files = tinyFolder(tinyPlans(), TINY_DATASET, [0, 1, 3]);
    const { model, notes } = await importNnUNet(files);
    expect(model.info.network).toMatchObject({
      kind: 'ensemble',
      config: { members: 3, of: { kind: 'nnunet' } },
    });
    expect([...model.weights.get('mean.labels')!]).toEqual([1 / 3, 0, 0, 1 / 3].map(Math.fround));
    expect(notes).toContain('3 folds become one network that averages their outputs');
    const { model: two } = await importNnUNet(files, { folds: ['3', '1'] });
    expect(two.weights.get('members.0.decoder.seg_layers.0.bias')).toEqual(
      model.weights.get('members.2.decoder.seg_layers.0.bias'),
    );
    expect(decodeModel(encodeModel(two), 'model').weights).toEqual(two.weights);
  });

  it('has plans of before 2.5 too, that inherit', async () => {
    const { architecture: _, patch_size: patch, ...rest } = fullres(tinyPlans());
    const plans = tinyPlans({
      configurations: {
        '3d_lowres': {
          ...rest,
          patch_size: [4, 4, 4],
          UNet_class_name: 'PlainConvUNet',
          UNet_base_num_features: 2,
          unet_max_num_features: 4,
          n_conv_per_stage_encoder: [1, 1],
          n_conv_per_stage_decoder: [1],
          pool_op_kernel_sizes: [
            [1, 1, 1],
            [1, 2, 2],
          ],
          conv_kernel_sizes: [
            [1, 3, 3],
            [3, 3, 3],
          ],
        },
        '3d_fullres': { inherits_from: '3d_lowres', patch_size: patch },
      },
    });
    const { model } = await importNnUNet(tinyFolder(plans));
    const { model: usual } = await importNnUNet(tinyFolder());
    expect(model.info.network).toEqual(usual.info.network);
    expect(model.info.steps).toEqual(usual.info.steps);
  });

  it('has a residual encoder, labels with values of their own, or regions with an order', async () => {
    const residual = tinyPlans();
    const architecture = fullres(residual).architecture as Record<string, unknown>;
    architecture.network_class_name = 'x.ResidualEncoderUNet';
    architecture.arch_kwargs = { ...(architecture.arch_kwargs as object), n_blocks_per_stage: [1, 2] };
    const several = { ...TINY_DATASET, labels: { background: 0, 'left kidney': 3, csf: 1, ignore: 4 } };
    const first = (await importNnUNet(tinyFolder(residual, several))).model.info;
    expect(first.network.config).toMatchObject({ encoder: 'residual', blocks: [1, 2] });
    expect(first.task.heads[0]).toMatchObject({
      labels: ['csf', 'leftKidney'],
      target: { from: 'dseg', values: [1, 3] },
      decision: 'argmax',
    });
    const regions = {
      ...TINY_DATASET,
      labels: { background: 0, whole: [1, 2, 3], core: [2, 3], enhancing: 3 },
      regions_class_order: [1, 2, 3],
    };
    const { info } = (await importNnUNet(tinyFolder(tinyPlans(), regions))).model;
    expect(info.network.config).toMatchObject({ heads: [{ name: 'labels', channels: 3 }] });
    expect(info.task.heads[0]).toMatchObject({
      labels: ['whole', 'core', 'enhancing'],
      activation: 'sigmoid',
    });
    expect(info.decisions).toEqual({
      labels: { kind: 'threshold', thresholds: [0.5, 0.5, 0.5], paint: [1, 2, 3] },
    });
  });
});

describe('what is refused', () => {
  it('folds, configurations and files that are missing, naming those that are there', async () => {
    const files = tinyFolder(tinyPlans(), TINY_DATASET, [0, 2]);
    expect(await refusal(files, { folds: ['0', '1'] })).toMatch(
      /StorageError: .*there is no fold_1\/checkpoint_final\.pth\. Folds with one: 0, 2/,
    );
    expect(await refusal(files, { checkpoint: 'best' })).toMatch(/no fold with a checkpoint_best\.pth/);
    expect(await refusal(files, { configuration: '3d_lowres' })).toMatch(
      /no plans\.json of 3d_lowres; there is nnUNetTrainer__/,
    );
    files.files.set('nnUNetTrainer__nnUNetPlans__2d/plans.json', new Uint8Array());
    expect(await refusal(files)).toMatch(/UsageError: results: holds several trained networks/);
    expect(await refusal(new MemoryFiles('empty'))).toMatch(/no plans\.json; there is nothing/);
  });

  it('nnU-Net v1, by its plans, its data set or its pickle', async () => {
    const v1 = new MemoryFiles('v1');
    v1.files.set('plans.pkl', new Uint8Array(1));
    expect(await refusal(v1)).toMatch(/CheckpointError: v1: holds plans of nnU-Net v1/);
    expect(await refusal(plansOf({ plans_per_stage: {} }))).toMatch(
      /are plans of nnU-Net v1; those of v2 are read/,
    );
    const { channel_names: _, ...old } = TINY_DATASET;
    const files = tinyFolder();
    const text = JSON.stringify({ ...old, modality: { '0': 'MR' } });
    files.files.set(`${TRAINER}/dataset.json`, new TextEncoder().encode(text));
    expect(await refusal(files)).toMatch(/is of nnU-Net v1: it has modality and no channel_names/);
  });

  it.each([
    ['2D networks', {}, { patch_size: [64, 64] }, {}, /3d_fullres is a 2D network\. 3D networks are read/],
    [
      'cascades',
      {},
      { previous_stage: '3d_lowres' },
      {},
      /second stage of a cascade, which reads what 3d_lowres found/,
    ],
    [
      'unknown normalisation',
      {},
      { normalization_schemes: ['MinMax', 'MinMax'] },
      {},
      /the normalisation "MinMax" is not known\. Known is ZScoreNormalization, CTNormalization, RescaleTo01Normalization, RGBTo01Normalization, NoNormalization/,
    ],
    [
      'unknown resampling',
      {},
      { resampling_fn_data: 'resample_torch' },
      {},
      /resampling_fn_data\) "resample_torch" is not known/,
    ],
    [
      'unknown readers',
      { image_reader_writer: 'Tiff3DIO' },
      {},
      {},
      /reader of images "Tiff3DIO" is not known/,
    ],
    ['unknown preprocessors', {}, { preprocessor_name: 'Mine' }, {}, /preprocessor "Mine" is not known/],
    ['other norms', {}, {}, { norm_op: 'torch.nn.BatchNorm3d' }, /norm_op is "torch\.nn\.BatchNorm3d"/],
    ['dropout', {}, {}, { dropout_op: 'torch.nn.Dropout3d' }, /dropout_op is "torch\.nn\.Dropout3d"/],
    [
      'strides that no network has',
      {},
      {},
      {
        strides: [
          [1, 1, 1],
          [4, 4, 4],
        ],
      },
      /network nnunet: strides\.1/,
    ],
    ['fields that make no sense', {}, { spacing: [1, 'x', 1] }, {}, /spacing is not a list of numbers/],
    ['circles', {}, { inherits_from: '3d_fullres' }, {}, /inherit in a circle/],
  ] as const)('%s', async (_, changes, configuration, args, message) => {
    expect(await refusal(plansOf(changes, configuration, args))).toMatch(message);
  });

  it('weights that do not fit the plans, naming the tensor', async () => {
    const other = tinyCheckpoint(tinyPlans({}, {}, { features_per_stage: [2, 6] }), TINY_DATASET, 0);
    expect(await refusal(withCheckpoint(other))).toMatch(
      /CheckpointError: .*encoder\.stages\.1\.0\.convs\.0\.conv\.weight is 6x2x3x3x3, by the plans 4x2x3x3x3/,
    );
    const fewer = tinyCheckpoint(tinyPlans({}, {}, { n_conv_per_stage: [1, 2] }), TINY_DATASET, 0);
    expect(await refusal(withCheckpoint(fewer))).toMatch(
      /"encoder\.stages\.1\.0\.convs\.1\.conv\.weight" is not a tensor/,
    );
    expect(
      await refusal(withCheckpoint(writeTorchFile(new Map<string, Saved>([['network_weights', new Map()]])))),
    ).toMatch(/encoder\.stages\.0\.0\.convs\.0\.conv\.weight 2x2x1x3x3 is missing/);
    expect(await refusal(withCheckpoint(writeTorchFile(new Map())))).toMatch(/has no network_weights/);
    expect(await refusal(withCheckpoint(new Uint8Array(100)))).toMatch(
      /FileFormatError: .*is not a file of PyTorch 1\.6/,
    );
  });

  it('channels that are not those of the network', async () => {
    expect(await refusal(tinyFolder(), { channels: ['FLAIR'] })).toMatch(
      /reads 2 channels \(FLAIR, T1w\), and 1 are named/,
    );
  });
});
