import { describe, expect, it } from 'vitest';
import { OutOfMemoryError } from '../../../src/core/errors.ts';
import { conv3d } from '../../../src/engine/ops/conv3d.ts';
import { maxPool3d } from '../../../src/engine/ops/max-pool3d.ts';
import { type Command, read, readWrite, uniform, write } from '../../../src/engine/tape/command.ts';
import { compilePlan } from '../../../src/engine/tape/plan.ts';
import { channelGroups, splitCommand } from '../../../src/engine/tape/split.ts';
import { TensorStore } from '../../../src/engine/tape/store.ts';
import { Tape } from '../../../src/engine/tape/tape.ts';
import { byteLength, tensor } from '../../../src/engine/tape/tensor.ts';
import { useGpu } from '../../support/gpu.ts';

/** What a device binds that takes slices at any multiple of 256 bytes. */
function limits(maxBindingBytes: number): Parameters<typeof splitCommand>[1] {
  return { maxBindingBytes, offsetAlignment: 256, maxWorkgroups: 65535 };
}

/** First element and number of elements of each binding. */
function ranges({ bindings }: Command): (readonly [number | undefined, number | undefined])[] {
  return bindings.map(({ first, count }) => [first, count]);
}

const input = tensor('input', [2, 4, 8, 8, 8], 'arena');
const output = tensor('output', [2, 4, 8, 8, 8], 'arena');
const CHANNEL = 512 * 4;

describe('splitCommand by samples', () => {
  const weight = tensor('weight', [4, 4, 3, 3, 3], 'arena');
  const panel = tensor('panel', [100_000], 'panel');
  const command: Command = {
    label: 'conv3d/forward',
    kernel: { file: 'conv3d.wgsl', entry: 'forward' },
    bindings: [read(input, true), read(weight), write(output, true), uniform(panel)],
    workgroups: [5, 7, 6],
    samples: 2,
  };

  it('leaves a command alone that fits, uniform bindings not counted', () => {
    expect(splitCommand(command, limits(8 * CHANNEL))).toEqual([command]);
  });

  it('slices per-sample bindings and shares the z workgroups out', () => {
    const slices = splitCommand(command, limits(4 * CHANNEL));
    expect(slices.map((slice) => slice.workgroups)).toEqual([
      [5, 7, 3],
      [5, 7, 3],
    ]);
    expect(slices.map(ranges)).toEqual([
      [
        [0, 2048],
        [undefined, undefined],
        [0, 2048],
        [0, 100_000],
      ],
      [
        [2048, 2048],
        [undefined, undefined],
        [2048, 2048],
        [0, 100_000],
      ],
    ]);
  });

  it('names the command, the tensor and both sizes where slicing cannot help', () => {
    const most = 4 * CHANNEL;
    const { samples, ...unsplittable } = command;
    expect(samples).toBe(2);
    const attempts: [Command, number, RegExp][] = [
      [
        command,
        most - 4,
        /conv3d\/forward binds input 2x4x8x8x8, of which a sample is 8\.2 kB; this adapter binds at most 8\.2 kB/,
      ],
      [{ ...command, samples: 1 }, most, /binds input 2x4x8x8x8, of which a sample is 16\.4 kB/],
      [
        { ...command, bindings: [read(input, true), write(output)] },
        most,
        /binds output 2x4x8x8x8, 16\.4 kB/,
      ],
      [unsplittable, most, /binds input 2x4x8x8x8, 16\.4 kB/],
    ];
    for (const [attempt, limit, message] of attempts) {
      expect(() => splitCommand(attempt, limits(limit))).toThrow(OutOfMemoryError);
      expect(() => splitCommand(attempt, limits(limit))).toThrow(message);
    }
  });
});

