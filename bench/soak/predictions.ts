import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MemoryFiles } from '../../src/core/files.ts';
import type { Random } from '../../src/core/random.ts';
import type { Gpu } from '../../src/engine/gpu/gpu.ts';
import { findScans } from '../../src/imaging/dataset/dataset.ts';
import { openDataset } from '../../src/imaging/dataset/open-dataset.ts';
import { predict } from '../../src/pipeline/predict/run.ts';
import { train } from '../../src/pipeline/train/run.ts';
import { openNodeGpu } from '../../src/platform/node.ts';
import { NodeFolder } from '../../src/platform/node-files.ts';
import { prepare } from './endurance.ts';
import type { Outcome, Workspace } from './workspace.ts';

/** The images below a folder by their path in it; not those that are being written. */
function images(folder: string): Map<string, Buffer> {
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];
  const found = names.filter((name) => name.endsWith('.nii.gz')).sort();
  return new Map(found.map((name) => [name, readFileSync(join(folder, name))]));
}

/**
 * Kills predictions with SIGKILL at random moments and in the midst of writing, and looks at what is there: images that
 * are whole, bit for bit those of a prediction that was left alone, or none.
 * @param enough asked between two kills
 */
export async function killedPredictions(
  workspace: Workspace,
  random: Random,
  enough: () => boolean,
): Promise<Outcome> {
  const words = (out: string): string[] => [
    'predict',
    workspace.path('predictor'),
    workspace.dataset,
    workspace.path(out),
    // A killed one leaves images of some scans, which are not replaced unasked.
    '--overwrite',
  ];
  await workspace.run(workspace.train('predictor', 'multi-output', 2));
  const start = performance.now();
  await workspace.run(words('predicted'));
  const life = performance.now() - start;
  const whole = images(workspace.path('predicted'));
  const [first = ''] = whole.keys();
  let [killed, seen, different, unfinished, finished] = [0, 0, 0, 0, 0];
  for (let run = 1; run === 1 || !enough(); run++) {
    const out = `predicted-${run}`;
    const folder = workspace.path(out);
    for (let round = 0; ; round++) {
      // Every other kill waits for the next image that is being written.
      const writing = round % 2 === 1 ? join(folder, dirname(first)) : undefined;
      const after = round < 6 ? random.integer(Math.ceil(life)) : 1e9;
      const ended = await workspace.kill(words(out), after, writing);
      for (const [name, bytes] of images(folder)) {
        seen++;
        if (!whole.get(name)?.equals(bytes)) different++;
      }
      if (ended) {
        if (ended.code !== 0) throw new Error(ended.stderr);
        break;
      }
      killed++;
      const left = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];
      unfinished += left.filter((name) => name.endsWith('.tmp')).length;
    }
    if (images(folder).size === whole.size) finished++;
    else different++;
  }
  return {
    promise: 'a prediction that is killed leaves whole images or none',
    counts:
      `${killed} kills, ${unfinished} unfinished files seen under names of their own; ` +
      `${seen - different} of ${seen} images that were there bitwise equal, ${finished} predictions run to their end after`,
    kept: different === 0 && killed > 0 && finished > 0,
  };
}

/** Takes the device away after random tiles of predictions, and compares what they write. */
export async function lostInPredictions(
  workspace: Workspace,
  random: Random,
  losses: number,
): Promise<Outcome> {
  const opened: Gpu[] = [await openNodeGpu()];
  const { model } = await train(opened[0]!, await prepare(workspace, 2));
  const dataset = await openDataset(new NodeFolder(workspace.dataset));
  const run = async (lossesAt: ReadonlySet<number>): Promise<{ out: MemoryFiles; tiles: number }> => {
    const out = new MemoryFiles('out');
    const left = new Set(lossesAt);
    let tiles = 0;
    await predict(opened.at(-1)!, {
      ...{ model, dataset, scans: findScans(dataset), maps: true, threshold: 0.5, overlap: 0.5, out },
      snapshotSeconds: 0,
      async reopen() {
        opened.push(await openNodeGpu());
        return opened.at(-1)!;
      },
      onTile() {
        if (left.delete(++tiles)) opened.at(-1)!.device.destroy();
      },
    });
    return { out, tiles };
  };
  const whole = await run(new Set());
  let equal = 0;
  let runs = 0;
  while (opened.length - 1 < losses) {
    const at = new Set([0, 1, 2, 3].map(() => 1 + random.integer(whole.tiles)));
    const { out } = await run(at);
    runs++;
    const same = [...whole.out.files].every(([path, bytes]) =>
      Buffer.from(out.files.get(path) ?? []).equals(bytes),
    );
    if (same && out.files.size === whole.out.files.size) equal++;
  }
  for (const gpu of opened) await gpu.close();
  return {
    promise: 'a device that is lost in a prediction is replaced, with the same bits',
    counts: `${opened.length - 1} devices lost at random tiles of ${runs} predictions of ${whole.out.files.size} images: ${equal} equal`,
    kept: equal === runs,
  };
}
