/**
 * `npm run bench:tissue`: quality and time of the tissue segmentation, as Dice of the most probable tissue inside
 * the brain: on phantoms (5 % noise, 20 % bias field) against the truth, with lesions as white matter and without them
 * (`outsideLesions`), and where the data is there (VOXELGRAD_DATA,
 * or ../shared/data) on two real patients against SPM12's maps. `npm run bench:tissue -- 2` runs the cases of 2 mm alone.
 * Seconds are wall time; cpuSeconds the process's CPU time over the cores, what a quiet machine would take at best on a
 * software driver.
 */
import { appendFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { findScans } from '../src/imaging/dataset/dataset.ts';
import { type LoadedScan, loadScan } from '../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../src/imaging/dataset/open-dataset.ts';
import type { TissueMaps } from '../src/imaging/dataset/tissue-maps.ts';
import { tissueDice } from '../src/imaging/evaluate/tissue-dice.ts';
import { readNifti } from '../src/imaging/nifti/read.ts';
import { writeNifti } from '../src/imaging/nifti/write.ts';
import { segmentTissues } from '../src/imaging/tissue/segment-tissues.ts';
import { openNodeGpu } from '../src/platform/node.ts';
import { NodeFolder } from '../src/platform/node-files.ts';
import { makePhantom } from '../src/study/phantom/index.ts';
import { sharedData } from '../test/data.ts';

const PHANTOM = { seed: 5, noise: 0.05, biasField: 0.2 };
const CHANNELS = [['T1w'], ['T1w', 'T2w', 'FLAIR']];

const gpu = await openNodeGpu();
await bench(process.argv[2] ?? '');
await gpu.close();

async function bench(filter: string): Promise<void> {
  for (const mm of [2, 1].filter((edge) => filter === '' || filter === String(edge))) {
    // Several channels at 1 mm only take longer.
    for (const channels of mm === 2 ? CHANNELS : CHANNELS.slice(0, 1)) {
      for (const subjectIndex of mm === 2 ? [0, 1, 2] : [0]) await onPhantom(mm, channels, subjectIndex);
      await onPatients(mm, channels);
    }
  }
}

async function onPhantom(mm: number, names: readonly string[], subjectIndex: number): Promise<void> {
  const shape = [182 / mm, 218 / mm, 182 / mm] as const;
  const { grid, brain, modalities, tissues, lesions } = makePhantom({
    ...PHANTOM,
    subjectIndex,
    shape,
    spacing: mm,
  });
  const bytes = writeNifti({ grid, data: modalities.T1w }, { datatype: 'int16' });
  const { header } = await readNifti(bytes, 'T1w');
  const channels = names.map((name) => ({ name, data: modalities[name as keyof typeof modalities] }));
  const scan: LoadedScan = {
    ...{ subject: String(subjectIndex), session: null, grid, header, channels, brain },
    ...{ brainSource: 'mask', raters: new Map() },
  };
  const healthy = brain.map((v, i) => v * (1 - lesions[i]!));
  await report(scan, tissues, { case: `phantom ${subjectIndex}`, against: 'truth', mm }, healthy);
}

async function onPatients(mm: number, modalities: readonly string[]): Promise<void> {
  const data = sharedData();
  if (data === undefined) return;
  const dataset = await openDataset(new NodeFolder(`${data}/open-ms-lesjak2017_${mm}mm`));
  for (const scan of findScans(dataset)) {
    const loaded = await loadScan(dataset, scan, { modalities, tissue: true });
    await report(loaded, loaded.tissues!, { case: `sub-${scan.subject}`, against: 'SPM12', mm });
  }
}

async function report(
  scan: LoadedScan,
  truth: TissueMaps,
  what: { readonly case: string; readonly against: string; readonly mm: number },
  healthy?: Uint8Array,
): Promise<void> {
  const before = process.cpuUsage();
  const start = performance.now();
  const maps = await segmentTissues(gpu, scan);
  const seconds = Number(((performance.now() - start) / 1000).toFixed(1));
  const used = process.cpuUsage(before);
  const cpuSeconds = Number(((used.user + used.system) / 1e6 / availableParallelism()).toFixed(1));
  const rounded = (inside: Uint8Array): { CSF: number; GM: number; WM: number } => {
    const [CSF, GM, WM] = (['CSF', 'GM', 'WM'] as const).map((tissue) =>
      Number(tissueDice(maps, truth, inside)[tissue].toFixed(3)),
    );
    return { CSF: CSF!, GM: GM!, WM: WM! };
  };
  const channels = scan.channels.map(({ name }) => name).join(',');
  const dice = { ...rounded(scan.brain), ...(healthy ? { outsideLesions: rounded(healthy) } : {}) };
  const row = { ...what, channels, ...dice, seconds, cpuSeconds, adapter: gpu.capabilities.description };
  console.log(row);
  appendFileSync('bench/results/tissue.jsonl', `${JSON.stringify(row)}\n`);
}
