import { beforeAll, describe, expect, it } from 'vitest';
import { create, globals } from 'webgpu';
import { Random } from '../../../src/core/random.ts';
import type { AdapterFamily } from '../../../src/engine/gpu/capabilities.ts';
import { Gpu } from '../../../src/engine/gpu/gpu.ts';
import { recordTrainingStep } from '../../../src/engine/nn/training-step.ts';
import { compilePlan } from '../../../src/engine/tape/plan.ts';
import { Tape } from '../../../src/engine/tape/tape.ts';
import { requestOf } from '../../../src/pipeline/bench/bench-step.ts';
import { useGpu } from '../../support/gpu.ts';
import { relativeError } from '../../support/nd.ts';

/** What an adapter is made to lack. */
interface Lack {
  readonly features?: readonly string[];
  readonly limits?: Readonly<Record<string, number>>;
  readonly info?: Readonly<Record<string, unknown>>;
}

/** SwiftShader compiles a step's kernels anew for each device. */
const TIMEOUT_MS = 300_000;

// Dawn's instance must outlive its devices.
const instances: unknown[] = [];

/** A device of an adapter that lacks something: it is asked for no more, so that Dawn itself refuses what goes beyond. */
async function openWith(
  { features = [], limits = {}, info = {} }: Lack,
  family?: AdapterFamily,
): Promise<Gpu> {
  Object.assign(globalThis, globals);
  const instance = create([]);
  instances.push(instance);
  const adapter = (await instance.requestAdapter())!;
  const part = <T extends object>(of: T, other: object): T =>
    new Proxy(of, {
      get: (target, key) => {
        if (key in other) return Reflect.get(other, key);
        const value: unknown = Reflect.get(target, key);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  const left = new Set([...adapter.features].filter((feature) => !features.includes(feature)));
  const gpu = await Gpu.open(
    part(adapter, { features: left, limits: part(adapter.limits, limits), info: part(adapter.info, info) }),
  );
  if (family)
    Object.assign(gpu, { capabilities: { ...gpu.capabilities, family, software: family !== 'gpu' } });
  return gpu;
}

/** Gradients and running statistics of one step of a small network. */
async function step(gpu: Gpu): Promise<Map<string, Float32Array>> {
  const request = requestOf({ channels: 2, baseChannels: 8, levels: 2, patch: 8, batch: 1 });
  const recorded = await recordTrainingStep(gpu, request, new Tape(gpu.capabilities), new Random(3));
  const random = new Random(4);
  for (const [name, { shape }] of recorded.batch.tensors) {
    const size = shape.reduce((a, b) => a * b, 1);
    recorded.batch.write(
      name,
      Float32Array.from({ length: size }, () => random.uniform(0, 1)),
    );
  }
  recorded.setStep({ step: 0, learningRate: 1e-3 });
  const plan = await compilePlan(gpu, recorded.commands, { label: 'step', poison: true });
  plan.run();
  const grads = await recorded.net.grads!.readAll();
  plan.destroy();
  recorded.destroy();
  return grads;
}

const LACKS: Readonly<Record<string, Lack>> = {
  'no optional feature': { features: ['shader-f16', 'timestamp-query', 'subgroups'] },
  'subgroups of 4 to 64 lanes': { info: { subgroupMinSize: 4, subgroupMaxSize: 64 } },
  "WebGPU's least limits": {
    limits: {
      maxStorageBufferBindingSize: 128 * 2 ** 20,
      maxBufferSize: 256 * 2 ** 20,
      maxUniformBufferBindingSize: 64 * 2 ** 10,
      maxComputeWorkgroupStorageSize: 16 * 2 ** 10,
      maxComputeInvocationsPerWorkgroup: 256,
      maxComputeWorkgroupSizeX: 256,
      maxComputeWorkgroupSizeY: 256,
      maxComputeWorkgroupSizeZ: 64,
      maxComputeWorkgroupsPerDimension: 65535,
      maxStorageBuffersPerShaderStage: 8,
      minStorageBufferOffsetAlignment: 256,
      minUniformBufferOffsetAlignment: 256,
    },
  },
};

describe('an adapter that lacks something computes the same step', () => {
  // Chooses the driver, the bundled one where the system has none; adapters that are asked for later are of the same.
  useGpu();

  describe.each([undefined, 'gpu'] as const)('with the kernels of family %s', (family) => {
    let expected: Map<string, Float32Array>;
    beforeAll(async () => {
      const whole = await openWith({}, family);
      expected = await step(whole);
      await whole.close();
    }, TIMEOUT_MS);

    // Kernels of GPUs use no subgroups, and the bundled driver compiles them slowly.
    const lacks = Object.entries(LACKS).filter(([, { info }]) => family !== 'gpu' || !info);
    it.each(lacks)(
      '%s',
      async (_name, lack) => {
        const gpu = await openWith(lack, family);
        for (const feature of lack.features ?? [])
          expect(gpu.device.features.has(feature as GPUFeatureName), feature).toBe(false);
        if (lack.info || lack.features?.includes('subgroups')) expect(gpu.capabilities.subgroupSize).toBe(0);
        for (const [limit, value] of Object.entries(lack.limits ?? {}))
          expect(gpu.device.limits[limit as keyof GPUSupportedLimits], limit).toBe(value);
        const grads = await step(gpu);
        for (const [parameter, grad] of expected) {
          expect(grads.get(parameter)!.every(Number.isFinite), parameter).toBe(true);
          expect(relativeError(grads.get(parameter)!, grad), parameter).toBeLessThan(2e-4);
        }
        await gpu.close();
      },
      TIMEOUT_MS,
    );
  });
});
