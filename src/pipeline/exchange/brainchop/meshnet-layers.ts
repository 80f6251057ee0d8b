import { FileFormatError } from '../../../core/errors.ts';
import { formatShape, sameShape } from '../../../core/shape.ts';
import type { MeshNetConfig } from '../../../engine/nn/networks/meshnet.ts';
import type { LayerRecord, LayersFile } from './layers-file.ts';

/** A MeshNet that was read, with its tensors by their names here. */
export interface ReadMeshNet {
  readonly config: MeshNetConfig;
  readonly weights: ReadonlyMap<string, Float32Array>;
  /** [D, H, W] of the input that the file asks for; null where any will do. */
  readonly extents: readonly (number | null)[];
}

/** In Brainchop a convolution whose name ends so has a norm behind it that the layers do not tell: each channel its own. */
const NAMED_NORM = /_gn$/;
/** What Keras adds to the variance unless told otherwise. */
const KERAS_EPS = 1e-3;
const ACTIVATIONS = ['relu', 'elu', 'gelu'] as const;
type Activation = (typeof ACTIVATIONS)[number];

/** A convolution, and what was found behind it so far. */
interface Stage {
  readonly layer: LayerRecord;
  readonly width: number;
  readonly kernel: number;
  readonly dilation: number;
  norm?: 'batch' | 'instance' | number;
  /** Its layer, if it is one. */
  normLayer?: LayerRecord;
  activation?: Activation;
}

/**
 * Reads the layers of a MeshNet: convolutions of 3x3x3 taps that keep the extents, norms, activations, and a 1x1x1
 * convolution at the end.
 * @param head how its output is called
 * @throws FileFormatError naming the layer that has no place in one.
 */
export function readMeshNet(file: LayersFile, head: string): ReadMeshNet {
  const refuse: Refuse = (layer, message) => {
    throw new FileFormatError(file.path, `layer ${layer.name} (${layer.className}): ${message}`, {
      hint: 'Only MeshNets are imported: a chain of dilated convolutions.',
    });
  };
  const { stages, extents } = stagesOf(file, refuse);
  const last = stages.at(-1);
  if (!last) throw new FileFormatError(file.path, 'has no convolution');
  const body = stages.slice(0, -1);
  if (last.kernel !== 1 || last.norm !== undefined || last.activation)
    refuse(last.layer, 'the last convolution has 1x1x1 taps, no norm and no activation');
  if (body.length === 0) refuse(last.layer, 'there is no convolution before the last one');
  for (const stage of body) {
    if (stage.kernel !== 3) refuse(stage.layer, 'a convolution before the last one has 3x3x3 taps');
    if (stage.activation !== body[0]!.activation)
      refuse(
        stage.layer,
        `its activation is ${stage.activation ?? 'none'}, the first one's ${body[0]!.activation ?? 'none'}`,
      );
    if (stage.norm !== body[0]!.norm)
      refuse(stage.layer, `its norm is ${stage.norm ?? 'none'}, the first one's ${body[0]!.norm ?? 'none'}`);
  }
  const { norm, activation, normLayer } = body[0]!;
  const eps = epsilonOf(normLayer);
  for (const { normLayer: other } of body)
    if (other && epsilonOf(other) !== eps) refuse(other, 'its epsilon is another than the first norm has');
  if (!activation) return refuse(body[0]!.layer, 'no activation follows');
  const input = tensorOf(file, last.layer, 'kernel');
  const weights = new Map<string, Float32Array>();
  let channels = 1;
  for (const [i, stage] of stages.entries()) {
    const inChannels = i === 0 ? tensorOf(file, stage.layer, 'kernel').shape[3]! : channels;
    takeConvolution(file, stage, inChannels, `model.${i}${stage === last ? '' : '.0'}`, weights, refuse);
    if (stage.norm !== undefined) takeNorm(file, stage, `model.${i}.1`, weights, refuse);
    channels = stage.width;
  }
  const known = new Set(stages.flatMap(({ layer, normLayer }) => [layer.name, normLayer?.name]));
  for (const name of file.tensors.keys())
    if (!known.has(name.slice(0, name.lastIndexOf('/'))))
      throw new FileFormatError(file.path, `the tensor ${name} belongs to no layer`);
  return {
    config: {
      inChannels: tensorOf(file, body[0]!.layer, 'kernel').shape[3]!,
      channels: body.map(({ width }) => width),
      dilations: body.map(({ dilation }) => dilation),
      batchNorm: norm === 'batch',
      ...(norm === undefined || norm === 'batch' ? {} : { groupNorm: norm }),
      ...(eps === undefined ? {} : { eps }),
      activation,
      dropout: 0,
      heads: [{ name: head, channels: input.shape[4]! }],
    },
    weights,
    extents,
  };
}

