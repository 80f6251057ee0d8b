import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A checkout of the repository, when the program runs from one. */
export interface Checkout {
  readonly folder: string;
  /** As git describes it: `0a1b2c3`, with `-dirty` where files were changed; null where git is not to be had. */
  readonly commit: string | null;
}

/** The package's own folder, from src/platform as from dist/platform. */
export function packageFolder(): string {
  return fileURLToPath(new URL('../..', import.meta.url));
}

/** The checkout that the program runs from; undefined for an installed package. */
export function checkout(): Checkout | undefined {
  const folder = packageFolder();
  if (!existsSync(join(folder, '.git'))) return undefined;
  try {
    const words = ['describe', '--always', '--dirty'];
    const text = execFileSync('git', words, {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return { folder, commit: text.trim() };
  } catch {
    return { folder, commit: null };
  }
}
