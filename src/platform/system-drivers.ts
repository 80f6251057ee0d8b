import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Whether Vulkan's loader would find the manifest of any driver of the system. Asked on Linux alone; elsewhere it is
 * taken for granted. (A loader that finds none prints lines about its own source files, which frighten newcomers.)
 */
export function systemHasDrivers(
  environment: NodeJS.ProcessEnv = process.env,
  folders: readonly string[] = manifestFolders(environment),
): boolean {
  if (process.platform !== 'linux') return true;
  const named =
    environment.VK_DRIVER_FILES || environment.VK_ICD_FILENAMES || environment.VK_ADD_DRIVER_FILES;
  return Boolean(named) || folders.some(holdsManifest);
}

/** Where the loader looks, by its documentation for Linux ("Driver Discovery"). */
export function manifestFolders(environment: NodeJS.ProcessEnv): string[] {
  const home = environment.HOME ?? homedir();
  return [
    environment.XDG_CONFIG_HOME || join(home, '.config'),
    ...(environment.XDG_CONFIG_DIRS || '/etc/xdg').split(':'),
    '/etc',
    '/usr/local/etc',
    environment.XDG_DATA_HOME || join(home, '.local/share'),
    ...(environment.XDG_DATA_DIRS || '/usr/local/share:/usr/share').split(':'),
  ].map((base) => join(base, 'vulkan', 'icd.d'));
}

function holdsManifest(folder: string): boolean {
  try {
    return readdirSync(folder).some((name) => name.endsWith('.json'));
  } catch {
    return false;
  }
}
