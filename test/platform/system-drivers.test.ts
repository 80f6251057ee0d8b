import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { manifestFolders, systemHasDrivers } from '../../src/platform/system-drivers.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'voxelgrad-drivers-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe.runIf(process.platform === 'linux')('drivers of the system', () => {
  it('are manifests where the loader looks, and nothing else', () => {
    const folders = [join(folder, 'absent'), folder];
    expect(systemHasDrivers({}, folders)).toBe(false);
    writeFileSync(join(folder, 'readme.txt'), '');
    expect(systemHasDrivers({}, folders)).toBe(false);
    writeFileSync(join(folder, 'some_icd.json'), '{}');
    expect(systemHasDrivers({}, folders)).toBe(true);
  });

  it.each(['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'VK_ADD_DRIVER_FILES'])('are named by %s', (name) => {
    expect(systemHasDrivers({ [name]: '/some/driver.json' }, [])).toBe(true);
    expect(systemHasDrivers({ [name]: '' }, [])).toBe(false);
  });

  it('are looked for in the folders of the system and of the user', () => {
    expect(manifestFolders({ HOME: '/home/me', XDG_DATA_DIRS: '/data:/more' })).toEqual(
      [
        '/home/me/.config',
        '/etc/xdg',
        '/etc',
        '/usr/local/etc',
        '/home/me/.local/share',
        '/data',
        '/more',
      ].map((base) => `${base}/vulkan/icd.d`),
    );
  });
});
