import { readFileSync } from 'node:fs';

/** What `doctor` needs to know about the machine to give advice. */
export interface SystemInfo {
  readonly platform: NodeJS.Platform;
  readonly arch: string;
  /** `ID` of /etc/os-release, such as `debian`; empty where there is none. */
  readonly distribution: string;
  /** `VERSION_ID` of /etc/os-release, such as `12`. */
  readonly version: string;
}

/** Reads what the operating system says of itself. */
export function systemInfo(): SystemInfo {
  let release = '';
  try {
    release = readFileSync('/etc/os-release', 'utf8');
  } catch {
    // Not Linux, or a bare container.
  }
  const field = (name: string): string =>
    new RegExp(`^${name}=["']?([^"'\n]*)`, 'm').exec(release)?.[1]?.toLowerCase() ?? '';
  return {
    platform: process.platform,
    arch: process.arch,
    distribution: field('ID'),
    version: field('VERSION_ID'),
  };
}

/** The graphics interface that Dawn uses on this platform. */
export function backendName(platform: NodeJS.Platform = process.platform): string {
  if (platform === 'darwin') return 'metal';
  return platform === 'win32' ? 'd3d12' : 'vulkan';
}
