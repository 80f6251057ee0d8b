/**
 * Compiles kernels with a real GPU's compiler on a machine without one: Mesa's Vulkan driver for AMD (RADV) compiles for
 * a chip that is not there (`RADV_FORCE_FAMILY`), and a Vulkan layer above it (layer.c) answers whatever would execute.
 * A kernel goes WGSL -> Tint -> SPIR-V -> NIR -> ACO as on a card. Nothing is executed.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Loop } from './isa.ts';

/** A chip that RADV compiles for, with its generation. */
export const FAMILIES = ['navi31', 'navi21', 'vega20'] as const;
export type Family = (typeof FAMILIES)[number];

/** What to compile. */
export interface StaticRequest {
  readonly families: readonly string[];
  /** Only kernels whose key contains this. */
  readonly only?: string | undefined;
  /** Files of WGSL to compile instead of the engine's kernels, each entry point in turn. */
  readonly wgsl?: readonly string[] | undefined;
  readonly patch: number;
  readonly baseChannels: number;
  readonly levels: number;
  readonly batches: readonly number[];
}

/** One kernel as the compiler left it. */
export interface CompiledKernel {
  /** `conv3d.wgsl:convolve{CI=4,...}`. */
  readonly key: string;
  /** Why it was not compiled. */
  readonly failed?: string;
  /** Dispatches in a training step, all batches together; 0 for what only the tuner would try. */
  readonly uses: number;
  /** Lanes of a wave. */
  readonly subgroup: number;
  readonly registers: number;
  readonly spills: number;
  readonly workgroupBytes: number;
  readonly wavesPerSimd: number;
  readonly loops: Loop;
}

/** Everything compiled for one chip. */
export interface FamilyResult {
  readonly family: string;
  readonly adapter: string;
  /** Dispatches of a step by batch. */
  readonly dispatches: Readonly<Record<string, number>>;
  readonly kernels: readonly CompiledKernel[];
}

const HERE = fileURLToPath(new URL('.', import.meta.url));
const DRIVERS = ['/usr/share/vulkan/icd.d/radeon_icd.json', '/usr/share/vulkan/icd.d/radeon_icd.x86_64.json'];

/** What this machine lacks, as a sentence; undefined if kernels can be compiled. */
export function missingTools(): string | undefined {
  if (!DRIVERS.some((path) => existsSync(path)))
    return 'RADV, the Vulkan driver for AMD cards, is not installed (Debian: mesa-vulkan-drivers)';
  if (spawnSync('cc', ['--version']).status !== 0) return 'there is no C compiler (Debian: gcc)';
  if (!existsSync('/usr/include/vulkan/vk_layer.h'))
    return "Vulkan's headers are not installed (Debian: libvulkan-dev)";
  return undefined;
}

/**
 * Compiles for each family in a process of its own.
 * @throws Error if a tool is missing (see {@link missingTools}) or the compiling process fails.
 */
export function compileKernels(request: StaticRequest): FamilyResult[] {
  const missing = missingTools();
  if (missing) throw new Error(missing);
  const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-static-'));
  try {
    copyFileSync(join(HERE, 'VkLayer_voxelgrad_static.json'), join(folder, 'VkLayer_voxelgrad_static.json'));
    const library = join(folder, 'libvoxelgrad_static.so');
    const flags = ['-O1', '-shared', '-fPIC', '-fvisibility=hidden'];
    execFileSync('cc', [...flags, '-o', library, join(HERE, 'layer.c')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    return request.families.map((family) => compileFor(family, request, folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function compileFor(family: string, request: StaticRequest, layer: string): FamilyResult {
  const folder = join(layer, family);
  mkdirSync(folder);
  const asked = join(folder, 'request.json');
  const result = join(folder, 'result.json');
  writeFileSync(asked, JSON.stringify(request));
  const driver = DRIVERS.find((path) => existsSync(path))!;
  const child = join(HERE, 'child.ts');
  const run = spawnSync(process.execPath, ['--import', 'tsx', child, asked, result], {
    env: {
      ...process.env,
      RADV_FORCE_FAMILY: family,
      VK_DRIVER_FILES: driver,
      VK_ICD_FILENAMES: driver,
      VK_LAYER_PATH: layer,
      VK_INSTANCE_LAYERS: 'VK_LAYER_voxelgrad_static',
      VOXELGRAD_STATIC_OUT: join(folder, 'pipelines.jsonl'),
      VOXELGRAD_STATIC_ASM: folder,
      MESA_SHADER_CACHE_DISABLE: 'true',
    },
    stdio: ['ignore', 'inherit', 'pipe'],
    encoding: 'utf8',
  });
  if (run.status !== 0)
    throw new Error(
      `${family}: the compiling process ended with ${run.status ?? run.signal}\n${run.stderr.slice(-2000)}`,
    );
  return { ...(JSON.parse(readFileSync(result, 'utf8')) as Omit<FamilyResult, 'family'>), family };
}
