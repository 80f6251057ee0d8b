import { beforeAll, expect, it } from 'vitest';
import { MemoryFiles } from '../../src/core/files.ts';
import { guessRole } from '../../src/imaging/dataset/file-role.ts';
import { scanOfFiles } from '../../src/imaging/dataset/loose-files.ts';
import { readNifti } from '../../src/imaging/nifti/read.ts';
import { encodeModel, type Model } from '../../src/pipeline/models/model.ts';
import { predict } from '../../src/pipeline/predict/run.ts';
import { tissueProvider } from '../../src/study/tissue-provider.ts';
import { Engine } from '../../src/web/engine.ts';
import type { TileProgress } from '../../src/web/protocol.ts';
import { untrained } from '../pipeline/predict/untrained.ts';
import { useGpu } from '../support/gpu.ts';
import { smallScan } from './make.ts';

const context = useGpu();
let multi: Model;
let single: Model;
beforeAll(async () => {
  multi = await untrained(context.gpu, 'multi-input', ['FLAIR', 'T1w'], [3, 3, 3], 8);
  single = await untrained(context.gpu, 'single', ['FLAIR', 'T1w'], [3, 3, 3], 8);
});

/** The probabilities that `predict` writes of the small scan. */
async function predicted(stageOne: Model | undefined): Promise<Float32Array> {
  const memory = new MemoryFiles();
  for (const { name, bytes } of smallScan()) memory.files.set(name, bytes);
  const roles = new Map(smallScan().map(({ name }) => [name, guessRole(name)!]));
  const { dataset, scan } = scanOfFiles(memory, roles);
  const out = new MemoryFiles('out');
  const provider = tissueProvider(stageOne);
  const request = { model: multi, dataset, scans: [scan], maps: true, provider, out };
  const [done] = await predict(context.gpu, { ...request, threshold: 0.5, overlap: 0.25 });
  return (await readNifti(await out.read(done!.files[1]!), 'p')).volume.data;
}

it("makes a scan's tissue maps and resamples it to the bits of predict, and says so", {
  timeout: 300_000,
}, async () => {
  const engine = new Engine(async () => context.gpu, '0');
  const { signal } = new AbortController();
  const phases = new Set<string>();
  const segmentation = {
    signal,
    progress: (value: unknown): unknown => phases.add((value as TileProgress).phase),
  };
  const quiet = { signal, progress: () => {} };
  const { handlers } = engine;
  const files = smallScan().map(({ name, bytes }) => ({
    path: name,
    file: new File([bytes as Uint8Array<ArrayBuffer>], name),
  }));
  await handlers.addFiles(files, quiet);
  const loaded = await handlers.loadModel({ name: 'multi', bytes: encodeModel(multi) }, quiet);
  expect(loaded.model.stageOne).toBeNull();
  expect(loaded.files.ready).toBe(true);
  expect(loaded.files.files[0]!.note).toMatch(/^Its voxels are 2x2x2 mm, .* 3x3x3 mm: it is resampled/);
  const probabilities = async (): Promise<Float32Array> => {
    const { bytes } = await handlers.save('probabilities', quiet);
    return (await readNifti(bytes, 'p')).volume.data;
  };

  const plain = await handlers.segment({ overlap: 0.25, trustBrain: false }, segmentation);
  // An untrained network may find any volume.
  expect(plain.notes.filter((note) => !note.startsWith('Careful: '))).toEqual([
    expect.stringMatching(/^Its voxels are 2x2x2 mm/),
    expect.stringMatching(/made from the T1; they are uncorrected/),
  ]);
  expect(await probabilities()).toEqual(await predicted(undefined));
  expect([...phases]).toEqual(['tissues', 'tiles']);

  const again = encodeModel(multi);
  await expect(handlers.loadStageOne({ name: 'multi', bytes: again }, quiet)).rejects.toThrow(
    /needs tissue maps itself/,
  );
  const report = await handlers.loadStageOne({ name: 'first', bytes: encodeModel(single) }, quiet);
  expect(report.stageOne).toBe('first');
  const corrected = await handlers.segment({ overlap: 0.25, trustBrain: false }, segmentation);
  expect(corrected.notes.join(' ')).toMatch(/lesions made white matter by the stage-1 model/);
  expect([...phases]).toEqual(['tissues', 'tiles', 'stage-1']);
  const own = await probabilities();
  expect(own).toEqual(await predicted(single));
  expect(own).not.toEqual(await predicted(undefined));
});