describe('splitCommand by channels', () => {
  const statistics = tensor('statistics', [4, 2], 'arena');
  const command: Command = {
    label: 'batch-norm/forward',
    kernel: { file: 'batch-norm.wgsl', entry: 'forward' },
    bindings: [read(input, true), read(statistics), write(output, true)],
    params: { items: 7, first_channel: 0, samples: 9 },
    workgroups: [3, 4, 2],
    samples: 2,
    channels: { count: 4, firstParam: 'first_channel' },
  };

  it('takes as many channels of a sample as fit, and tells the kernel the first', () => {
    const slices = splitCommand(command, limits(3 * CHANNEL));
    expect(slices.map(({ workgroups, params }) => [...workgroups, ...Object.values(params!)])).toEqual([
      [3, 3, 1, 7, 0, 9],
      [3, 1, 1, 7, 3, 9],
      [3, 3, 1, 7, 0, 9],
      [3, 1, 1, 7, 3, 9],
    ]);
    expect(slices.map((slice) => ranges(slice)[2])).toEqual([
      [0, 1536],
      [1536, 512],
      [2048, 1536],
      [3584, 512],
    ]);
    expect(slices.every((slice) => slice.bindings[1]!.first === undefined)).toBe(true);
  });

  it('refuses one channel that is too large', () => {
    expect(() => splitCommand(command, limits(CHANNEL - 4))).toThrow(OutOfMemoryError);
    expect(() => splitCommand(command, limits(CHANNEL - 4))).toThrow(
      /batch-norm\/forward binds input 2x4x8x8x8, of which a channel is 2\.0 kB; this adapter binds at most 2\.0 kB/,
    );
  });

  it('prefers groups that start where the device binds', () => {
    // Channels of 128 bytes: only pairs start at multiples of 256, though three fit.
    const narrow = tensor('narrow', [1, 6, 2, 4, 4], 'arena');
    const { params, channels, ...rest } = command;
    expect([params, channels]).toHaveLength(2);
    const slices = splitCommand(
      {
        ...rest,
        bindings: [readWrite(narrow, true)],
        workgroups: [1, 6, 1],
        samples: 1,
        channels: { count: 6 },
      },
      limits(400),
    );
    expect(slices.map((slice) => ranges(slice)[0])).toEqual([
      [0, 64],
      [64, 64],
      [128, 64],
    ]);
  });

  it('copies what starts elsewhere, and back what is written', () => {
    const odd = tensor('odd', [1, 2, 3, 5, 7], 'arena');
    const other = tensor('other', [1, 2, 3, 5, 7], 'arena');
    const both: Command = {
      label: 'op',
      kernel: { file: 'max-pool3d.wgsl', entry: 'forward' },
      bindings: [read(odd, true), write(other, true)],
      workgroups: [1, 2, 1],
      samples: 1,
      channels: { count: 2 },
    };
    const commands = splitCommand(both, limits(768));
    expect(commands.map(({ label }) => label)).toEqual(['op', 'op/copy_in', 'op', 'op/copy_out']);
    expect(commands[1]!.params).toEqual({ size: 105, source_first: 105 % 64, target_first: 0, groups_x: 1 });
    expect(ranges(commands[1]!)[0]).toEqual([64, 105 + (105 % 64)]);
    expect(commands[3]!.params).toEqual({ size: 105, source_first: 0, target_first: 105 % 64, groups_x: 1 });
    expect(commands[3]!.bindings[1]!.tensor).toBe(other);
    expect(() => splitCommand(both, limits(420))).toThrow(OutOfMemoryError);
  });

  it('counts 16-bit floats by their own bytes, which are bound in fours', () => {
    const half = tensor('half', [1, 3, 3, 5, 7], 'arena', { element: 'f16' });
    const command: Command = {
      label: 'op',
      kernel: { file: 'max-pool3d.wgsl', entry: 'forward' },
      bindings: [read(half, true)],
      workgroups: [1, 3, 1],
      samples: 1,
      channels: { count: 3 },
    };
    expect(byteLength(half)).toBe(632);
    expect(splitCommand(command, limits(632))).toEqual([command]);
    // A channel is 105 elements, 210 bytes: but for the first they start where nothing is bound, and are copied.
    const commands = splitCommand(command, limits(600));
    expect(commands.map(({ label }) => label)).toEqual(['op', 'op/copy_in', 'op', 'op/copy_in', 'op']);
    expect(commands[1]!.params).toEqual({ size: 105, source_first: 105, target_first: 0, groups_x: 1 });
    expect(commands[3]!.params).toEqual({ size: 105, source_first: 210 - 128, target_first: 0, groups_x: 1 });
    expect(ranges(commands[3]!)[0]).toEqual([128, 105 + 82]);
    expect(commands[3]!.kernel.spec).toEqual({ Source: 'f16', Target: 'f16' });
    expect(commands[4]!.bindings[0]!.tensor).toMatchObject({ element: 'f16', shape: [105] });
    const groups = channelGroups(
      tensor('wide', [1, 4, 8, 8, 8], 'arena', { element: 'f16' }),
      limits(CHANNEL),
    );
    expect(groups.map(({ tensor: { element }, channels }) => [element, channels])).toEqual([
      ['f16', 2],
      ['f16', 2],
    ]);
  });
});

