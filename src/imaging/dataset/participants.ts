import type { FileSource } from '../../core/files.ts';
import { folderLabel } from './bids-name.ts';
import { listFiles } from './tissue-files.ts';

const FILE = 'participants.tsv';
const COLUMN = 'participant_id';
/** Names that a warning shows; a list of thousands says no more. */
const SHOWN = 5;

/**
 * Holds BIDS's table of participants against the folders that are there: a patient who is listed and has none was
 * perhaps not copied. Nothing else of the table is used, so one that cannot be understood is a warning, too.
 *
 * @param ids of the subjects with a folder
 * @returns warnings, a sentence each
 * @throws StorageError where the file is there and cannot be read.
 */
export async function checkParticipants(files: FileSource, ids: readonly string[]): Promise<string[]> {
  if (!(await listFiles(files, '')).names.includes(FILE)) return [];
  // TextDecoder drops a byte order mark, which spreadsheets write.
  const [head, ...lines] = new TextDecoder().decode(await files.read(FILE)).split(/\r\n|\n|\r/);
  const column = (head ?? '').split('\t').indexOf(COLUMN);
  if (column < 0) return [`${FILE}: has no column ${COLUMN}, so it was not looked at`];
  const known = new Set(ids);
  const listed = lines.filter((line) => line.trim() !== '').map((line) => line.split('\t')[column] ?? '');
  const absent = [...new Set(listed)].filter((name) => {
    const id = folderLabel(name, 'sub');
    return id === undefined || !known.has(id);
  });
  if (absent.length === 0) return [];
  const names = absent.slice(0, SHOWN).map((name) => JSON.stringify(name.slice(0, 40)));
  const more = absent.length > SHOWN ? ` and ${absent.length - SHOWN} more` : '';
  return [`${FILE}: there is no folder for ${names.join(', ')}${more}`];
}