type Refuse = (layer: LayerRecord, message: string) => never;

function stagesOf(
  { layers }: LayersFile,
  refuse: Refuse,
): { readonly stages: readonly Stage[]; readonly extents: readonly (number | null)[] } {
  const stages: Stage[] = [];
  let extents: readonly (number | null)[] = [null, null, null];
  let before: LayerRecord | undefined;
  let finished = false;
  for (const layer of layers) {
    const { className, config, inputs } = layer;
    if (before && inputs && (inputs.length !== 1 || inputs[0] !== before.name))
      refuse(layer, `reads ${inputs.join(', ') || 'nothing'}; in a chain it would read ${before.name}`);
    const stage = stages.at(-1);
    const first = config.batch_input_shape ?? config.batch_shape;
    if (Array.isArray(first)) {
      if (first.length !== 5)
        refuse(layer, `its input has ${first.length} axes; a volume with channels has 5`);
      extents = first.slice(1, 4).map((extent: unknown) => (typeof extent === 'number' ? extent : null));
    }
    if (className === 'InputLayer') {
      if (before) refuse(layer, 'is a second input');
    } else if (/^(Dropout|SpatialDropout3D)$/.test(className)) {
      if (!stage) refuse(layer, 'stands before the first convolution');
    } else if (className === 'Conv3D') {
      if (finished) refuse(layer, 'stands behind the softmax');
      const made = convolutionOf(layer, refuse);
      stages.push(made);
      finished = takeActivation(made, layer, config.activation, refuse);
    } else if (!stage || finished) refuse(layer, 'has no place here');
    else if (className === 'BatchNormalization' || /^(Group|Instance)Normalization$/.test(className)) {
      if (stage!.norm !== undefined || stage!.activation)
        refuse(layer, 'a norm stands right behind its convolution');
      stage!.norm = normOf(layer, stage!.width, refuse);
      stage!.normLayer = layer;
    } else if (className === 'Activation')
      finished = takeActivation(stage!, layer, config.activation, refuse);
    else if (className === 'ReLU' || className === 'ELU' || className === 'Softmax') {
      const { alpha = 1, max_value: most = null, negative_slope: slope = 0 } = config;
      if (alpha !== 1 || most !== null || slope !== 0) refuse(layer, 'has another shape than the usual one');
      finished = takeActivation(stage!, layer, className.toLowerCase(), refuse);
    } else refuse(layer, 'is a kind of layer that a MeshNet does not have');
    before = layer;
  }
  return { stages, extents };
}

/** @returns whether it was the softmax at the end, which changes nothing about which label is the most probable */
function takeActivation(stage: Stage, layer: LayerRecord, given: unknown, refuse: Refuse): boolean {
  if (given === undefined || given === null || given === 'linear') return false;
  if (given === 'softmax') return true;
  const found = ACTIVATIONS.find((each) => each === given);
  if (!found)
    refuse(layer, `its activation is ${JSON.stringify(given)}; there are ${ACTIVATIONS.join(', ')}`);
  if (stage.activation) refuse(layer, 'is a second activation');
  stage.activation = found as Activation;
  return false;
}

function convolutionOf(layer: LayerRecord, refuse: Refuse): Stage {
  const { config } = layer;
  const same = (field: string, least: number, most: number): number => {
    const value = config[field] ?? [1, 1, 1];
    const axes = Array.isArray(value) ? (value as unknown[]) : [value, value, value];
    const [one] = axes;
    const fits = axes.length === 3 && axes.every((each) => each === one);
    if (!fits || typeof one !== 'number' || !Number.isInteger(one) || one < least || one > most)
      refuse(
        layer,
        `${field} is ${JSON.stringify(value)}; wanted is one whole number from ${least} to ${most} for all axes`,
      );
    return one as number;
  };
  if (config.padding !== 'same')
    refuse(layer, `padding is ${JSON.stringify(config.padding)}; wanted is same`);
  if (config.data_format !== undefined && config.data_format !== 'channels_last')
    refuse(layer, 'data_format is not channels_last');
  if (config.groups !== undefined && config.groups !== 1) refuse(layer, 'has groups');
  same('strides', 1, 1);
  const width = config.filters;
  if (typeof width !== 'number' || !Number.isInteger(width) || width < 1)
    refuse(layer, 'filters is not a number');
  const dilation = same('dilation_rate', 1, 64);
  const stage: Stage = { layer, width: width as number, kernel: same('kernel_size', 1, 3), dilation };
  if (NAMED_NORM.test(layer.name)) stage.norm = 'instance';
  return stage;
}

