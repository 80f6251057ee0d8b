import { formatBytes } from '../core/bytes.ts';
import { describeModel, type FoundModel, findModels } from '../pipeline/models/find-models.ts';
import { NodeFolder } from '../platform/node-files.ts';
import '../study/presets/index.ts';
import { type Command, command } from './command.ts';
import { shippedModels, shippedName } from './run-source.ts';

/** A network as the list shows it. */
interface Row {
  readonly name: string;
  readonly origin: 'shipped' | 'imported' | 'run';
  readonly path: string;
  readonly task: string | null;
  readonly network: string | null;
  readonly channels: readonly string[];
  readonly labels: readonly string[];
  readonly parameters: number | null;
  readonly bytes: number;
  readonly licence: string | null;
  readonly source: string | null;
  readonly card: string | null;
  readonly problem: string | null;
}

export const models: Command = command({
  name: 'models',
  description: 'List networks: those that come with the program, imported ones, and your own runs',
  args: {
    folder: {
      type: 'positional',
      required: false,
      description: 'Folder to look in, and below it (default: this one)',
    },
  },
  examples: [
    { line: 'models', does: 'what comes with the program, and what lies here' },
    { line: 'models ./runs --json', does: 'the same of a folder, for another program' },
  ],
  async run(options, output) {
    const folder = new NodeFolder(options.text('folder') ?? '.');
    const found = await findModels(folder);
    const rows = [
      ...(await shipped()),
      ...found.map((model) => rowOf(model, `${folder.name}/${model.path}`, model.card ? 'imported' : 'run')),
    ];
    output.result({ models: rows }, rows.length === 0 ? 'no networks' : rows.map(told).join('\n\n'));
  },
});

/** The networks that come with the program. */
async function shipped(): Promise<Row[]> {
  const found = await shippedModels();
  const rows: Row[] = [];
  for (const listed of found?.list ?? []) {
    const { file, note, licence } = listed;
    const { folder } = found!;
    const row = rowOf(describeModel(await folder.read(file), file), `${folder.name}/${file}`, 'shipped');
    rows.push({ ...row, name: shippedName(listed), card: note, licence: licence ?? null });
  }
  return rows;
}

function rowOf({ path, bytes, facts, card, problem }: FoundModel, where: string, origin: Row['origin']): Row {
  const parts = path.split('/');
  return {
    name: parts.at(-2) ?? where.split(/[/\\]/).at(-2) ?? path,
    origin,
    path: where,
    task: facts?.task ?? null,
    network: facts?.network ?? null,
    channels: facts?.channels ?? [],
    labels: facts?.heads.flatMap(({ labels }) => labels.filter((label) => label !== 'background')) ?? [],
    parameters: facts?.parameters ?? null,
    bytes,
    licence: card?.licence ?? null,
    source: card?.source ?? null,
    card: card?.about ?? null,
    problem: problem ?? null,
  };
}

/** A few lines: the name and where it is, then what it is. */
function told(row: Row): string {
  const lines = [`${row.name} (${row.origin}): ${row.path}`];
  if (row.problem !== null) lines.push(`  cannot be read: ${row.problem}`);
  else {
    lines.push(
      `  task ${row.task}, reads ${row.channels.join(', ')}${row.labels.length > 0 ? `, finds ${row.labels.join(', ')}` : ''}`,
      `  ${row.network}, ${row.parameters?.toLocaleString('en')} parameters, ${formatBytes(row.bytes)}${
        row.origin === 'run' ? '' : `, licence ${row.licence ?? 'not known'}`
      }`,
    );
    if (row.source !== null) lines.push(`  ${row.source}`);
    if (row.card !== null) lines.push(`  ${row.card}`);
  }
  return lines.join('\n');
}
