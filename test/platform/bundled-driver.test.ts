import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { bundledDriverSupported, unpackBundledDriver } from '../../src/platform/bundled-driver.ts';
import { buildCli, CLI_MAIN } from '../support/cli.ts';

const NAME = 'swiftshader-143.0.4';
const isRoot = process.getuid?.() === 0;
const hasCompiler = spawnSync('cc', ['--version']).status === 0;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'voxelgrad-driver-'));
  // No cache folder is writable; the temporary one is.
  vi.stubEnv('XDG_CACHE_HOME', '/dev/null');
  vi.stubEnv('HOME', '/dev/null');
  vi.stubEnv('TMPDIR', folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});
const own = (): string => join(folder, `voxelgrad-${process.getuid?.()}`);

describe.runIf(bundledDriverSupported())('the bundled driver', () => {
  it('is unpacked into a folder of the user alone, and used again', () => {
    const driver = unpackBundledDriver()!;
    expect(driver.loader).toBe(join(own(), NAME, 'libvulkan.so.1'));
    for (const path of [own(), join(own(), NAME)]) expect(lstatSync(path).mode & 0o777).toBe(0o700);
    const made = lstatSync(driver.loader).ino;
    expect(unpackBundledDriver()).toEqual(driver);
    expect(lstatSync(driver.loader).ino).toBe(made);
    expect(readdirSync(own())).toEqual([NAME]);
  });

  it('is unpacked again where a file of it was changed, is a link, or lies in an open folder', () => {
    const { loader } = unpackBundledDriver()!;
    const before = lstatSync(loader).size;
    writeFileSync(loader, 'something else');
    unpackBundledDriver();
    expect(lstatSync(loader).size).toBe(before);
    rmSync(loader);
    symlinkSync('/etc/hostname', loader);
    unpackBundledDriver();
    expect(lstatSync(loader).isFile()).toBe(true);
    const { ino } = lstatSync(loader);
    chmodSync(join(own(), NAME), 0o777);
    unpackBundledDriver();
    expect(lstatSync(join(own(), NAME)).mode & 0o777).toBe(0o700);
    expect(lstatSync(loader).ino).not.toBe(ino);
  });

  it('is not looked for where a link or an open folder stands in the way', () => {
    const elsewhere = join(folder, 'elsewhere');
    mkdirSync(elsewhere);
    symlinkSync(elsewhere, own());
    expect(unpackBundledDriver()!.loader.startsWith(own())).toBe(false);
    rmSync(own());
    mkdirSync(own());
    chmodSync(own(), 0o777);
    expect(unpackBundledDriver()!.loader.startsWith(own())).toBe(false);
  });

  it.runIf(isRoot && hasCompiler)(
    'is not what another user planted where it would be unpacked',
    { timeout: 120_000 },
    () => {
      buildCli();
      const mark = join(folder, 'mark');
      const source = join(folder, 'planted.c');
      writeFileSync(
        source,
        `#include <stdio.h>
__attribute__((constructor)) static void planted(void) { FILE *f = fopen("${mark}", "w"); if (f) fclose(f); }`,
      );
      for (const base of [own(), join(folder, 'voxelgrad')]) {
        const place = join(base, NAME);
        mkdirSync(place, { recursive: true });
        execFileSync('cc', ['-shared', '-fPIC', '-o', join(place, 'libvulkan.so.1'), source]);
        writeFileSync(join(place, 'vk_swiftshader_icd.json'), '{}');
        for (const path of [base, place]) chownSync(path, 65534, 65534);
      }
      const env = { ...process.env, VOXELGRAD_DRIVER: 'bundled' };
      const run = spawnSync(process.execPath, [CLI_MAIN, 'doctor'], {
        env,
        encoding: 'utf8',
        timeout: 100_000,
      });
      expect(run.stdout).toMatch(/SwiftShader/);
      expect(existsSync(mark)).toBe(false);
      // What the process unpacked for itself goes with it.
      expect(
        readdirSync(folder)
          .filter((name) => name.startsWith('voxelgrad-'))
          .sort(),
      ).toEqual([`voxelgrad-${process.getuid?.()}`]);
    },
  );
});
