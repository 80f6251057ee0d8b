/**
 * `npm run bench:static`: what a real GPU's compiler makes of the kernels, without a GPU.
 *
 *     npm run bench:static                                   # the paper's network; replaces bench/results/static.*
 *     npm run bench:static -- --only conv3d --loops          # some kernels, with the loops that they became
 *     npm run bench:static -- --family navi31 --wgsl my.wgsl # a kernel of your own
 *
 * Needs x86-64 Linux with Mesa's RADV, a C compiler and Vulkan's headers; says what is missing and ends with 0.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { compileKernels, FAMILIES, missingTools } from './static/compile.ts';
import { describeLoops } from './static/isa.ts';
import { keptShares, staticReport } from './static/report.ts';

const { values } = parseArgs({
  options: {
    family: { type: 'string' },
    only: { type: 'string' },
    wgsl: { type: 'string', multiple: true },
    base: { type: 'string', default: '16' },
    levels: { type: 'string', default: '4' },
    patch: { type: 'string', default: '64' },
    batch: { type: 'string', default: '1,2' },
    loops: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const missing = missingTools();
if (missing) {
  console.error(`skipped: ${missing}.`);
  process.exit(0);
}
const results = compileKernels({
  families: values.family?.split(',') ?? FAMILIES,
  only: values.only,
  wgsl: values.wgsl,
  baseChannels: Number(values.base),
  levels: Number(values.levels),
  patch: Number(values.patch),
  batches: values.batch.split(',').map(Number),
});
const report = staticReport(results);
console.log(values.json ? JSON.stringify(results) : report);
if (values.loops)
  for (const { key, loops } of results[0]!.kernels)
    console.log(`\n${key}\n${describeLoops(loops).join('\n')}`);
if (!values.only && !values.wgsl && !values.family) {
  writeFileSync(new URL('results/static.md', import.meta.url), report);
  const shares = JSON.stringify(keptShares(results), null, 2);
  writeFileSync(new URL('results/static.json', import.meta.url), `${shares}\n`);
}
