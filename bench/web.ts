/**
 * `npm run bench:web`: seconds a volume in the browser (Chromium on SwiftShader, as the tests start it), on Node with
 * the same network, tiles and kind of adapter, and of TensorFlow.js in the same browser. Adds a line to
 * results/web.jsonl and replaces results/web.md.
 *
 *     npm run bench:web -- [--small] [--runs 2] [--seconds 5] [--limit 150]
 *
 * Ours is the time of a whole segmentation, best of the runs: reading, standardising, cutting and blending included.
 * TensorFlow.js is the median of one tile's forward pass with readback, times the number of tiles, and nothing else.
 * Processor seconds are those of all the program's threads (of the browser: of all its processes): on a busy machine they say
 * more than the wall's.
 */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { checkout } from '../src/platform/checkout.ts';
import { openNodeGpu } from '../src/platform/node.ts';
import { AppUnderTest, chooseFiles, chromiumPath, type NamedBytes } from '../test/support/chromium.ts';
import { segmentFiles } from '../test/web/patient.ts';
import { benchScan } from './web/scan.ts';
import { type Skipped, TFJS_PAGE, type TfjsRun, tfjsFiles, timeTile } from './web/tfjs.ts';

/** Of the network that comes with the app. */
const PATCH = 32;
const NETWORK = { channels: 2, base: 8, levels: 3 } as const;
/** Of Brainchop's light model. */
const MESHNET_WIDTH = 5;

/** A row of the table: an engine on a scan. */
interface Row {
  readonly engine: string;
  readonly network: string;
  readonly adapter: string;
  readonly tiles: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

const { values } = parseArgs({
  options: {
    small: { type: 'boolean', default: false },
    runs: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '5' },
    limit: { type: 'string', default: '150' },
  },
});
const runs = Number(values.runs);

/** The quickest of some runs, with the processor time of that one. */
async function best(
  run: () => Promise<{ seconds: number; tiles: number }>,
  cpu: () => Promise<number> | number,
): Promise<Pick<Row, 'seconds' | 'tiles' | 'cpuSeconds'>> {
  let found: Pick<Row, 'seconds' | 'tiles' | 'cpuSeconds'> | undefined;
  for (let i = 0; i < runs; i++) {
    const before = await cpu();
    const { seconds, tiles } = await run();
    const cpuSeconds = (await cpu()) - before;
    if (!found || seconds < found.seconds) found = { seconds, tiles, cpuSeconds };
  }
  if (!found) throw new Error('--runs must be 1 or more');
  return found;
}

/** Processor time of all of the browser's processes. */
async function browserSeconds(app: AppUnderTest): Promise<number> {
  return (await app.processes()).reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
}

async function inBrowser(app: AppUnderTest, files: readonly NamedBytes[]): Promise<Row> {
  const { page, close } = await app.open();
  page.setDefaultTimeout(600_000);
  await page.getByText(/^Reads FLAIR|Reads FLAIR/).waitFor();
  await chooseFiles(page, files);
  await page.getByText('Ready.').waitFor();
  const adapter = (await page.locator('details.system summary').textContent()) ?? '';
  const status = page.getByText(/^\d+ tiles in [\d.]+ s\.$/);
  const figures = await best(
    async () => {
      await page.getByRole('button', { name: /^Segment/ }).click();
      await page.getByRole('button', { name: 'Cancel' }).waitFor();
      const [, tiles, seconds] = /^(\d+) tiles in ([\d.]+) s/.exec((await status.textContent()) ?? '') ?? [];
      return { tiles: Number(tiles), seconds: Number(seconds) };
    },
    () => browserSeconds(app),
  );
  await close();
  console.error(`in Chromium: ${JSON.stringify(figures)}`);
  return {
    engine: 'voxelgrad in Chromium',
    network: 'U-Net',
    adapter: adapter.replace(/^Runs on | \(processor\)$/g, ''),
    ...figures,
  };
}

