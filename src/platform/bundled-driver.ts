import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir, constants as os, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { parseTar } from 'nanotar';

/** The package whose archive carries SwiftShader, a Vulkan driver that runs on the processor. */
const PACKAGE = '@sparticuz/chromium';
const ARCHIVE = 'bin/swiftshader.tar.br';
const MANIFEST = 'vk_swiftshader_icd.json';
const LOADER = 'libvulkan.so.1';
const RTLD_NODELETE = 0x1000;

/** A folder with a Vulkan driver, its manifest and a loader. */
export interface BundledDriver {
  readonly manifest: string;
  readonly loader: string;
}

/** Whether the bundled driver can run here: x86-64 Linux. */
export function bundledDriverSupported(): boolean {
  return process.platform === 'linux' && process.arch === 'x64';
}

/**
 * Unpacks the bundled driver once into the user's cache folder (or a temporary one where that is not writable).
 * @returns undefined where the package or the platform does not offer it.
 */
export function unpackBundledDriver(): BundledDriver | undefined {
  if (!bundledDriverSupported()) return undefined;
  const root = packageRoot();
  if (!root) return undefined;
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  for (const base of [process.env.XDG_CACHE_HOME, join(homedir(), '.cache'), tmpdir()]) {
    if (!base) continue;
    try {
      return unpackInto(join(base, 'voxelgrad', `swiftshader-${version}`), join(root, ARCHIVE));
    } catch {
      // Not writable: the next place.
    }
  }
  return undefined;
}

function packageRoot(): string | undefined {
  try {
    let folder = dirname(createRequire(import.meta.url).resolve(PACKAGE));
    while (!existsSync(join(folder, ARCHIVE))) {
      const parent = dirname(folder);
      if (parent === folder) return undefined;
      folder = parent;
    }
    return folder;
  } catch {
    return undefined;
  }
}

function unpackInto(folder: string, archive: string): BundledDriver {
  const driver = { manifest: join(folder, MANIFEST), loader: join(folder, LOADER) };
  if (existsSync(driver.manifest) && existsSync(driver.loader)) return driver;
  mkdirSync(dirname(folder), { recursive: true });
  // Unpacked beside and renamed, so that two processes that start at once both see a whole folder.
  const staging = mkdtempSync(`${folder}-`);
  for (const file of parseTar(brotliDecompressSync(readFileSync(archive)))) {
    const name = file.name.split('/').pop();
    if (name && file.data && file.data.length > 0)
      writeFileSync(join(staging, name), file.data, { mode: 0o755 });
  }
  try {
    renameSync(staging, folder);
  } catch (error) {
    rmSync(staging, { recursive: true, force: true });
    if (!existsSync(driver.manifest)) throw error;
  }
  return driver;
}

/** Points Vulkan at the bundled driver, and loads the bundled loader where the system has none. */
export function activateBundledDriver(driver: BundledDriver): void {
  process.env.VK_ICD_FILENAMES = driver.manifest;
  process.env.VK_DRIVER_FILES = driver.manifest;
  try {
    process.dlopen({ exports: {} }, driver.loader, os.dlopen.RTLD_NOW | RTLD_NODELETE);
  } catch {
    // It is no Node module, so dlopen always complains ("did not self-register"); the library stays loaded.
  }
}
