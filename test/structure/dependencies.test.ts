import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { filesBelow, readAll } from './sources.ts';

interface LockedPackage {
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  readonly packages: Readonly<Record<string, LockedPackage>>;
};
const installed = Object.entries(lock.packages)
  .filter(([path]) => path !== '')
  .map(([path, entry]) => ({ name: path.replace(/^.*node_modules\//, ''), ...entry }));
const shipped = installed.filter(({ dev }) => !dev);

/** What may be passed on under Apache-2.0, all with nothing but a notice. */
const PERMISSIVE = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT'];

describe('what is installed with voxelgrad', () => {
  it('has a licence that lets it be passed on', () => {
    expect(shipped.length).toBeGreaterThan(10);
    const others = shipped.filter(({ license }) => !PERMISSIVE.includes(license ?? ''));
    expect(others.map(({ name, license }) => `${name}: ${license}`)).toEqual([]);
  });

  it('runs no install script but one that it can do without', () => {
    // webgpu's lifts macOS's quarantine from the driver, which the package holds already.
    expect(shipped.filter(({ hasInstallScript }) => hasInstallScript).map(({ name }) => name)).toEqual([
      'webgpu',
    ]);
  });

  it('is pinned by its hash', () => {
    expect(installed.filter(({ integrity }) => !integrity?.startsWith('sha512-'))).toEqual([]);
  });

  it('is zod in its small form: the large one would double what the app loads of it', () => {
    const large = [...readAll(filesBelow('src', '.ts'))].flatMap(([path, text]) =>
      /from 'zod'/.test(text) ? [path] : [],
    );
    expect(large).toEqual([]);
  });
});
