/**
 * `npm run bench:augment`: what augmentation costs a training step. Two sessions of the same network, one with the
 * paper's augmentation and one with all of the recipe `robust`, take steps in turns; a line per network goes to
 * `results/augment.jsonl`.
 */
import { appendFileSync } from 'node:fs';
import { MemoryFiles } from '../src/core/files.ts';
import { median } from '../src/engine/tune/timing.ts';
import { openDataset } from '../src/imaging/dataset/open-dataset.ts';
import { robust } from '../src/pipeline/recipes/recipes.ts';
import { prepareTraining } from '../src/pipeline/train/prepare.ts';
import { TrainingSession } from '../src/pipeline/train/session.ts';
import { trainSettings } from '../src/pipeline/train/settings.ts';
import { openNodeGpu } from '../src/platform/node.ts';
import { writePhantomDataset } from '../src/study/phantom/index.ts';
import '../src/study/presets/index.ts';

const NETWORKS = [
  { patch: 32, baseChannels: 16, levels: 4 },
  { patch: 64, baseChannels: 16, levels: 4 },
];
const rounds = Number(process.argv[2] ?? 12);

const files = new MemoryFiles();
await writePhantomDataset(files, { seed: 7, subjects: 1, shape: [72, 88, 72], spacing: 2.5 });
const dataset = await openDataset(files);
const gpu = await openNodeGpu();
const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;

for (const network of NETWORKS) {
  const sessions: TrainingSession[] = [];
  for (const augment of [['mirror', 'intensity'], robust.settings.augment as string[]]) {
    const data = await prepareTraining(dataset, trainSettings({ preset: 'single', ...network, augment }));
    sessions.push(await TrainingSession.create(gpu, data.scans, data.settings));
  }
  const times: number[][] = sessions.map(() => []);
  for (let round = -1; round < rounds; round++)
    for (const [i, session] of sessions.entries()) {
      const start = performance.now();
      await session.step(1e-4);
      // The first round compiles and fills caches.
      if (round >= 0) times[i]!.push(performance.now() - start);
    }
  for (const session of sessions) session.destroy();
  const [paper, all] = times as [number[], number[]];
  const row = {
    adapter: gpu.capabilities.description,
    ...network,
    batch: 2,
    rounds,
    paperMs: Number(median(paper).toFixed(1)),
    robustMs: Number(median(all).toFixed(1)),
    ratioOfMedians: Number((median(all) / median(paper)).toFixed(3)),
    ratioOfMeans: Number((mean(all) / mean(paper)).toFixed(3)),
  };
  console.log(row);
  appendFileSync('bench/results/augment.jsonl', `${JSON.stringify(row)}\n`);
}
await gpu.close();
