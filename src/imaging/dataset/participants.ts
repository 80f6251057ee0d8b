import type { FileSource } from '../../core/files.ts';
import { folderLabel } from './bids-name.ts';
import { listFiles } from './tissue-files.ts';

const FILE = 'participants.tsv';
const COLUMN = 'participant_id';
/** Names that a warning shows; a list of thousands says no more. */
const SHOWN = 5;

/** BIDS's table of participants. */
export interface Participants {
  /** Every column but `participant_id`, in the order of the file. */
  readonly columns: readonly string[];
  /** Cells by subject (without `sub-`), then by column. */
  readonly rows: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

/** The table, and what is odd about it. */
export interface ReadParticipants {
  /** Missing if there is no table, or none that can be understood. */
  readonly participants?: Participants | undefined;
  /** A sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Reads BIDS's table of participants and holds it against the folders that are there: a patient who is listed and has
 * none was perhaps not copied. A table that cannot be understood is a warning, too, since most tasks need none.
 *
 * @param ids of the subjects with a folder
 * @throws StorageError if the file is there and cannot be read.
 */
export async function readParticipants(files: FileSource, ids: readonly string[]): Promise<ReadParticipants> {
  if (!(await listFiles(files, '')).names.includes(FILE)) return { warnings: [] };
  // TextDecoder drops a byte order mark, which spreadsheets write.
  const [head, ...lines] = new TextDecoder().decode(await files.read(FILE)).split(/\r\n|\n|\r/);
  const names = (head ?? '').split('\t');
  const at = names.indexOf(COLUMN);
  if (at < 0) return { warnings: [`${FILE}: has no column ${COLUMN}, so it was not looked at`] };
  const cells = lines.filter((line) => line.trim() !== '').map((line) => line.split('\t'));
  const rows = new Map<string, Map<string, string>>();
  for (const row of cells) {
    const id = folderLabel(row[at] ?? '', 'sub');
    if (id === undefined || rows.has(id)) continue;
    const entries = names.flatMap((name, i): [string, string][] =>
      i === at ? [] : [[name, (row[i] ?? '').trim()]],
    );
    rows.set(id, new Map(entries));
  }
  const columns = names.filter((_, i) => i !== at);
  return { participants: { columns, rows }, warnings: absentWarnings(cells, at, ids) };
}

function absentWarnings(
  cells: readonly (readonly string[])[],
  column: number,
  ids: readonly string[],
): string[] {
  const known = new Set(ids);
  const absent = [...new Set(cells.map((row) => row[column] ?? ''))].filter((name) => {
    const id = folderLabel(name, 'sub');
    return id === undefined || !known.has(id);
  });
  if (absent.length === 0) return [];
  const names = absent.slice(0, SHOWN).map((name) => JSON.stringify(name.slice(0, 40)));
  const more = absent.length > SHOWN ? ` and ${absent.length - SHOWN} more` : '';
  return [`${FILE}: there is no folder for ${names.join(', ')}${more}`];
}
