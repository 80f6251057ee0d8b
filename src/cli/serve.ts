import { StorageError } from '../core/errors.ts';
import {
  formatModelList,
  type ListedModel,
  MODEL_LIST_FILE,
  parseModelList,
} from '../engine/checkpoint/model-list.ts';
import { decodeModel } from '../pipeline/models/model.ts';
import { readStageOne } from '../pipeline/train/stage-one.ts';
import '../study/presets/index.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { readServedFiles, startServer } from '../platform/static-server.ts';
import { untilInterrupted, webFolder } from '../platform/terminal.ts';
import { type Command, command } from './command.ts';
import { RUN_FILES } from './train.ts';

const DEFAULT_PORT = 8137;

export const serve: Command = command({
  name: 'serve',
  description: 'Serve the web app to this machine: segment in a browser tab, nothing leaves the machine',
  args: {
    port: {
      type: 'string',
      valueHint: 'N',
      description: `Port (default ${DEFAULT_PORT}; 0 takes any free one)`,
    },
    run: {
      type: 'string',
      valueHint: 'RUN',
      description: 'Folder that `voxelgrad train` wrote: offer its network',
    },
  },
  examples: [
    { line: 'serve', does: `the app at http://localhost:${DEFAULT_PORT}/, until Ctrl+C` },
    { line: 'serve --run ./run --port 9000', does: 'the same with your own network' },
  ],
  async run(options, output) {
    options.seed();
    const port = options.integer('port', { min: 0, max: 65535 }) ?? DEFAULT_PORT;
    const run = options.text('run');
    const files = await appFiles();
    if (run !== undefined) await addRun(files, new NodeFolder(run));
    const server = await startServer(files, port);
    // Before the address is printed: who reads it may end the program at once.
    const interrupted = untilInterrupted();
    try {
      output.result(
        { url: server.url, port: server.port, run: run ?? null },
        `voxelgrad is at ${server.url} (this machine only; Ctrl+C ends it)`,
      );
      await interrupted;
    } finally {
      await server.close();
    }
  },
});

async function appFiles(): Promise<Map<string, Uint8Array>> {
  const folder = webFolder();
  const files = await readServedFiles(folder).catch(() => new Map<string, Uint8Array>());
  if (files.has('/index.html')) return files;
  throw new StorageError(`${folder}: the web app is not built`, { hint: 'Run `npm run build:web` first.' });
}

/** Puts the network of a run first in the app's list. */
async function addRun(files: Map<string, Uint8Array>, run: NodeFolder): Promise<void> {
  const bytes = await run.read(RUN_FILES.model);
  const { info } = decodeModel(bytes, `${run.name}/${RUN_FILES.model}`);
  const stageOne = await readStageOne(run, info.task);
  // Not its path: any page of this origin may read the list.
  const name = run.root.split(/[/\\]/).at(-1);
  const own: ListedModel = {
    name: `${name} (${info.task.name})`,
    file: 'models/run.safetensors',
    stageOne: stageOne ? 'models/run-stage-1.safetensors' : undefined,
    note: `The network of the run ${name}.`,
  };
  const listed = files.get(`/${MODEL_LIST_FILE}`) ?? new Uint8Array();
  const others = parseModelList(new TextDecoder().decode(listed), MODEL_LIST_FILE);
  files.set(`/${own.file}`, bytes);
  if (own.stageOne) files.set(`/${own.stageOne}`, await run.read(RUN_FILES.stageOne));
  files.set(`/${MODEL_LIST_FILE}`, new TextEncoder().encode(formatModelList([own, ...others])));
}
