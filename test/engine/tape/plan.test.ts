import { describe, expect, it } from 'vitest';
import { DeviceLostError, GpuError } from '../../../src/core/errors.ts';
import type { Gpu } from '../../../src/engine/gpu/gpu.ts';
import { relu } from '../../../src/engine/ops/relu.ts';
import { sigmoid } from '../../../src/engine/ops/sigmoid.ts';
import { type Command, read, readWrite, write } from '../../../src/engine/tape/command.ts';
import { compilePlan, type Plan } from '../../../src/engine/tape/plan.ts';
import { TensorStore } from '../../../src/engine/tape/store.ts';
import { Tape, TapeError } from '../../../src/engine/tape/tape.ts';
import { type Tensor, tensor } from '../../../src/engine/tape/tensor.ts';
import { openNodeGpu, openNullGpu } from '../../../src/platform/node.ts';
import { useGpu } from '../../support/gpu.ts';

/** ReLU of `size` elements from one tensor into another. */
function reluCommand(input: Tensor, output: Tensor, size: number): Command {
  return {
    label: 'relu/forward',
    kernel: { file: 'relu.wgsl', entry: 'forward' },
    bindings: [read(input), write(output)],
    params: { items: size, alpha: { f32: 0 }, groups_x: 1 },
    workgroups: [1, 1, 1],
  };
}

/** A store with one input of alternating signs. */
async function inputStore(gpu: Gpu, shape: readonly number[]): Promise<TensorStore> {
  const store = await TensorStore.create(gpu, 'input', [{ name: 'x', shape }]);
  const n = shape.reduce((a, b) => a * b, 1);
  store.write(
    'x',
    Float32Array.from({ length: n }, (_, i) => (i % 2 === 0 ? i + 1 : -i)),
  );
  return store;
}

const positive = (n: number): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => (i % 2 === 0 ? i + 1 : 0));

async function record(gpu: Gpu, store: TensorStore, ops: number): Promise<{ plan: Plan; output: Tensor }> {
  const tape = new Tape(gpu.capabilities);
  let x = store.get('x');
  for (let i = 0; i < ops; i++) x = tape.apply(relu, [x], { slope: 0 });
  return {
    plan: await compilePlan(gpu, tape.commands, { label: 'test', keep: [x], poison: true }),
    output: x,
  };
}