function normOf(layer: LayerRecord, width: number, refuse: Refuse): 'batch' | 'instance' | number {
  const { className, config } = layer;
  const { axis = -1 } = config;
  const last = Array.isArray(axis) ? (axis as unknown[])[0] : axis;
  if (last !== -1 && last !== 4) refuse(layer, 'does not run over channels');
  if (className === 'BatchNormalization') return 'batch';
  const groups = className === 'GroupNormalization' ? (config.groups ?? 32) : -1;
  if (groups === -1 || groups === width) return 'instance';
  if (typeof groups !== 'number' || width % groups !== 0)
    refuse(layer, `groups do not divide ${width} channels`);
  return groups as number;
}

function tensorOf(
  file: LayersFile,
  layer: LayerRecord,
  name: string,
): { shape: readonly number[]; data: Float32Array } {
  const found = file.tensors.get(`${layer.name}/${name}`);
  if (found) return found;
  throw new FileFormatError(file.path, `layer ${layer.name}: its tensor ${name} is missing`);
}

/** What a norm adds to the variance; undefined for ours, which is PyTorch's, as norms have it that only names tell of. */
function epsilonOf(layer: LayerRecord | undefined): number | undefined {
  return layer && Number(layer.config.epsilon ?? KERAS_EPS);
}

/** TensorFlow's [d][h][w][in][out] as PyTorch's [out][in][d][h][w]; a missing bias is 0. */
function takeConvolution(
  file: LayersFile,
  { layer, width, kernel }: Stage,
  inChannels: number,
  name: string,
  weights: Map<string, Float32Array>,
  refuse: Refuse,
): void {
  const { shape, data } = tensorOf(file, layer, 'kernel');
  const wanted = [kernel, kernel, kernel, inChannels, width];
  if (!sameShape(shape, wanted))
    refuse(layer, `its kernel is ${formatShape(shape)}, and ${formatShape(wanted)} is wanted`);
  const taps = kernel ** 3;
  const weight = new Float32Array(data.length);
  for (let tap = 0, at = 0; tap < taps; tap++)
    for (let i = 0; i < inChannels; i++)
      for (let o = 0; o < width; o++, at++) weight[(o * inChannels + i) * taps + tap] = data[at]!;
  weights.set(`${name}.weight`, weight);
  weights.set(`${name}.bias`, vector(file, layer, 'bias', width, layer.config.use_bias !== false, 0, refuse));
}

function takeNorm(
  file: LayersFile,
  { layer: own, normLayer, norm, width }: Stage,
  name: string,
  weights: Map<string, Float32Array>,
  refuse: Refuse,
): void {
  const layer = normLayer ?? own;
  const config = normLayer?.config ?? { scale: false, center: false };
  weights.set(`${name}.weight`, vector(file, layer, 'gamma', width, config.scale !== false, 1, refuse));
  weights.set(`${name}.bias`, vector(file, layer, 'beta', width, config.center !== false, 0, refuse));
  if (norm !== 'batch') return;
  weights.set(`${name}.running_mean`, vector(file, layer, 'moving_mean', width, true, 0, refuse));
  weights.set(`${name}.running_var`, vector(file, layer, 'moving_variance', width, true, 1, refuse));
}

function vector(
  file: LayersFile,
  layer: LayerRecord,
  name: string,
  width: number,
  there: boolean,
  otherwise: number,
  refuse: Refuse,
): Float32Array {
  if (!there) return new Float32Array(width).fill(otherwise);
  const { shape, data } = tensorOf(file, layer, name);
  if (!sameShape(shape, [width]))
    refuse(layer, `its ${name} is ${formatShape(shape)}, and ${width} values are wanted`);
  return data.slice();
}
