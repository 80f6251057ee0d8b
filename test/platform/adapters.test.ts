import { describe, expect, it } from 'vitest';
import { assignmentWarning, chooseAdapter, parseAdapters } from '../../src/platform/adapters.ts';
import { listAdapters, openNodeGpu } from '../../src/platform/node.ts';

const MESSAGE = `no suitable backends found
Available adapters:
 * backend: 'vulkan', name: 'NVIDIA H200'
 * backend: 'vulkan', name: 'AMD Radeon RX 7900 XTX (RADV NAVI31)'
 * backend: 'vulkan', name: 'llvmpipe (LLVM 15.0.6, 256 bits)'`;

describe('adapters of a machine', () => {
  const adapters = parseAdapters(MESSAGE);
  const twins = [adapters[0]!, adapters[0]!, adapters[2]!];

  it('are read from what Dawn says', () => {
    expect(adapters.map(({ name }) => name)).toEqual([
      'NVIDIA H200',
      'AMD Radeon RX 7900 XTX (RADV NAVI31)',
      'llvmpipe (LLVM 15.0.6, 256 bits)',
    ]);
    expect(parseAdapters('no adapter')).toEqual([]);
  });

  it('are chosen by number or by a part of the name', () => {
    expect(chooseAdapter(adapters, '1')).toBe(adapters[1]);
    expect(chooseAdapter(adapters, 'radeon')).toBe(adapters[1]);
    expect(chooseAdapter(twins, 'h200')).toBe(adapters[0]);
    expect(() => chooseAdapter(adapters, '3')).toThrow(/no adapter is called "3"; there are 0: NVIDIA H200/);
    expect(() => chooseAdapter(adapters, 'Arc')).toThrow(/no adapter is called "Arc".*2: llvmpipe/);
    expect(() => chooseAdapter(adapters, 'a')).toThrow(/"a" fits several adapters/);
    expect(() => chooseAdapter([], '0')).toThrow(/there are none/);
  });

  it('are refused where Dawn would open another of the same name', () => {
    const [first, second] = [{ ...twins[0]! }, { ...twins[0]! }];
    expect(chooseAdapter([first, second], '0')).toBe(first);
    expect(() => chooseAdapter([first, second], '1')).toThrow(/cannot be told from "NVIDIA H200"/);
  });

  it('are warned of if a job was given one of several identical cards', () => {
    expect(assignmentWarning(twins, { SLURM_JOB_GPUS: '1' })).toMatch(/gave this job GPU 1.*2 cards/);
    expect(assignmentWarning(adapters, { SLURM_JOB_GPUS: '1' })).toBeUndefined();
    expect(assignmentWarning(twins, {})).toBeUndefined();
  });

  it('of this machine are opened by number, and another name is refused', async () => {
    const here = await listAdapters({ quiet: true });
    if (here.length === 0) return;
    const gpu = await openNodeGpu({ quiet: true, adapter: '0', driver: 'system' });
    expect(gpu.capabilities.description).toContain(here[0]!.name.split(' ')[0]);
    await gpu.close();
    await expect(openNodeGpu({ quiet: true, adapter: 'no such card', driver: 'system' })).rejects.toThrow(
      /no adapter is called "no such card"/,
    );
  });
});
