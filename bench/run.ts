/** `npm run bench -- PATTERN…`: runs the benches whose names contain a pattern, on the default adapter. */
import { readdirSync } from 'node:fs';
import type { Gpu } from '../src/gpu/gpu.ts';
import { openNodeGpu } from '../src/platform/node.ts';

const folder = new URL('.', import.meta.url);
const patterns = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.bench.ts'))
  .filter(
    (name) =>
      patterns.length === 0 || patterns.some((pattern) => pattern.split(':')[0] === name.split('.')[0]),
  );
const gpu = await openNodeGpu();
for (const file of files) {
  const { bench } = (await import(new URL(file, folder).href)) as {
    bench: (gpu: Gpu, filter: string) => Promise<void>;
  };
  const own = patterns.find((pattern) => pattern.split(':')[0] === file.split('.')[0]);
  await bench(gpu, own?.split(':')[1] ?? '');
}
await gpu.close();
