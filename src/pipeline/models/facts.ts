import type { Json } from '../../core/json.ts';
import { type Triple, toTriple } from '../../core/shape.ts';
import { countParameters } from '../../engine/nn/network.ts';
import { architectureOf, declarationOf } from '../../engine/nn/networks/index.ts';
import { inputChannels } from '../task/task.ts';
import type { HeadDecision, ModelInfo } from './model.ts';
import type { ModelSteps } from './steps.ts';

/** What a user of a network must know about one of its outputs. */
export interface HeadFacts {
  readonly name: string;
  /** Channels of the output in their order, the background included; of values none. */
  readonly labels: readonly string[];
  readonly activation: 'softmax' | 'sigmoid' | 'none';
  readonly decision: HeadDecision;
}

/** What a user of a network must know: lists, the app and exported files tell the same. */
export interface ModelFacts {
  readonly task: string;
  /** Kind of the network. */
  readonly network: string;
  readonly parameters: number;
  /** Input channels in their order. */
  readonly channels: readonly string[];
  readonly heads: readonly HeadFacts[];
  /** Voxel sizes (mm) that it learned at; empty if it does not say. */
  readonly spacing: readonly (readonly [number, number, number])[];
  /** Extents of the patch of training, [z, y, x]. */
  readonly patch: Triple;
  /** Extents of an input are multiples of these, [z, y, x]. */
  readonly multiple: readonly [number, number, number];
  /** What is done to an image before it goes in. */
  readonly normalisation: string;
}

const STANDARDISED =
  'each image channel: values inside the brain clipped at their 0.1 and 99.9 percentiles, minus their mean, divided by their deviation; 0 outside the brain. Maps go in as probabilities.';

/** The facts about a network. */
export function modelFacts({ task, network, decisions, spacing, patch, steps }: ModelInfo): ModelFacts {
  return {
    task: task.name,
    network: network.kind,
    parameters: countParameters(declarationOf(network).parameters),
    channels: inputChannels(task, task.channels),
    heads: task.heads.map(({ name, labels, activation }) => ({
      name,
      labels: activation === 'softmax' ? ['background', ...labels] : labels,
      activation,
      decision: decisions[name]!,
    })),
    spacing: (spacing ?? []).map(({ mm }) => mm),
    patch: toTriple(patch),
    multiple: architectureOf(network).patchMultiple,
    normalisation: steps ? describeSteps(steps) : STANDARDISED,
  };
}

/** What is done to an image by the steps of a network that was made elsewhere. */
function describeSteps(steps: ModelSteps): string {
  if (steps.kind === 'nnunet')
    return `as nnU-Net v2 does it: voxels of ${steps.spacing.join('x')} mm [z, y, x]; by channel ${steps.normalisation.map(({ scheme }) => scheme).join(', ')}`;
  if (steps.kind === 'whole-head')
    return `the image on cubes of ${steps.spacing} mm along its own axes, in the order right, front, up (means; linear where voxels become smaller); values in the field of view clipped at their 0.1 and 99.9 percentiles, minus their mean, divided by their deviation; 0 outside`;
  const { extent, spacing, range } = steps;
  const ends = range === 'min-max' ? 'its least and largest value' : `its quantiles ${range.join(' and ')}`;
  return `as Brainchop does it: conformed to ${extent}x${extent}x${extent} voxels of ${spacing} mm (axes to the left, down, to the front), values 0 to 255; then ${ends} become 0 and 1`;
}

/** The same as JSON. */
export function factsJson(facts: ModelFacts): Json {
  return JSON.parse(JSON.stringify(facts)) as Json;
}
