import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

type Json = Record<string, unknown>;

/**
 * What the files of an experiment hold that two equal experiments share, by path: everything but the times in logs,
 * manifests and results, and the checkpoints, of which those are kept that fell due.
 */
export function experimentBits(files: Iterable<readonly [string, Uint8Array]>): Map<string, string> {
  const kept = [...files].filter(([path]) => !path.includes('/checkpoints/'));
  return new Map(kept.map(([path, bytes]) => [path, timeless(path, bytes)]));
}

/** The same of a folder on the disk, whatever it holds: also what should not be there. */
export function experimentBitsOf(folder: string): Map<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const paths = entries.map((entry) => join(entry.parentPath, entry.name));
  return experimentBits(paths.map((path) => [path.slice(folder.length), readFileSync(path)]));
}

function timeless(path: string, bytes: Uint8Array): string {
  const text = (): string => new TextDecoder().decode(bytes);
  const parse = (json: string): Json => JSON.parse(json) as Json;
  if (path.endsWith('/result.json')) return JSON.stringify({ ...parse(text()), seconds: 0 });
  if (path.endsWith('/manifest.json')) {
    const manifest = parse(text());
    return JSON.stringify({
      ...manifest,
      seconds: 0,
      files: { ...(manifest.files as Json), 'log.jsonl': '' },
    });
  }
  if (path.endsWith('/log.jsonl'))
    return text()
      .split('\n')
      .map((line) => line && JSON.stringify({ ...parse(line), seconds: 0 }))
      .join('\n');
  return createHash('sha256').update(bytes).digest('hex');
}
