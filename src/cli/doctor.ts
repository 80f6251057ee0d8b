import type { Gpu } from '../engine/gpu/gpu.ts';
import { formatBytes } from '../engine/gpu/gpu.ts';
import { measurePeak, type Peak } from '../engine/gpu/peak.ts';
import { type AdapterEntry, assignmentWarning } from '../platform/adapters.ts';
import { listAdapters, openNodeGpu } from '../platform/node.ts';
import { backendName, type SystemInfo, systemInfo } from '../platform/system.ts';
import { type Command, command } from './command.ts';
import { GPU_ARGS } from './common.ts';

/** What `doctor --json` prints. */
export interface DoctorReport {
  readonly adapter: { readonly description: string; readonly backend: string; readonly software: boolean };
  /** Adapters of the system's drivers, in the order of their numbers. */
  readonly adapters: readonly AdapterEntry[];
  readonly driver: 'system' | 'bundled';
  /** WebGPU's limits by name, as the device was opened with. */
  readonly limits: Readonly<Record<string, number>>;
  /** Features that the engine asked for and got. */
  readonly features: readonly string[];
  readonly peak: Peak;
}

export const doctor: Command = command({
  name: 'doctor',
  description: 'Show the adapter that the engine runs on, and measure how fast it is',
  args: { ...GPU_ARGS },
  examples: [
    { line: 'doctor', does: 'adapter, driver, limits, features, measured peak, advice' },
    { line: 'doctor --json', does: 'the same for a program to read' },
  ],
  async run(options, output) {
    options.seed();
    const adapters = await listAdapters({ quiet: true });
    const warning = assignmentWarning(adapters);
    if (warning) output.note(warning);
    const gpu = await openNodeGpu({ quiet: true });
    try {
      const report = await examine(gpu, adapters);
      const advice = driverAdvice(report, systemInfo());
      if (output.json && advice) output.note(advice);
      output.result(report, describeReport(report, advice));
    } finally {
      await gpu.close();
    }
  },
});

async function examine(gpu: Gpu, adapters: readonly AdapterEntry[]): Promise<DoctorReport> {
  const { description, software, driver } = gpu.capabilities;
  const peak = await measurePeak(gpu);
  return {
    adapter: { description, backend: backendName(), software },
    adapters,
    driver,
    limits: limitsOf(gpu.device.limits),
    features: [...gpu.device.features].sort(),
    peak: { gflops: round(peak.gflops), gbps: round(peak.gbps) },
  };
}

function limitsOf(limits: GPUSupportedLimits): Record<string, number> {
  const values: Record<string, number> = {};
  // Limits are getters of the prototype, so Object.entries sees none.
  for (const name in limits) {
    const value: unknown = limits[name as keyof GPUSupportedLimits];
    if (typeof value === 'number') values[name] = value;
  }
  return values;
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}

/** What would make the engine faster here; undefined where nothing is known to. */
export function driverAdvice(
  report: Pick<DoctorReport, 'adapter' | 'driver'>,
  system: SystemInfo,
): string | undefined {
  const gpu = 'A GPU with a Vulkan, Metal or Direct3D 12 driver is faster by far.';
  if (!report.adapter.software) return undefined;
  if (report.driver !== 'bundled' || system.platform !== 'linux')
    return `advice: this adapter runs on the processor. ${gpu}`;
  const mesa = mesaInstruction(system);
  return `advice: this is the bundled driver (SwiftShader). Mesa's lavapipe 24 or later is about 3 to 9 times faster: ${mesa}. ${gpu}`;
}

function mesaInstruction({ distribution, version }: SystemInfo): string {
  const packages = 'mesa-vulkan-drivers libvulkan1';
  // Debian 12's own Mesa 22.3 lacks what Dawn needs.
  if (distribution === 'debian' && version === '12')
    return `add bookworm-backports to your sources, then apt-get update && apt-get install -t bookworm-backports ${packages}`;
  if (distribution === 'debian' || distribution === 'ubuntu') return `apt-get install ${packages}`;
  if (distribution === 'fedora') return 'dnf install mesa-vulkan-drivers vulkan-loader';
  if (distribution === 'alpine') return 'apk add mesa-vulkan-swrast vulkan-loader';
  if (distribution === 'arch') return 'pacman -S vulkan-swrast vulkan-icd-loader';
  return `install your distribution's Mesa Vulkan drivers (${packages} on Debian and Ubuntu)`;
}

/** Limits that decide what fits, and whether they count bytes. */
const SHOWN_LIMITS: readonly (readonly [name: string, bytes: boolean])[] = [
  ['maxBufferSize', true],
  ['maxStorageBufferBindingSize', true],
  ['maxUniformBufferBindingSize', true],
  ['maxComputeWorkgroupStorageSize', true],
  ['maxComputeInvocationsPerWorkgroup', false],
  ['maxStorageBuffersPerShaderStage', false],
];

function describeReport(report: DoctorReport, advice: string | undefined): string {
  const { adapter, adapters, driver, limits, features, peak } = report;
  const origin = driver === 'bundled' ? 'bundled with the package (SwiftShader)' : 'of this system';
  const lines = [
    `adapter   ${adapter.description}`,
    `backend   ${adapter.backend}${adapter.software ? ', software (runs on the processor)' : ''}`,
    `driver    ${origin}`,
    ...(adapters.length > 1
      ? ['adapters', ...adapters.map(({ name, backend }, i) => `  ${i}  ${name} (${backend})`)]
      : []),
    `peak      ${peak.gflops} GFLOP/s of multiply-adds, ${peak.gbps} GB/s of copies`,
    `features  ${features.join(', ') || 'none'}`,
    'limits',
    ...SHOWN_LIMITS.map(([name, bytes]) => {
      const value = limits[name] ?? 0;
      return `  ${name.padEnd(36)} ${bytes ? formatBytes(value) : value}`;
    }),
  ];
  return [...lines, ...(advice ? [advice] : [])].join('\n');
}
