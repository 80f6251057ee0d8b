import { VoxelgradError } from '../core/errors.ts';
import type { Setting } from '../core/wording.ts';
import type { Problem } from './protocol.ts';

/**
 * An error as one sentence and a hint.
 * @param path taken off the front of the message: the page shows it beside the file.
 */
export function problemOf(error: unknown, path?: string): Problem {
  const known = error instanceof VoxelgradError ? error.tell(pageWords) : undefined;
  const text = known?.message ?? (error instanceof Error ? error.message : String(error));
  const line = text.replace(/\s*\n\s*/g, ' ').trim();
  const beside = path !== undefined && line.startsWith(`${path}: `);
  // Messages say `FILE: is …`; beside the file that needs a subject.
  const bare = beside
    ? line.slice(path.length + 2).replace(/^(?=(?:is|has|holds|promises|needs|cannot)\b)/, 'it ')
    : line;
  return {
    message: sentence(known ? bare : `unexpected failure: ${bare}`),
    hint: known
      ? (known.hint ?? null)
      : 'This is a defect of voxelgrad: please report it with the file’s header.',
    ...(error instanceof VoxelgradError && error.setting !== undefined ? { setting: error.setting } : {}),
  };
}

/** Labels of the page for settings that it has under another name. */
const LABELS: Readonly<Record<string, string>> = {
  baseChannels: 'number of channels',
  lr: 'learning rate',
  clip: 'limit of the gradients',
  tile: 'tile size',
  patch: 'patch size',
  trustBrain: 'the button below',
};

/** A setting in the page's words: `patch size 48`. */
function pageWords({ setting, value }: Setting): string {
  const label = LABELS[setting] ?? setting.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  if (value === undefined || value === true) return label;
  return value === false ? `no ${label}` : `${label} ${value}`;
}

/** A problem that the page itself finds. */
export function problem(message: string, hint: string | null = null): Problem {
  return { message: sentence(message), hint };
}

/** With a capital and a full stop. */
export function sentence(text: string): string {
  // Only plain words: a path, or what a scan is called, stays as it is.
  const first = /^[a-z]+[ ,]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