describe('compilePlan', () => {
  const context = useGpu();

  it('refuses params with other names, or in another order, than the struct of the shader', async () => {
    const { gpu } = context;
    const store = await inputStore(gpu, [64]);
    const command = reluCommand(store.get('x'), tensor('output', [64], 'arena'), 64);
    const swapped: Command = { ...command, params: { alpha: { f32: 0 }, items: 64, groups_x: 1 } };
    await expect(compilePlan(gpu, [swapped], { label: 'swapped' })).rejects.toThrow(
      /relu\/forward: the params are alpha, items, groups_x; shaders\/relu\.wgsl declares items, alpha, groups_x at binding 2/,
    );
    const source = `
      struct Scale { factor: f32, // of the output
        items: u32 }
      @group(0) @binding(0) var<storage, read_write> x: array<f32>;
      @group(0) @binding(1) var<uniform> scale: Scale;
      @compute @workgroup_size(64) fn run(@builtin(global_invocation_id) at: vec3u) {
        if (at.x < scale.items) { x[at.x] *= scale.factor; }
      }`;
    const own: Command = {
      label: 'scale',
      kernel: { file: 'scale', source, entry: 'run' },
      bindings: [readWrite(store.get('x'))],
      params: { factor: { f32: 2 } },
      workgroups: [1, 1, 1],
    };
    await expect(compilePlan(gpu, [own], { label: 'own' })).rejects.toThrow(
      /scale: the params are factor; scale declares factor, items at binding 1/,
    );
    const whole: Command = { ...own, params: { factor: { f32: 2 }, items: 64 } };
    const plan = await compilePlan(gpu, [whole], { label: 'whole' });
    plan.run();
    expect((await store.read('x')).slice(0, 3)).toEqual(Float32Array.of(2, -2, 6));
    plan.destroy();
    store.destroy();
    expect(gpu.buffers).toEqual([]);
  });

  it('reuses the memory of dead tensors, replays with the same bits, and frees everything', async () => {
    const { gpu } = context;
    const store = await inputStore(gpu, [1024]);
    const { plan, output } = await record(gpu, store, 8);
    expect(plan.statistics).toMatchObject({ arenaBytes: 8192, livenessBytes: 8192, dispatches: 8 });
    for (let run = 0; run < 2; run++) {
      plan.run();
      expect(await plan.read(output)).toEqual(positive(1024));
    }
    expect(await plan.read(store.get('x')), 'fixed tensors are read too').toHaveLength(1024);
    plan.destroy();
    expect(gpu.buffers.map((buffer) => buffer.label)).toEqual(['input']);
    store.destroy();
    expect(gpu.allocatedBytes).toBe(0);
  });

  it('runs what it encoded ahead as it runs the rest, behind what the caller puts in front', async () => {
    const { gpu } = context;
    const store = await inputStore(gpu, [1024]);
    const { plan, output } = await record(gpu, store, 3);
    const fronts: number[] = [];
    for (const ahead of [false, true, true, false]) {
      if (ahead) plan.prepare();
      if (ahead) plan.prepare();
      plan.run(() => fronts.push(fronts.length));
      expect(await plan.read(output)).toEqual(positive(1024));
    }
    expect(fronts).toEqual([0, 1, 2, 3]);
    // What is encoded and never run costs nothing and breaks nothing.
    plan.prepare();
    plan.destroy();
    gpu.check();
    store.destroy();
    expect(gpu.allocatedBytes).toBe(0);
  });

  it('refuses a command that reads what nothing wrote, and frees what it had made', async () => {
    const { gpu } = context;
    const never = tensor('never', [4], 'arena');
    const out = tensor('out', [4], 'arena');
    await expect(compilePlan(gpu, [reluCommand(never, out, 4)], { label: 'test' })).rejects.toThrow(
      TapeError,
    );
    await expect(compilePlan(gpu, [reluCommand(never, out, 4)], { label: 'test' })).rejects.toThrow(
      'relu/forward reads never 4 before anything wrote it',
    );
    expect(gpu.buffers).toEqual([]);
  });

  it('knows its own tensors only', async () => {
    const { gpu } = context;
    const store = await inputStore(gpu, [8]);
    const { plan } = await record(gpu, store, 1);
    await expect(plan.read(tensor('other', [8], 'arena'))).rejects.toThrow(
      'other 8 is not a tensor of this plan',
    );
    plan.destroy();
    store.destroy();
  });

  it('refuses to read a tensor that was not kept, whose memory another one has taken', async () => {
    const { gpu } = context;
    const store = await inputStore(gpu, [64]);
    const tape = new Tape(gpu.capabilities);
    const outputs: Tensor[] = [];
    for (const op of [relu, sigmoid, relu, sigmoid]) {
      const input = outputs.at(-1) ?? store.get('x');
      outputs.push(op === relu ? tape.apply(relu, [input], { slope: 0 }) : tape.apply(sigmoid, [input], {}));
    }
    const keep = [outputs[3]!];
    const plan = await compilePlan(gpu, tape.commands, { label: 'test', keep });
    plan.run();
    expect(plan.region(outputs[1]!), 'one place for both').toEqual(plan.region(outputs[3]!));
    for (const output of outputs.slice(0, 3)) {
      await expect(plan.read(output)).rejects.toThrow(TapeError);
      await expect(plan.read(output)).rejects.toMatchObject({
        message: `${output.label} 64 was not kept: its memory is reused before a run ends; kept are: sigmoid`,
        hint: /`keep`/,
      });
    }
    expect(await plan.read(outputs[3]!)).toHaveLength(64);
    plan.destroy();
    const none = await compilePlan(gpu, tape.commands, { label: 'test' });
    none.run();
    await expect(none.read(outputs[3]!)).rejects.toThrow('kept are: none');
    none.destroy();
    store.destroy();
  });

  it('names the kernel, the line and the plan where a kernel cannot be made or bound', async () => {
    const { gpu } = context;
    const store = await inputStore(gpu, [8]);
    const x = store.get('x');
    const out = tensor('out', [8], 'arena');
    const good = reluCommand(x, out, 8);
    const noEntry = { ...good, kernel: { file: 'relu.wgsl', entry: 'sideways' } };
    await expect(compilePlan(gpu, [noEntry], { label: 'test' })).rejects.toThrow(/relu\.wgsl:sideways/);
    const noFile = { ...good, kernel: { file: 'none.wgsl', entry: 'forward' } };
    await expect(compilePlan(gpu, [noFile], { label: 'test' })).rejects.toThrow('none.wgsl: no such shader');
    const unbound = { ...good, bindings: [read(x)] };
    const failure = compilePlan(gpu, [unbound], { label: 'my plan' });
    await expect(failure).rejects.toThrow(GpuError);
    await expect(failure).rejects.toThrow(/my plan: binding a kernel failed/);
    gpu.check();
    expect(gpu.buffers.map((buffer) => buffer.label)).toEqual(['input']);
    store.destroy();
  });
});

describe('a device that goes away', () => {
  it('gives DeviceLostError from every later call, with a hint', async () => {
    const gpu = await openNodeGpu();
    const store = await inputStore(gpu, [64]);
    const { plan, output } = await record(gpu, store, 1);
    plan.run();
    gpu.device.destroy();
    await gpu.device.lost;
    expect(() => plan.run()).toThrow(DeviceLostError);
    expect(() => plan.run()).toThrow(/was lost \(destroyed\)/);
    await expect(plan.read(output)).rejects.toMatchObject({ code: 'device-lost', hint: /checkpoint/ });
    await expect(gpu.createBuffer({ label: 'late', bytes: 16, usage: 128 })).rejects.toThrow(DeviceLostError);
    await expect(gpu.idle()).rejects.toThrow(DeviceLostError);
    await gpu.close();
  });

  it('gives DeviceLostError to a readback that was under way', async () => {
    const gpu = await openNodeGpu();
    const store = await inputStore(gpu, [64]);
    const { plan, output } = await record(gpu, store, 1);
    plan.run();
    const reading = plan.read(output);
    const waiting = expect(reading).rejects.toThrow(GpuError);
    gpu.device.destroy();
    await waiting;
    await gpu.close();
  });
});

describe('the null device', () => {
  it('compiles a plan and refuses to run it or to read from it', async () => {
    const gpu = await openNullGpu();
    const store = await inputStore(gpu, [64]);
    const { plan, output } = await record(gpu, store, 2);
    expect(plan.statistics.dispatches).toBe(2);
    expect(() => plan.run()).toThrow(GpuError);
    expect(() => plan.run()).toThrow(/executes nothing/);
    await expect(plan.read(output)).rejects.toThrow(/executes nothing/);
    await expect(store.readAll()).rejects.toThrow(/executes nothing/);
    await gpu.close();
  });
});