async function onNode(files: readonly NamedBytes[]): Promise<Row> {
  const gpu = await openNodeGpu({ driver: 'bundled' });
  try {
    const figures = await best(
      async () => {
        let tiles = 0;
        const start = performance.now();
        await segmentFiles(gpu, files, {
          onTile(_, total) {
            tiles = total;
          },
        });
        return { tiles, seconds: (performance.now() - start) / 1000 };
      },
      () => {
        const { user, system } = process.cpuUsage();
        return (user + system) / 1e6;
      },
    );
    return {
      engine: 'voxelgrad on Node',
      network: 'U-Net',
      adapter: gpu.capabilities.description,
      ...figures,
    };
  } finally {
    await gpu.close();
  }
}

async function tensorflow(app: AppUnderTest, tiles: number, adapter: string): Promise<(Row | Skipped)[]> {
  const rows: (Row | Skipped)[] = [];
  for (const network of ['unet', 'meshnet'] as const)
    for (const backend of ['webgpu', 'webgl', 'cpu'] as const) {
      const run: TfjsRun = { backend, network, ...NETWORK, width: MESHNET_WIDTH };
      // A page of its own: one that was given up works on.
      const { page, close } = await app.open({}, TFJS_PAGE);
      const tile = await timeTile(page, run, PATCH, Number(values.seconds), Number(values.limit), () =>
        browserSeconds(app),
      );
      await close();
      console.error(`${backend}, ${network}: ${JSON.stringify(tile)}`);
      const engine = `TensorFlow.js, ${backend}`;
      const name = network === 'unet' ? 'U-Net' : `MeshNet of ${MESHNET_WIDTH} channels (Brainchop)`;
      if ('skip' in tile) rows.push({ skip: `${engine}, ${name}: ${tile.skip}` });
      else {
        const place = backend === 'cpu' ? 'JavaScript' : backend === 'webgl' ? `${adapter}, WebGL` : adapter;
        const [seconds, cpuSeconds] = [tile.ms, tile.cpuMs].map((ms) => (ms * tiles) / 1000);
        rows.push({
          engine,
          network: name,
          adapter: place,
          tiles,
          seconds: seconds!,
          cpuSeconds: cpuSeconds!,
        });
      }
    }
  return rows;
}

function table(rows: readonly Row[]): string {
  const node = rows.find(({ engine }) => engine === 'voxelgrad on Node')!.seconds;
  const head = '| engine | network | runs on | s a tile | s a volume | processor s | of Node |';
  const lines = rows.map(({ engine, network, adapter, tiles, seconds, cpuSeconds }) => {
    const cells = [
      ...[engine, network, adapter, (seconds / tiles).toFixed(3), seconds.toFixed(1)],
      ...[cpuSeconds.toFixed(1), (seconds / node).toFixed(2)],
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [head, '|---|---|---|---|---|---|---|', ...lines].join('\n');
}

if (chromiumPath() === undefined) throw new Error('the bench of the browser needs Chromium');
const { name, files } = await benchScan(values.small);
const peer = tfjsFiles();
const app = await AppUnderTest.start(peer, 'plain');
const results: (Row | Skipped)[] = [];
try {
  const browser = await inBrowser(app, files);
  results.push(browser);
  if (peer) results.push(...(await tensorflow(app, browser.tiles, browser.adapter)));
  else
    results.push({
      skip: 'TensorFlow.js is not installed: see bench/peers/README.md, or set VOXELGRAD_PEERS',
    });
} finally {
  await app.stop();
}
results.splice(1, 0, await onNode(files));
const rows = results.flatMap((row) => ('skip' in row ? [] : [row]));
const skipped = results.flatMap((row) => ('skip' in row ? [row.skip] : []));
const report = table(rows);
console.log(`${name}, ${rows[0]!.tiles} tiles of ${PATCH}³\n\n${report}`);
for (const line of skipped) console.log(`skipped: ${line}`);
if (!values.small) {
  const { commit = null } = checkout() ?? {};
  const folder = new URL('results/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const about = { commit, cores: availableParallelism(), scan: name, patch: PATCH, rows, skipped };
  appendFileSync(new URL('web.jsonl', folder), `${JSON.stringify(about)}\n`);
  writeFileSync(
    new URL('web.md', folder),
    `# In the browser

Written by \`npm run bench:web\`, which says what the columns are. ${name}, ${rows[0]!.tiles} tiles of ${PATCH}³ with an overlap of .25; ${availableParallelism()} processor cores, commit ${commit}.

${report}
${skipped.map((line) => `\n- skipped: ${line}`).join('')}
`,
  );
}
