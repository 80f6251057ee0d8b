/** Runs in a process of its own, on RADV below the layer (see compile.ts): `child.ts REQUEST.json RESULT.json`. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, globals } from 'webgpu';
import { capabilitiesOf } from '../../src/engine/gpu/capabilities.ts';
import { Gpu } from '../../src/engine/gpu/gpu.ts';
import { type Kernel, kernelKey } from '../../src/engine/gpu/kernel.ts';
import { specialise } from '../../src/engine/gpu/specialise.ts';
import { recordTrainingStep } from '../../src/engine/nn/training-step.ts';
import { dispatchesOf } from '../../src/engine/tape/plan.ts';
import { Tape } from '../../src/engine/tape/tape.ts';
import { networkSlots } from '../../src/engine/tune/network-slots.ts';
import { requestOf } from '../../src/pipeline/bench/bench-step.ts';
import type { CompiledKernel, FamilyResult, StaticRequest } from './compile.ts';
import { loopTree } from './isa.ts';

interface Source {
  readonly key: string;
  readonly entry: string;
  readonly code: string;
  readonly constants?: Readonly<Record<string, number>> | undefined;
  uses: number;
}

/** One line that the layer wrote about a pipeline. */
interface Pipeline {
  readonly subgroup: number;
  readonly asm: string;
  readonly statistics: Readonly<Record<string, number>>;
}

const LIMITS = [
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxUniformBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxStorageBuffersPerShaderStage',
] as const;
const FEATURES = ['subgroups', 'shader-f16', 'chromium-experimental-subgroup-matrix'];

const [asked, answer] = process.argv.slice(2) as [string, string];
const request = JSON.parse(readFileSync(asked, 'utf8')) as StaticRequest;
const out = process.env.VOXELGRAD_STATIC_OUT!;
const texts = process.env.VOXELGRAD_STATIC_ASM!;

Object.assign(globalThis, globals);
const instance = create(['enable-dawn-features=allow_unsafe_apis']);
const adapter = await instance.requestAdapter();
if (!adapter) throw new Error(`RADV knows no chip ${process.env.RADV_FORCE_FAMILY}`);
const device = await adapter.requestDevice({
  requiredFeatures: FEATURES.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[],
  requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])),
});
const dispatches: Record<string, number> = {};
const sources = request.wgsl ? sourcesOf(request.wgsl) : await kernelsOfStep();
const kernels: CompiledKernel[] = [];
for (const source of sources)
  if (!request.only || source.key.includes(request.only)) kernels.push(await compile(source));
const { vendor, architecture, description } = adapter.info;
const result: Omit<FamilyResult, 'family'> = {
  adapter: `${vendor} ${architecture} ${description}`,
  dispatches,
  kernels,
};
writeFileSync(answer, JSON.stringify(result));
// Dawn's device on the layer cannot be torn down.
process.exit(0);

function sourcesOf(files: readonly string[]): Source[] {
  return files.flatMap((file) => {
    const code = readFileSync(file, 'utf8');
    return [...code.matchAll(/@compute[^{]*?fn (\w+)/g)].map(([, entry]) => ({
      key: `${file.split('/').at(-1)}:${entry}`,
      entry: entry!,
      code,
      uses: 1,
    }));
  });
}

/** Every kernel of a training step, and of all candidates that the tuner would time. */
async function kernelsOfStep(): Promise<Source[]> {
  const capabilities = capabilitiesOf(device, adapter!.info, 'system');
  const found = new Map<string, Source>();
  const note = (kernel: Kernel, uses: number): void => {
    const key = kernelKey(kernel);
    const known = found.get(key) ?? {
      key,
      entry: kernel.entry,
      code: specialise(kernel.file, kernel.spec),
      constants: kernel.constants,
      uses: 0,
    };
    known.uses += uses;
    found.set(key, known);
  };
  for (const batch of request.batches) {
    const { baseChannels, levels, patch } = request;
    const shape = requestOf({ channels: 4, baseChannels, levels, patch, batch });
    const step = await recordTrainingStep(Gpu.counting(capabilities), shape, new Tape(capabilities));
    const commands = dispatchesOf(step.commands, capabilities);
    dispatches[String(batch)] = commands.length;
    for (const { kernel } of commands) note(kernel, 1);
    for (const { candidates } of await networkSlots(capabilities, shape))
      for (const { section } of candidates) for (const { kernel } of section.commands) note(kernel, 0);
  }
  return [...found.values()];
}

function pipelines(): Pipeline[] {
  if (!existsSync(out)) return [];
  const lines = readFileSync(out, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Pipeline);
}

async function compile({ key, entry, code, constants, uses }: Source): Promise<CompiledKernel> {
  const before = pipelines().length;
  device.pushErrorScope('validation');
  let failed: string | undefined;
  try {
    const module = device.createShaderModule({ code });
    const { messages } = await module.getCompilationInfo();
    const error = messages.find(({ type }) => type === 'error');
    if (error) throw new Error(`line ${error.lineNum}: ${error.message}`);
    await device.createComputePipelineAsync({
      layout: 'auto',
      compute: { module, entryPoint: entry, ...(constants ? { constants } : {}) },
    });
  } catch (error) {
    failed = String(error instanceof Error ? error.message : error)
      .split('\n')
      .slice(0, 3)
      .join(' ');
  }
  const invalid = await device.popErrorScope();
  const pipeline = pipelines().slice(before).at(-1);
  const empty = {
    subgroup: 0,
    registers: 0,
    spills: 0,
    workgroupBytes: 0,
    wavesPerSimd: 0,
    loops: loopTree(''),
  };
  if (failed || invalid || !pipeline)
    return {
      key,
      uses,
      ...empty,
      failed: failed ?? invalid?.message.split('\n')[0] ?? 'no pipeline was made',
    };
  const { subgroup, asm, statistics } = pipeline;
  return {
    key,
    uses,
    subgroup,
    registers: statistics.VGPRs ?? 0,
    spills: statistics['Spilled VGPRs'] ?? 0,
    workgroupBytes: statistics['LDS size'] ?? 0,
    wavesPerSimd: statistics['Subgroups per SIMD'] ?? 0,
    loops: loopTree(readFileSync(join(texts, asm), 'utf8')),
  };
}
