import { OutOfMemoryError } from '../../core/errors.ts';
import { roundUp, sizeOf } from '../../core/shape.ts';
import { setting, worded } from '../../core/wording.ts';
import type { Capabilities } from '../gpu/capabilities.ts';
import { formatBytes } from '../gpu/gpu.ts';
import type { Binding, Command } from './command.ts';
import { copyCommand, type Part } from './copy.ts';
import { describeTensor, elementBytes, type Tensor, tensor, viewOf } from './tensor.ts';

/** What a device binds. */
export type Limits = Pick<Capabilities, 'maxBindingBytes' | 'offsetAlignment' | 'maxWorkgroups'>;

/** Bytes of a binding, rounded up to the 4 that WebGPU binds: a tensor's last element may have one of padding behind it. */
export function bindingBytes({ tensor: t, first = 0, count }: Omit<Binding, 'access'>): number {
  return roundUp((count ?? sizeOf(t.shape) - first) * elementBytes(t), 4);
}

/**
 * Consecutive channels of an activation [batch, channels, ...], as many a group as the device binds of one sample:
 * the tensor itself where a sample fits, else views. What cannot be bound by channels either is refused when the
 * command that binds it is split.
 *
 * @param most channels of a group that the caller can take (default: any number)
 */
export function channelGroups(
  t: Tensor,
  limits: Limits,
  most: number = Number.POSITIVE_INFINITY,
): { readonly tensor: Tensor; readonly first: number; readonly channels: number }[] {
  const [samples, channels, ...extents] = t.shape as [number, number, ...number[]];
  const axes: Axes = { samples, channels };
  const group = Math.max(1, Math.min(most, groupSize([{ tensor: t, access: 'read' }], axes, limits)));
  if (group >= channels) return [{ tensor: t, first: 0, channels }];
  return Array.from({ length: Math.ceil(channels / group) }, (_, i) => {
    const first = i * group;
    const count = Math.min(group, channels - first);
    const label = `${t.label}[${first}..${first + count - 1}]`;
    return {
      tensor: tensor(
        label,
        [samples, count, ...extents],
        { of: t, firstChannel: first },
        { element: t.element },
      ),
      first,
      channels: count,
    };
  });
}

/**
 * The command itself where the device binds all of it, else commands on slices of the bindings that may be sliced: one
 * a sample, and with a channel axis one a group of channels of a sample. Slices that start where the device binds
 * nothing are copied to where it does, and back where they are written.
 *
 * @throws OutOfMemoryError naming the tensor of which one sample (or channel, with such an axis) is too large
 */
export function splitCommand(command: Command, limits: Limits): Command[] {
  const { bindings, samples, channels } = command;
  const tooLarge = (binding: Binding): boolean =>
    binding.access !== 'uniform' && bindingBytes(binding) > limits.maxBindingBytes;
  if (!bindings.some((binding) => tooLarge(binding) || viewOf(binding.tensor))) return [command];
  const sliced = bindings.filter(({ perSample }) => perSample && samples !== undefined);
  const whole = bindings.find(
    (binding) => !sliced.includes(binding) && (tooLarge(binding) || viewOf(binding.tensor)),
  );
  if (whole) throw refusal(command, whole, formatBytes(bindingBytes(whole)), limits);
  const axes: Axes = { samples: samples ?? 1, channels: channels?.count ?? 1 };
  const group = groupSize(sliced, axes, limits);
  if (group === 0) {
    const size = (binding: Binding): number => bindingBytes(partOf(binding, axes, 0, 0, 1));
    const worst = sliced.reduce((a, b) => (size(b) > size(a) ? b : a));
    const piece = channels ? 'channel' : 'sample';
    throw refusal(command, worst, `of which a ${piece} is ${formatBytes(size(worst))}`, limits);
  }
  const commands: Command[] = [];
  for (let sample = 0; sample < axes.samples; sample++)
    for (let first = 0; first < axes.channels; first += group) {
      const count = Math.min(group, axes.channels - first);
      commands.push(...sliceCommand(command, axes, sample, first, count, limits));
    }
  return commands;
}

