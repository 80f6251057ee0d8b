import { VoxelgradError } from '../core/errors.ts';
import type { Problem } from './protocol.ts';

/**
 * An error as one sentence and a hint.
 * @param path taken off the front of the message: the page shows it beside the file.
 */
export function problemOf(error: unknown, path?: string): Problem {
  const known = error instanceof VoxelgradError;
  const text = error instanceof Error ? error.message : String(error);
  const line = text.replace(/\s*\n\s*/g, ' ').trim();
  const beside = path !== undefined && line.startsWith(`${path}: `);
  // Messages say `FILE: is …`; beside the file that needs a subject.
  const bare = beside
    ? line.slice(path.length + 2).replace(/^(?=(?:is|has|holds|promises|needs|cannot)\b)/, 'it ')
    : line;
  return {
    message: sentence(known ? bare : `unexpected failure: ${bare}`),
    hint: known
      ? (error.hint ?? null)
      : 'This is a defect of voxelgrad: please report it with the file’s header.',
  };
}

/** A problem that the page itself finds. */
export function problem(message: string, hint: string | null = null): Problem {
  return { message: sentence(message), hint };
}

/** With a capital and a full stop. */
export function sentence(text: string): string {
  // Only plain words: a path or a name stays as it is.
  const first = /^[a-z]+[ ,:]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
