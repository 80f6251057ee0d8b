import { StorageError } from '../core/errors.ts';

/** What to do about an error of the file system, by its code. */
const HINTS: Readonly<Record<string, string>> = {
  EACCES: 'Check the permissions of the folder, or choose another one.',
  EPERM: 'Check the permissions of the folder, or choose another one.',
  ENOSPC: 'Free some disk space, or choose a folder on another disk.',
  EDQUOT: 'Your disk quota is used up: free some space, or choose a folder on another disk.',
  EROFS: 'The file system is read-only: choose another folder.',
  ENOTDIR: 'A part of the path is a file where a folder is needed.',
  EISDIR: 'A folder stands where a file is needed.',
  EEXIST: 'A file stands where a folder is needed.',
  ENOENT: 'Check the path.',
  ENAMETOOLONG: 'Choose a shorter path.',
  ELOOP: 'The path holds links that lead in a circle.',
  EMFILE: 'Too many files are open: raise the limit (ulimit -n).',
  ENXIO: 'Give a regular file, not a pipe, socket or device.',
};

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'disk quota exceeded',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'not a folder',
  EISDIR: 'is a folder',
  EEXIST: 'is in the way',
  ENOENT: 'no such file or folder',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'too many links',
  EMFILE: 'too many open files',
  ENXIO: 'not a regular file',
};

/** The file system's name of an error, such as `ENOENT`; empty for any other error. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** An error of the file system as one that says what could not be done and what to do about it. */
export function storageError(path: string, doing: string, cause: unknown): StorageError {
  if (cause instanceof StorageError) return cause;
  const code = codeOf(cause);
  const reason = REASONS[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return new StorageError(`${path}: cannot be ${doing}: ${reason}${code ? ` (${code})` : ''}`, {
    hint: HINTS[code] ?? 'Check the path and the disk.',
    cause,
  });
}
