import { availableParallelism } from 'node:os';
import { create, globals } from 'webgpu';
import { GpuError } from '../core/errors.ts';
import type { DriverOrigin } from '../engine/gpu/capabilities.ts';
import { Gpu } from '../engine/gpu/gpu.ts';
import { type AdapterEntry, chooseAdapter, NO_ADAPTER, parseAdapters } from './adapters.ts';
import { activateBundledDriver, unpackBundledDriver } from './bundled-driver.ts';
import { withoutLimitWarnings } from './native-messages.ts';
import { restWhile } from './rest.ts';
import { systemHasDrivers } from './system-drivers.ts';

/** Settings of {@link openNodeGpu}. */
export interface NodeGpuOptions {
  /** Dawn's own flags, such as `backend=null` or `adapter=llvmpipe`. */
  readonly flags?: readonly string[];
  /** `bundled` passes over the system's drivers; `system` never falls back to the bundled one. */
  readonly driver?: 'auto' | DriverOrigin;
  /**
   * The system's adapter to take, by its place in {@link listAdapters} or a part of its name (default: what the environment
   * variable VOXELGRAD_ADAPTER says, else the one that Dawn prefers).
   */
  readonly adapter?: string | undefined;
  /**
   * Timestamps as exact as the device's, for profiles: Dawn rounds them to 0.07 to 0.1 ms, since in a browser they would
   * help to spy on other pages (default false).
   */
  readonly exactTimestamps?: boolean;
  /**
   * Leave out two lines that Dawn writes to stderr of many adapters and that mean nothing here (default false, since
   * stderr belongs to the whole process; see native-messages.ts).
   */
  readonly quiet?: boolean;
}

// Dawn's instance must outlive every device: if it is collected first, the process aborts.
const instances: GPU[] = [];

/**
 * Opens a GPU on Node through Dawn: a real GPU or a good system driver first, else the bundled software driver.
 * The environment variable VOXELGRAD_DRIVER=bundled|system sets the default of `driver`.
 *
 * @throws GpuError for an adapter that is not there, with those that are; GpuError naming what was tried and how to get a driver on this platform.
 */
export async function openNodeGpu(options: NodeGpuOptions = {}): Promise<Gpu> {
  Object.assign(globalThis, globals);
  const wanted = options.driver ?? driverFromEnvironment();
  if (wanted === 'system' || (wanted === 'auto' && systemHasDrivers())) {
    // Lavapipe gives each of its threads an equal share of a dispatch beforehand: with one a core, a core that other
    // programs slow down keeps all waiting. (Other drivers do not know the variable.)
    process.env.LP_NUM_THREADS ??= String(2 * availableParallelism());
    const name = options.adapter ?? (process.env.VOXELGRAD_ADAPTER || undefined);
    const flags = [...(options.flags ?? [])];
    if (name !== undefined) flags.push(`adapter=${chooseAdapter(await listAdapters(options), name).name}`);
    const adapter = await requestAdapter({ ...options, flags });
    if (adapter) return Gpu.open(adapter, 'system', { wait: restWhile });
  }
  if (wanted !== 'system') {
    const driver = unpackBundledDriver();
    if (driver) {
      activateBundledDriver(driver);
      // A new instance: one that has found no adapter keeps answering null.
      const adapter = await requestAdapter(options);
      if (adapter) return Gpu.open(adapter, 'bundled', { wait: restWhile });
    }
  }
  throw new GpuError('no WebGPU adapter was found, neither a system driver nor the bundled software driver', {
    hint: adapterHint(),
  });
}

/** The adapters of the system's drivers, in Dawn's order; none where there is no such driver. */
export async function listAdapters({ quiet }: Pick<NodeGpuOptions, 'quiet'> = {}): Promise<AdapterEntry[]> {
  Object.assign(globalThis, globals);
  if (!systemHasDrivers()) return [];
  try {
    await requestAdapter({ flags: [`adapter=${NO_ADAPTER}`], ...(quiet ? { quiet } : {}) });
  } catch (error) {
    return parseAdapters(error instanceof Error ? error.message : String(error));
  }
  return [];
}

/** A device of Dawn's null backend: it validates and compiles shaders, and refuses to run a plan or to read back. */
export async function openNullGpu(): Promise<Gpu> {
  Object.assign(globalThis, globals);
  const adapter = await requestAdapter({ flags: ['backend=null'] });
  if (!adapter) throw new GpuError('Dawn offers no null adapter');
  return Gpu.open(adapter, 'system', { execute: false });
}

async function requestAdapter({
  flags = [],
  exactTimestamps,
  quiet,
}: NodeGpuOptions): Promise<GPUAdapter | null> {
  const exact = exactTimestamps ? ['disable-dawn-features=timestamp_quantization'] : [];
  const instance = create([...flags, ...exact]);
  const request = (): Promise<GPUAdapter | null> => instance.requestAdapter();
  const adapter = await (quiet ? withoutLimitWarnings(request) : request());
  if (adapter) instances.push(instance);
  return adapter;
}

function driverFromEnvironment(): 'auto' | DriverOrigin {
  const value = process.env.VOXELGRAD_DRIVER;
  return value === 'bundled' || value === 'system' ? value : 'auto';
}

function adapterHint(): string {
  if (process.platform === 'linux')
    return process.arch === 'x64'
      ? 'Run `npm ci` again (the bundled driver comes with it), or install Mesa 24 or later: apt-get install mesa-vulkan-drivers libvulkan1.'
      : 'Install a Vulkan driver: apt-get install mesa-vulkan-drivers libvulkan1 (Mesa 24 or later).';
  return 'Update the graphics driver; macOS needs Metal, Windows needs Direct3D 12.';
}
