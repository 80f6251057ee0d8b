import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StructInfo, WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js';
import type { Capabilities } from '../../src/engine/gpu/capabilities.ts';
import type { Gpu } from '../../src/engine/gpu/gpu.ts';
import { kernelKey } from '../../src/engine/gpu/kernel.ts';
import { shaders } from '../../src/engine/gpu/shaders.generated.ts';
import {
  type Command,
  type Param,
  type Params,
  read,
  uniform,
  write,
} from '../../src/engine/tape/command.ts';
import { compilePlan, encodeDispatches } from '../../src/engine/tape/plan.ts';
import { tensor } from '../../src/engine/tape/tensor.ts';
import { openNullGpu } from '../../src/platform/node.ts';
import { type Recording, recordVariants, testedOps } from './recordings.ts';
import { filesBelow, readText } from './sources.ts';

const files = Object.keys(shaders).filter((file) => !file.startsWith('common/'));

/** Adapters whose variants are compiled, within what the null device allows. */
const ADAPTERS: readonly Partial<Capabilities>[] = [
  { family: 'lavapipe', software: true, subgroupSize: 8 },
  { family: 'swiftshader', software: true, subgroupSize: 4 },
  { family: 'gpu', software: false, subgroupSize: 8 },
  { family: 'gpu', software: false, subgroupSize: 0, f16: false },
];

interface Resource {
  readonly name: string;
  readonly group: number;
  readonly binding: number;
  readonly access: string;
  readonly uniform: boolean;
  /** Of a struct; empty for other resources. */
  readonly fields: readonly Field[];
}

/** One member of a params struct. */
interface Field {
  readonly name: string;
  /** Byte that it starts at. */
  readonly offset: number;
  /** Values of 4 bytes, and what each of them is. */
  readonly values: number;
  readonly scalar: string;
}

/** wgsl_reflect 1.6 takes the name `block` for a keyword; it is put back wherever a name is shown. */
const KEYWORD = /\bblock\b/g;

function fieldsOf(type: StructInfo): Field[] {
  return type.members.map((member) => ({
    name: member.name.replace(/^block_$/, 'block'),
    offset: member.offset,
    values: member.size / 4,
    scalar: /[uif](?=32)|(?<=vec[234])[uif]|[uif]$/.exec(member.type.getTypeName())?.[0] ?? '?',
  }));
}

function withIncludes(file: string, seen: Set<string> = new Set()): string {
  seen.add(file);
  return (shaders[file] ?? '').replace(/^\/\/!include (\S+)$/gm, (_, name: string) =>
    seen.has(name) ? '' : withIncludes(name, seen),
  );
}

/** Resources of every entry point by `file:entry`, ordered by binding, as wgsl_reflect reads the stored text. */
function reflect(file: string): Map<string, Resource[]> {
  const { entry } = new WgslReflect(withIncludes(file).replace(KEYWORD, 'block_'));
  return new Map(
    entry.compute.map(({ name, resources }) => [
      `${file}:${name}`,
      resources
        .map((each) => ({
          name: each.name,
          group: each.group,
          binding: each.binding,
          access: each.access,
          uniform: each.resourceType === 0,
          fields: each.type.isStruct ? fieldsOf(each.type as StructInfo) : [],
        }))
        .sort((a, b) => a.binding - b.binding),
    ]),
  );
}

const resources = new Map(files.flatMap((file) => [...reflect(file)]));