interface Axes {
  readonly samples: number;
  readonly channels: number;
}

/** What a command on channels [first, first + count) of a sample touches of a binding that may be sliced. */
function partOf(
  { tensor: t }: Binding,
  { samples, channels }: Axes,
  sample: number,
  first: number,
  count: number,
): Part {
  const view = viewOf(t);
  const base = view?.of ?? t;
  const sampleSize = sizeOf(base.shape) / samples;
  const start = sample * sampleSize + (view ? (view.firstChannel * sampleSize) / base.shape[1]! : 0);
  const channelSize = sizeOf(t.shape) / (samples * channels);
  return { tensor: base, first: start + first * channelSize, count: count * channelSize };
}

/**
 * Channels of a group: the most whose slices all fit and start where the device binds, else the most that fit, with
 * what lies between a slice's start and the last such place before it; 0 where one channel is too large.
 */
function groupSize(bindings: readonly Binding[], axes: Axes, limits: Limits): number {
  const { maxBindingBytes, offsetAlignment } = limits;
  const aligned = (binding: Binding, group: number): boolean => {
    const starts = Array.from({ length: axes.samples }, (_, n) => partOf(binding, axes, n, 0, 1).first);
    const step = group < axes.channels ? partOf(binding, axes, 0, 0, group).count : 0;
    const bytes = elementBytes(binding.tensor);
    return [...starts, step].every((elements) => (elements * bytes) % offsetAlignment === 0);
  };
  const fits = (binding: Binding, group: number): boolean => {
    const bytes = bindingBytes(partOf(binding, axes, 0, 0, group));
    return bytes + (aligned(binding, group) ? 0 : offsetAlignment) <= maxBindingBytes;
  };
  const groups = Array.from({ length: axes.channels }, (_, i) => axes.channels - i).filter((group) =>
    bindings.every((binding) => fits(binding, group)),
  );
  return groups.find((group) => bindings.every((binding) => aligned(binding, group))) ?? groups[0] ?? 0;
}

function sliceCommand(
  command: Command,
  axes: Axes,
  sample: number,
  first: number,
  count: number,
  limits: Limits,
): Command[] {
  const before: Command[] = [];
  const after: Command[] = [];
  const bindings = command.bindings.map((binding): Binding => {
    if (!binding.perSample) return binding;
    const part = partOf(binding, axes, sample, first, count);
    if ((part.first * elementBytes(part.tensor)) % limits.offsetAlignment === 0)
      return { access: binding.access, ...part };
    const { label: name, element } = binding.tensor;
    const own = tensor(`${name} slice`, [part.count], 'arena', { element });
    const here = { tensor: own, first: 0, count: part.count };
    const { access } = binding;
    const { label } = command;
    if (access !== 'write') before.push(copyCommand(`${label}/copy_in`, part, here, 'write', limits));
    if (access !== 'read') after.push(copyCommand(`${label}/copy_out`, here, part, access, limits));
    return { tensor: own, access };
  });
  const [x, y, z] = command.workgroups;
  const firstParam = command.channels?.firstParam;
  const slice: Command = {
    ...command,
    bindings,
    ...(firstParam !== undefined ? { params: { ...command.params, [firstParam]: first } } : {}),
    workgroups: [x, (y * count) / axes.channels, z / axes.samples],
  };
  return [...before, slice, ...after];
}

function refusal(
  { label }: Command,
  { tensor: t }: Binding,
  size: string,
  { maxBindingBytes }: Limits,
): OutOfMemoryError {
  return new OutOfMemoryError(
    `${label} binds ${describeTensor(t)}, ${size}; this adapter binds at most ${formatBytes(maxBindingBytes)}`,
    { hint: worded`Use a smaller ${setting('patch')} or ${setting('baseChannels')}.` },
  );
}
