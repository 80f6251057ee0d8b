import { describe, expect, it } from 'vitest';
import { driverAdvice } from '../../src/cli/doctor.ts';
import { backendName } from '../../src/platform/system.ts';

const software = {
  adapter: { description: 'x', backend: 'vulkan', software: true },
  driver: 'bundled',
} as const;
const linux = { platform: 'linux', arch: 'x64', version: '' } as const;

describe('driverAdvice', () => {
  it('sends Debian 12 to its backports, since its own Mesa is too old', () => {
    const advice = driverAdvice(software, { ...linux, distribution: 'debian', version: '12' });
    expect(advice).toContain('apt-get install -t bookworm-backports mesa-vulkan-drivers');
  });

  it.each([
    ['debian', '13', 'apt-get install mesa-vulkan-drivers'],
    ['fedora', '42', 'dnf install'],
    ['alpine', '3.22', 'apk add'],
    ['arch', '', 'pacman -S'],
    ['', '', "your distribution's Mesa"],
  ])('names the command of %s %s', (distribution, version, command) => {
    expect(driverAdvice(software, { ...linux, distribution, version })).toContain(command);
  });

  it('has nothing to say where a GPU is used', () => {
    const gpu = { ...software, adapter: { ...software.adapter, software: false }, driver: 'system' } as const;
    expect(driverAdvice(gpu, { ...linux, distribution: 'debian', version: '12' })).toBeUndefined();
  });

  it('does not suggest installing what is there', () => {
    const advice = driverAdvice({ ...software, driver: 'system' }, { ...linux, distribution: 'debian' });
    expect(advice).not.toContain('apt-get');
  });
});

describe('backendName', () => {
  it('is what Dawn uses on each platform', () => {
    expect(['linux', 'darwin', 'win32'].map((p) => backendName(p as NodeJS.Platform))).toEqual([
      'vulkan',
      'metal',
      'd3d12',
    ]);
  });
});