/** What is wrong between a command and the shader that it names. */
function mismatches({ label, kernel, bindings, params }: Command): string[] {
  const declared = resources.get(`${kernel.file}:${kernel.entry}`);
  if (!declared) return [`${label}: no entry point ${kernel.file}:${kernel.entry}`];
  const faults: string[] = [];
  const count = bindings.length + (params ? 1 : 0);
  if (count !== declared.length)
    faults.push(`${label}: binds ${count}, the shader declares ${declared.length}`);
  bindings.forEach(({ tensor, access }, i) => {
    const resource = declared[i];
    if (!resource) return;
    const at = `${label}: binding ${i} (${resource.name})`;
    if ((access === 'uniform') !== resource.uniform) faults.push(`${at} is bound as ${access}`);
    if ((access === 'write' || access === 'read-write') && resource.access !== 'read_write')
      faults.push(`${at} is written, but declared ${resource.access}`);
    if (tensor.placement === 'arena' && resource.access !== 'read_write')
      faults.push(`${at} may lie in the arena, but is declared ${resource.access}`);
  });
  const block = declared[bindings.length];
  if (params && block)
    faults.push(...misnamed(params, block).map((fault) => `${label}: ${block.name}: ${fault}`));
  return faults;
}

/** What is wrong between a params block and the struct that the shader declares. */
function misnamed(params: Params, { uniform, fields }: Resource): string[] {
  if (!uniform) return ['is not a uniform'];
  const given = Object.keys(params);
  const wanted = fields.map(({ name }) => name);
  if (given.join() !== wanted.join())
    return [`has the fields ${given.join(', ')}; the shader declares ${wanted.join(', ')}`];
  let at = 0;
  return Object.values(params).flatMap((value, i) => {
    const field = fields[i]!;
    const values = [value].flat() as Param[];
    const start = at;
    at += values.length * 4;
    if (start !== field.offset) return [`${field.name} starts at byte ${field.offset}, not ${start}`];
    if (values.length !== field.values)
      return [`${field.name} takes ${field.values} values, not ${values.length}`];
    return values.every((each) => fitting(each).includes(field.scalar))
      ? []
      : [`${field.name} is of ${field.scalar}32`];
  });
}

/** The scalars that a value can be given for. */
function fitting(value: Param): string {
  if (typeof value === 'object') return 'f';
  if (!Number.isInteger(value)) return '';
  return value < 0 ? 'i' : 'ui';
}

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openNullGpu();
});
afterAll(async () => {
  await gpu.close();
});

