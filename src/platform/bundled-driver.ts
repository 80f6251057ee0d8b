import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { constants as os, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { parseTar } from 'nanotar';
import { GpuError } from '../core/errors.ts';
import { cacheFolder } from './cache-folder.ts';

/** The package whose archive carries SwiftShader, a Vulkan driver that runs on the processor. */
const PACKAGE = '@sparticuz/chromium';
const ARCHIVE = 'bin/swiftshader.tar.br';
const MANIFEST = 'vk_swiftshader_icd.json';
const LOADER = 'libvulkan.so.1';
const RTLD_NODELETE = 0x1000;

/**
 * SHA-256 of the files that are loaded, as version 143.0.4 of the package carries them: neither a changed package nor a
 * changed file in a cache folder is ever loaded.
 */
const FILES: Readonly<Record<string, string>> = {
  [MANIFEST]: 'c9eef28b6b984fec220ef0abfecc40b502d46946706e47bfe97707027cb818bd',
  [LOADER]: '858e4d3fd0fc5d1409f9c9c076e7611c0967459bab153c5cb4ec81124a24e53c',
  'libvk_swiftshader.so': '55571f337145a70e32bb64f07ceb413796cc7e9dc1ecac2144728777faf75c8c',
};

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
 * Unpacks the bundled driver into a folder that nobody else can write to: once into the user's cache folder, else into a
 * folder of the user's own in the temporary one, else into a new one that is removed when the process ends. What
 * was unpacked before is used only if the folder is the user's alone and every file has the right SHA-256.
 *
 * @returns undefined if the package or the platform does not offer it.
 * @throws GpuError if the package holds other files than it should, or if there is no place for them.
 */
export function unpackBundledDriver(): BundledDriver | undefined {
  if (!bundledDriverSupported()) return undefined;
  const root = packageRoot();
  if (!root) return undefined;
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const name = `swiftshader-${version}`;
  const caches = [...new Set([cacheFolder(), cacheFolder('linux', {})])].map((folder) => join(folder, name));
  const places = [...caches, join(tmpdir(), `voxelgrad-${process.getuid?.()}`, name)];
  const ready = places.find(holdsDriver);
  if (ready !== undefined) return driverIn(ready);
  const files = filesOf(join(root, ARCHIVE));
  for (const folder of places) {
    try {
      unpackInto(folder, files);
    } catch {
      // Not writable, in other hands, or another process was quicker.
    }
    if (holdsDriver(folder)) return driverIn(folder);
  }
  try {
    const own = mkdtempSync(join(tmpdir(), 'voxelgrad-'));
    process.on('exit', () => rmSync(own, { recursive: true, force: true }));
    for (const [file, bytes] of files) writeFileSync(join(own, file), bytes, { mode: 0o700, flag: 'wx' });
    return driverIn(own);
  } catch (cause) {
    throw new GpuError('the bundled driver cannot be unpacked: no folder is writable', {
      hint: `Make ${caches[0]} or ${tmpdir()} writable, or install a driver of the system: apt-get install mesa-vulkan-drivers libvulkan1.`,
      cause,
    });
  }
}

function driverIn(folder: string): BundledDriver {
  return { manifest: join(folder, MANIFEST), loader: join(folder, LOADER) };
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

/** The driver's files out of the package's archive. @throws GpuError if one is missing or is another file. */
function filesOf(archive: string): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (const { name, data } of parseTar(brotliDecompressSync(readFileSync(archive)))) {
    const file = name.split('/').pop() ?? '';
    if (file in FILES && data) found.set(file, data);
  }
  const wrong = Object.keys(FILES).find((file) => !isGenuine(file, found.get(file)));
  if (wrong === undefined) return found;
  throw new GpuError(`${archive}: ${wrong} is not the file that version 143.0.4 of ${PACKAGE} holds`, {
    hint: 'The package is damaged or was changed: install it anew with `npm ci`.',
  });
}

function isGenuine(file: string, bytes: Uint8Array | undefined): boolean {
  return bytes !== undefined && createHash('sha256').update(bytes).digest('hex') === FILES[file];
}

/** Whether a folder holds the driver, all of it genuine, where nobody else can put other files in its place. */
function holdsDriver(folder: string): boolean {
  try {
    if (!isPrivate(folder)) return false;
    return Object.keys(FILES).every((file) => {
      const path = join(folder, file);
      return lstatSync(path).isFile() && isGenuine(file, readFileSync(path));
    });
  } catch {
    return false;
  }
}

/**
 * Whether a folder and all that lie above it are in the hands of this user and root alone: a folder that others may write
 * to counts if it is sticky, as /tmp is, since others cannot rename what is ours in it. The last one is no link.
 */
function isPrivate(folder: string): boolean {
  const user = process.getuid?.();
  const own = lstatSync(folder);
  if (!own.isDirectory() || own.uid !== user || (own.mode & 0o022) !== 0) return false;
  for (let at = dirname(realpathSync(folder)); ; at = dirname(at)) {
    const { uid, mode } = lstatSync(at);
    const isOpen = (mode & 0o022) !== 0 && (mode & 0o1000) === 0;
    if (isOpen || (uid !== user && uid !== 0)) return false;
    if (at === dirname(at)) return true;
  }
}

/** @throws what the file system throws. */
function unpackInto(folder: string, files: ReadonlyMap<string, Uint8Array>): void {
  const parent = dirname(folder);
  makeFolder(dirname(parent), 0o755);
  makeFolder(parent, 0o700);
  // Not in a folder that somebody else made, where it would only be thrown away.
  if (!isPrivate(parent)) throw new Error(`${parent} is not this user's alone`);
  // Unpacked beside and renamed, so that two processes that start at once both see a whole folder.
  const staging = mkdtempSync(`${folder}-`);
  try {
    for (const [file, bytes] of files) writeFileSync(join(staging, file), bytes, { mode: 0o700 });
    // What is there is another file's, a half of it, or open to others: it goes.
    if (!holdsDriver(folder)) rmSync(folder, { recursive: true, force: true });
    renameSync(staging, folder);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** Not mkdir's `recursive`, which loops for ever on Node 20 where a file system answers ENOENT, as /proc does. */
function makeFolder(path: string, mode: number): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path), 0o755);
  mkdirSync(path, mode);
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
