import { StorageError } from '../core/errors.ts';
import type { FileSink } from '../core/files.ts';
import { EXPORT_FORMATS, findFormat } from '../pipeline/exchange/index.ts';
import { decodeModel } from '../pipeline/models/model.ts';
import { RUN_FILES } from '../pipeline/train/run-record.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { packageVersion } from '../platform/terminal.ts';
import '../study/presets/index.ts';
import { type Command, command } from './command.ts';

export const exportCommand: Command = command({
  name: 'export',
  description: 'Write a trained network for other programs',
  args: {
    run: {
      type: 'positional',
      description: 'Folder of a network: of `voxelgrad train` or `voxelgrad import`',
    },
    out: { type: 'positional', description: 'Folder for the files' },
    format: {
      type: 'string',
      valueHint: EXPORT_FORMATS.map(({ name }) => name).join('|'),
      description: EXPORT_FORMATS.map(({ name, title }) => `${name}: ${title}`).join('. '),
    },
    name: {
      type: 'string',
      valueHint: 'WORD',
      description: "What the files are called (default: RUN's name)",
    },
    overwrite: { type: 'boolean', description: 'Replace files of the same names' },
  },
  examples: [{ line: 'export ./run ./exported --format onnx', does: 'exported/run.onnx, for ONNX Runtime' }],
  async run(options, output) {
    const format = findFormat(options.text('format') ?? EXPORT_FORMATS[0]!.name);
    const run = new NodeFolder(options.required('run'));
    const out = new NodeFolder(options.required('out'));
    const model = decodeModel(await run.read(RUN_FILES.model), `${run.name}/${RUN_FILES.model}`);
    const name = wordOf(options.text('name') ?? run.root.split(/[/\\]/).at(-1)!);
    await out.checkWritable();
    const sink = options.flag('overwrite') ? out : await keeping(out);
    const { files, notes } = await format.write({ model, name, version: packageVersion() }, sink);
    for (const note of notes) output.note(`note: ${note}`);
    const paths = files.map((file) => `${out.name}/${file}`);
    output.result({ format: format.name, files: paths, notes }, paths.join('\n'));
  },
});

/** A word for files and classes. */
function wordOf(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^[^A-Za-z]+/, '') || 'model';
}

/** A sink that replaces no file of a folder. */
async function keeping(out: NodeFolder): Promise<FileSink> {
  const there = new Set((await out.list('')).map(({ name }) => name));
  const refused = (path: string): void => {
    if (there.has(path.split('/')[0]!))
      throw new StorageError(`${out.name}: holds ${path} already`, {
        hint: 'Choose another folder, or add --overwrite.',
      });
  };
  return {
    name: out.name,
    async write(path, content) {
      refused(path);
      await out.write(path, content);
    },
    async append(path, bytes) {
      refused(path);
      await out.append(path, bytes);
    },
  };
}