describe('channelGroups', () => {
  it('gives the tensor itself where a sample fits, else views of as many channels as do', () => {
    expect(channelGroups(input, limits(4 * CHANNEL))).toEqual([{ tensor: input, first: 0, channels: 4 }]);
    const groups = channelGroups(input, limits(3 * CHANNEL));
    expect(groups.map(({ first, channels }) => [first, channels])).toEqual([
      [0, 3],
      [3, 1],
    ]);
    expect(groups[1]!.tensor).toMatchObject({
      label: 'input[3..3]',
      shape: [2, 1, 8, 8, 8],
      placement: { of: input, firstChannel: 3 },
    });
  });

  it('views are bound a sample at a time, whatever fits', () => {
    const view = channelGroups(input, limits(3 * CHANNEL))[1]!.tensor;
    const command: Command = {
      label: 'conv3d/forward',
      kernel: { file: 'conv3d.wgsl', entry: 'forward' },
      bindings: [read(view, true)],
      workgroups: [1, 1, 2],
      samples: 2,
    };
    const slices = splitCommand(command, limits(1e6));
    expect(slices.map(({ bindings }) => bindings[0])).toEqual([
      { access: 'read', tensor: input, first: 1536, count: 512 },
      { access: 'read', tensor: input, first: 3584, count: 512 },
    ]);
    const { samples, ...all } = command;
    expect(samples).toBe(2);
    expect(() => splitCommand(all, limits(1e6))).toThrow(/binds input\[3\.\.3\] 2x1x8x8x8, 4\.1 kB/);
    expect(() => splitCommand(command, limits(CHANNEL - 4))).toThrow(
      /conv3d\/forward binds input\[3\.\.3\] 2x1x8x8x8, of which a sample is 2\.0 kB/,
    );
  });
});

describe('the device’s own limit', () => {
  const context = useGpu();

  it('is kept where one sample passes it', { timeout: 120_000 }, async ({ skip }) => {
    const { gpu } = context;
    const { maxBindingBytes } = gpu.capabilities;
    if (maxBindingBytes > 2 ** 28) skip(`${maxBindingBytes} bytes are too many to pass in a test`);
    // Three channels of two fifths of the limit each.
    const extent = 2 * Math.floor(Math.cbrt(maxBindingBytes / 10) / 2);
    const voxels = extent ** 3;
    const store = await TensorStore.create(gpu, 'large', [
      { name: 'input', shape: [1, 3, extent, extent, extent] },
    ]);
    const weights = await TensorStore.create(gpu, 'weight', [{ name: 'weight', shape: [3, 3, 1, 1, 1] }]);
    store.write(
      'input',
      Float32Array.from({ length: 3 * voxels }, (_, i) => i % 1021),
    );
    weights.write(
      'weight',
      Float32Array.from({ length: 9 }, (_, i) => i - 4),
    );
    const tape = new Tape(gpu.capabilities);
    const convolved = tape.apply(conv3d, [store.get('input'), weights.get('weight')], {
      stride: 1,
      padding: 0,
      sources: 1,
      bias: false,
    });
    const pooled = tape.apply(maxPool3d, [convolved], {});
    // Dawn refuses a binding that is too large.
    const plan = await compilePlan(gpu, tape.commands, { label: 'large', keep: [pooled] });
    plan.run();
    const actual = await plan.read(pooled);
    const at = (channel: number, z: number, y: number, x: number): number => {
      const voxel = (z * extent + y) * extent + x;
      let sum = 0;
      for (let i = 0; i < 3; i++) sum += (channel * 3 + i - 4) * ((i * voxels + voxel) % 1021);
      return sum;
    };
    const half = extent / 2;
    const wrong: number[] = [];
    for (let k = 0; k < actual.length; k += 9973) {
      const [x, y, z] = [k % half, Math.floor(k / half) % half, Math.floor(k / half ** 2) % half];
      const window = Array.from({ length: 8 }, (_, j) =>
        at(Math.floor(k / half ** 3), 2 * z + (j >> 2), 2 * y + ((j >> 1) & 1), 2 * x + (j & 1)),
      );
      if (actual[k] !== Math.max(...window)) wrong.push(k);
    }
    expect(actual.length).toBe(3 * half ** 3);
    expect(wrong).toEqual([]);
    plan.destroy();
    store.destroy();
    weights.destroy();
  });
});