describe('stored shaders', () => {
  it('are embedded as they are stored', () => {
    const stored = filesBelow('shaders', '.wgsl').map((path) => [
      path.slice('shaders/'.length),
      readText(path),
    ]);
    expect(shaders).toEqual(Object.fromEntries(stored));
  });

  it.each(files)('%s is valid as it stands, before the specialiser', async (file) => {
    gpu.device.pushErrorScope('validation');
    const module = gpu.device.createShaderModule({ code: withIncludes(file) });
    const { messages } = await module.getCompilationInfo();
    expect(messages.map(({ lineNum, message }) => `${lineNum}: ${message}`)).toEqual([]);
    expect(await gpu.device.popErrorScope()).toBeNull();
  });

  it.each(files)('%s: every entry point compiles with its stored values', async (file) => {
    const entries = [...resources.keys()].filter((key) => key.startsWith(`${file}:`));
    expect(entries.length).toBeGreaterThan(0);
    const declared = [...withIncludes(file).matchAll(/@compute\b[^{]*?\bfn\s+(\w+)/g)].map(
      (match) => match[1]!,
    );
    expect(entries.map((key) => key.split(':')[1]).sort()).toEqual(declared.sort());
    for (const key of entries) await gpu.kernels.pipeline({ file, entry: key.split(':')[1]! });
  });

  it.each([...resources.keys()])('%s numbers its bindings from 0 without gaps', (key) => {
    const declared = resources.get(key)!;
    expect(declared.map(({ binding }) => binding)).toEqual(declared.map((_, i) => i));
    expect(declared.every(({ group }) => group === 0)).toBe(true);
    // The params block stands last, where the plan binds it.
    const uniforms = declared.filter(({ uniform }) => uniform);
    if (uniforms.length > 0) expect(declared.at(-1)!.uniform).toBe(true);
  });

  it('say in a header what they compute', () => {
    for (const [file, text] of Object.entries(shaders))
      expect(/^(?:enable \w+;\n\n?)?\/\/ .*\n\/\/.*\n/.test(text) || file.startsWith('common/'), file).toBe(
        true,
      );
  });
});

describe('the check of commands against shaders', () => {
  const x = tensor('x', [64], 'arena');
  const good: Command = {
    label: 'relu/forward',
    kernel: { file: 'relu.wgsl', entry: 'forward' },
    bindings: [read(x), write(x)],
    params: { items: 64, alpha: { f32: 0 }, groups_x: 1 },
    workgroups: [1, 1, 1],
  };

  it('finds what does not fit', () => {
    expect(mismatches(good)).toEqual([]);
    expect(mismatches({ ...good, kernel: { file: 'relu.wgsl', entry: 'sideways' } })).toEqual([
      'relu/forward: no entry point relu.wgsl:sideways',
    ]);
    expect(mismatches({ ...good, bindings: [read(x)] })).toContain(
      'relu/forward: binds 2, the shader declares 3',
    );
    expect(mismatches({ ...good, bindings: [uniform(x), write(x)] })).toEqual([
      'relu/forward: binding 0 (input) is bound as uniform',
    ]);
    const misnamed = (params: Params): string[] => mismatches({ ...good, params });
    expect(misnamed({ alpha: { f32: 0 }, items: 64, groups_x: 1 })).toEqual([
      'relu/forward: forward_params: has the fields alpha, items, groups_x; the shader declares items, alpha, groups_x',
    ]);
    expect(misnamed({ items: 64, alpha: { f32: 0 } })).toHaveLength(1);
    expect(misnamed({ items: { f32: 64 }, alpha: 0, groups_x: -1 })).toEqual([
      'relu/forward: forward_params: items is of u32',
      'relu/forward: forward_params: alpha is of f32',
      'relu/forward: forward_params: groups_x is of u32',
    ]);
    expect(misnamed({ items: [64, 64], alpha: { f32: 0 }, groups_x: 1 })).toEqual([
      'relu/forward: forward_params: items takes 1 values, not 2',
      'relu/forward: forward_params: alpha starts at byte 4, not 8',
      'relu/forward: forward_params: groups_x starts at byte 8, not 12',
    ]);
    const weights = { ...good, kernel: { file: 'batch-norm.wgsl', entry: 'forward' } };
    const bindings = [read(x), read(x), write(x), read(x), write(x)];
    expect(mismatches({ ...weights, bindings }).filter((fault) => /binding/.test(fault))).toEqual([
      'relu/forward: binding 2 (weight) is written, but declared read',
      'relu/forward: binding 2 (weight) may lie in the arena, but is declared read',
      'relu/forward: binding 3 (bias) may lie in the arena, but is declared read',
    ]);
  });
});

describe('every variant of every op', async () => {
  const ops = await testedOps();

  it.each(ADAPTERS)('compiles, binds and encodes for %o', { timeout: 300_000 }, async (adapter) => {
    const capabilities = { ...gpu.capabilities, ...adapter };
    const seen = new Set<string>();
    const faults = new Set<string>();
    const visit = async ({ label, commands }: Recording): Promise<void> => {
      for (const command of commands) for (const fault of mismatches(command)) faults.add(fault);
      const meant = commands.filter(({ kernel }) => kernel.file?.startsWith('software/'));
      if (!capabilities.software && meant.length > 0) faults.add(`${label}: kernels for software drivers`);
      const keys = commands.map(({ kernel, bindings }) => kernelKey(kernel) + bindings.map((b) => b.access));
      if (keys.every((key) => seen.has(key))) return;
      for (const key of keys) seen.add(key);
      const plan = await compilePlan(gpu, commands, { label });
      gpu.device.pushErrorScope('validation');
      const encoder = gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      encodeDispatches(pass, plan.dispatches);
      pass.end();
      encoder.finish();
      const error = await gpu.device.popErrorScope();
      if (error) faults.add(`${label}: ${error.message.split('\n')[0]}`);
      plan.destroy();
    };
    for (const op of ops) await recordVariants(gpu, op, capabilities, visit);
    expect([...faults]).toEqual([]);
    expect(seen.size).toBeGreaterThan(ops.length);
    gpu.check();
  });
});
