import { createHash } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { StorageError } from '../../../src/core/errors.ts';
import { MemoryFiles } from '../../../src/core/files.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { sidecarPath } from '../../../src/imaging/dataset/sidecar.ts';
import { decodeModel } from '../../../src/pipeline/models/model.ts';
import { RUN_FILES } from '../../../src/pipeline/train/run-record.ts';
import { trainSettings } from '../../../src/pipeline/train/settings.ts';
import { inspectScans } from '../../../src/study/experiment/inspect.ts';
import { type ExperimentOptions, experimentOptions } from '../../../src/study/experiment/options.ts';
import { planExperiment } from '../../../src/study/experiment/plan.ts';
import { type ExperimentContext, runUnits } from '../../../src/study/experiment/run-experiment.ts';
import { ScanShelf } from '../../../src/study/experiment/scan-shelf.ts';
import { unitsOf } from '../../../src/study/experiment/share.ts';
import { readUnitResult } from '../../../src/study/experiment/unit-files.ts';
import { sharedSettings } from '../../../src/study/experiment/unit-settings.ts';
import type { ExperimentRecord } from '../../../src/study/report/experiment-record.ts';
import {
  bidsPatient,
  GRID,
  image,
  inBrain,
  lesion,
  maskFile,
  OTHER_GRID,
  tree,
  type Value,
} from '../../imaging/dataset/make.ts';
import { experimentBits } from '../../support/experiment-bits.ts';
import { useGpu } from '../../support/gpu.ts';

// A software driver compiles for seconds.
vi.setConfig({ testTimeout: 300_000 });
const context = useGpu();

const SHARED = sharedSettings(
  trainSettings({ variant: 'single', patch: 8, levels: 2, baseChannels: 2, steps: 4, lr: 2e-2 }),
);
const MASK = (id: string): string => `derivatives/lesions/sub-${id}/anat/sub-${id}_label-lesion_mask.nii.gz`;

/** Images of their own for each patient, so that no two nets are the same by chance. */
function patient(id: string): Record<string, Uint8Array> {
  const phase = Number(id);
  const flair: Value = (x, y, z) =>
    inBrain(x, y, z) * (100 + 9 * Math.sin(phase * (x + 2 * y + 3 * z)) + 80 * lesion(x, y, z));
  return { ...bidsPatient(id), [`sub-${id}/anat/sub-${id}_FLAIR.nii.gz`]: image(flair) };
}

/** Patients with lesions that are theirs alone, and a fourth without a mask. */
function files(changes: Readonly<Record<string, Uint8Array>> = {}): MemoryFiles {
  const { [MASK('04')]: _, ...unjudged } = patient('04');
  return tree({ ...patient('01'), ...patient('02'), ...patient('03'), ...unjudged, ...changes });
}

async function plan(data: MemoryFiles, some: Partial<ExperimentOptions> = {}) {
  const dataset = await openDataset(data);
  const options = experimentOptions({
    variants: ['multi-input'],
    losses: ['dice+ce'],
    tissue: 'spm',
    shared: SHARED,
    ...some,
  });
  return { dataset, record: planExperiment(dataset, options, { version: '1.2.3', path: './data' }) };
}

type Planned = Awaited<ReturnType<typeof plan>>;

function runContext(
  { dataset, record }: Planned,
  out: MemoryFiles,
  extra: Partial<ExperimentContext> = {},
): ExperimentContext {
  return {
    record,
    dataset,
    out,
    shelf: new ScanShelf(),
    version: '1.2.3',
    gpu: () => Promise.resolve(context.gpu),
    ...extra,
  };
}

const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const left = (out: MemoryFiles): Map<string, string> => experimentBits(out.files);

const maps = (record: ExperimentRecord, fold: string, patientId: string): string =>
  `units/${record.units.find((unit) => unit.kind === 'correction' && unit.fold === fold)!.id}/maps/sub-${patientId}/`;

describe('an experiment', () => {
  it('lets the truth of a patient reach nothing that is judged on that patient', async () => {
    // A marker in one patient's truth alone: lesions elsewhere, also far outside of the brain.
    const marker: Value = (x, y, z) => ((x <= 3 && inBrain(x, y, z)) || (x === 11 && z === 9) ? 1 : 0);
    const [plain, marked] = [new MemoryFiles('plain'), new MemoryFiles('marked')];
    const before = await plan(files());
    const { record } = before;
    await runUnits(record.units, runContext(before, plain), true);
    await runUnits(
      record.units,
      runContext(await plan(files({ [MASK('03')]: maskFile(marker) })), marked),
      true,
    );
    const [a, b] = [left(plain), left(marked)];
    expect([...a.keys()].sort()).toEqual([...b.keys()].sort());
    const changed = (prefix: string): boolean =>
      [...a].some(([path, hash]) => path.startsWith(prefix) && hash !== b.get(path));
    let trainedOn03 = 0;
    for (const unit of record.units) {
      const folder = `units/${unit.id}/`;
      if (unit.kind === 'stage-1') {
        expect(changed(`${folder}run/model`), unit.id).toBe(unit.training.includes('03'));
        expect(changed(`${folder}predictions/`), unit.id).toBe(unit.training.includes('03'));
        trainedOn03 += Number(unit.training.includes('03'));
      }
      if (unit.kind === 'net') {
        const { training } = record.folds.find(({ name }) => name === unit.fold)!;
        expect(changed(`${folder}run/model`), unit.id).toBe(training.includes('03'));
        expect(changed(`${folder}predictions/`), unit.id).toBe(training.includes('03'));
      }
    }
    expect(trainedOn03).toBe(3);

    // Every map and mask says where it comes from.
    const images = [...plain.files.keys()].filter((path) => /\/(maps|predictions)\/.*\.nii\.gz$/.test(path));
    expect(images.filter((path) => !plain.files.has(sidecarPath(path)))).toEqual([]);
    const said = (path: string): object =>
      JSON.parse(new TextDecoder().decode(plain.files.get(sidecarPath(path))));
    const judged = record.units.find((unit) => unit.kind === 'net')!;
    const mask = images.find(
      (path) => path.startsWith(`units/${judged.id}/`) && path.endsWith('label-L_mask.nii.gz'),
    )!;
    expect(said(mask)).toMatchObject({
      Type: 'Lesion',
      Threshold: expect.any(Number),
      Model: {
        SHA256: sha256Of(plain.files.get(`units/${judged.id}/run/model.safetensors`)!),
        // The made-up patients share their T1, byte for byte, and that is seen.
        TrainedOnThisScan: 'images',
      },
      Sources: expect.arrayContaining([
        expect.stringMatching(/^bids:raw:sub-\d\d\/anat/),
        expect.stringMatching(/^bids:maps:sub-/),
      ]),
    });
    const correction = record.units.find((unit) => unit.kind === 'correction')!;
    const map = images.find((path) => path.startsWith(`units/${correction.id}/maps/`))!;
    expect(said(map)).toMatchObject({
      Sources: expect.arrayContaining([expect.stringMatching(/^bids:stage-1_.*label-L_mask\.nii\.gz$/)]),
      Method: { Method: 'lesion voxels made white matter', LesionsBy: expect.stringMatching(/^stage-1/) },
    });
    const config = JSON.parse(
      new TextDecoder().decode(plain.files.get(`units/${judged.id}/run/config.json`)),
    ) as { inputs: Record<string, { sha256: string }[]> };
    for (const read of Object.values(config.inputs)) expect(read.length).toBeGreaterThan(3);
    // Of the maps' folder of the unit, as its description links it.
    expect(
      new TextDecoder().decode(plain.files.get(`units/${judged.id}/predictions/dataset_description.json`)),
    ).toContain(`"maps": "../../${judged.needs[0]}/maps"`);
    // Every map that the fold which holds 03 out sees, and 03's own maps in every fold.
    for (const id of ['01', '02', '03', '04']) expect(changed(maps(record, '03', id)), id).toBe(false);
    for (const fold of ['01', '02', '03']) expect(changed(maps(record, fold, '03')), fold).toBe(false);
    // The marker is no dead letter: where 03 may help, other patients' maps change.
    expect(changed(maps(record, '01', '02')) || changed(maps(record, '02', '01'))).toBe(true);
    const net = `units/net_multi-input_dice.ce_03_seed-1/`;
    expect(decodeModel(plain.files.get(`${net}run/model.safetensors`)!, 'm').info.task.name).toBe(
      'multi-input',
    );
    // So that `voxelgrad predict` corrects a new patient's maps as those of the held-out ones were.
    expect(plain.files.get(`${net}run/${RUN_FILES.stageOne}`)).toEqual(
      plain.files.get(`units/stage-1_without-03_seed-1/run/${RUN_FILES.model}`),
    );
    const result = (await readUnitResult(plain, 'net_multi-input_dice.ce_03_seed-1'))!;
    expect(result.scans.map(({ subject }) => subject)).toEqual(['03']);
    // Predicted, not judged.
    expect(a.has(`${net}predictions/sub-04/anat/sub-04_space-orig_label-L_mask.nii.gz`)).toBe(true);
  });

  it('lets the images of a patient reach nothing that others are judged by where it is held out', async () => {
    const [plain, marked] = [new MemoryFiles('plain'), new MemoryFiles('marked')];
    const some = { subjects: ['01', '02', '03'] };
    const before = await plan(files(), some);
    const { record } = before;
    const flair = 'sub-03/anat/sub-03_FLAIR.nii.gz';
    const marker = image((x, y, z) => inBrain(x, y, z) * (100 + ((7 * x + 5 * y + 3 * z) % 40)));
    await runUnits(record.units, runContext(before, plain), true);
    await runUnits(record.units, runContext(await plan(files({ [flair]: marker }), some), marked), true);
    const [a, b] = [left(plain), left(marked)];
    const changed = (prefix: string): boolean =>
      [...a].some(([path, hash]) => path.startsWith(prefix) && hash !== b.get(path));
    for (const unit of record.units) {
      if (unit.kind !== 'stage-1' && unit.kind !== 'net') continue;
      const fold = unit.kind === 'net' && record.folds.find(({ name }) => name === unit.fold);
      const training = fold ? fold.training : unit.kind === 'stage-1' ? unit.training : [];
      const predicted = fold ? fold.heldOut : unit.kind === 'stage-1' ? unit.predicts : [];
      const knows = training.includes('03');
      expect(changed(`units/${unit.id}/run/model`), unit.id).toBe(knows);
      for (const id of predicted)
        expect(changed(`units/${unit.id}/predictions/sub-${id}/`), unit.id).toBe(knows || id === '03');
    }
    for (const id of ['01', '02']) expect(changed(maps(record, '03', id)), id).toBe(false);
  });

  it("leaks in the paper's protocol, as its note says: a held-out truth reaches the maps' correction", async () => {
    const some = { protocol: 'paper', stage1Loss: 'dice+ce', subjects: ['01', '02', '03'] } as const;
    const bright: Value = (x, y, z) => (x <= 3 ? inBrain(x, y, z) : 0);
    const outs: MemoryFiles[] = [];
    for (const changes of [{}, { [MASK('03')]: maskFile(bright) }]) {
      const planned = await plan(files(changes), some);
      const out = new MemoryFiles('out');
      const [stageOne, ...others] = planned.record.units.filter((unit) => unit.kind === 'stage-1');
      expect(others).toEqual([]);
      await runUnits([stageOne!], runContext(planned, out), true);
      expect(planned.record.notes.join()).toContain('leak');
      outs.push(out);
    }
    const [a, b] = outs.map(left);
    const own = 'units/stage-1_all_seed-1/predictions/sub-03/anat/sub-03_space-orig_label-L_probseg.nii.gz';
    expect(a!.get(own)).toMatch(/^\w{64}$/);
    expect(a!.get(own)).not.toBe(b!.get(own));
  });

  it('trains and judges networks that share softly or by sluices', async () => {
    const planned = await plan(files(), {
      variants: ['soft', 'sluice'],
      subjects: ['01', '02'],
      shared: { ...SHARED, steps: 1, taskWeighting: 'uncertainty' },
    });
    const nets = planned.record.units.filter(({ id }) => /^net_.*_01_/.test(id));
    expect(nets.map(({ id }) => id)).toEqual(['net_soft_dice.ce_01_seed-1', 'net_sluice_dice.ce_01_seed-1']);
    const out = new MemoryFiles('out');
    await runUnits(nets, runContext(planned, out), true);
    for (const { id } of nets) {
      const result = await readUnitResult(out, id);
      expect(result?.scans.map(({ subject }) => subject)).toEqual(['01']);
      const { info } = decodeModel(out.files.get(`units/${id}/run/${RUN_FILES.model}`)!, id);
      expect(info.network.kind).toBe(id.startsWith('net_soft') ? 'unet-soft' : 'unet-sluice');
    }
  });

  it('goes on after a stop at whatever step, in shards, and skips what is finished: the same bits', async () => {
    const planned = await plan(files(), { variants: ['single', 'multi-output'], subjects: ['01', '02'] });
    const { units } = planned.record;
    const whole = new MemoryFiles('out');
    const first = await runUnits(units, runContext(planned, whole), true);
    expect(first).toEqual({ done: units.map(({ id }) => id), skipped: [] });
    const written = whole.files.size;
    expect(await runUnits(units, runContext(planned, whole), true)).toEqual({
      done: [],
      skipped: units.map(({ id }) => id),
    });
    expect(whole.files.size).toBe(written);
    const out = new MemoryFiles('out');
    // A process that was killed left these.
    for (const path of ['.result.json.9-9.tmp', 'predictions/sub-01/anat/.x.nii.gz.9-8.tmp'])
      out.files.set(`units/${units[0]!.id}/${path}`, new Uint8Array(1));
    for (let stops = 0, finished = false; !finished; stops++) {
      expect(stops).toBeLessThan(40);
      const stop = new AbortController();
      let told = 0;
      const options = {
        signal: stop.signal,
        onProgress: () => {
          if (++told === 4 + stops) stop.abort(new Error('stopped'));
        },
      };
      const shard = { k: (stops % 2) + 1, n: 2 };
      try {
        await runUnits(unitsOf(units, { shard }), runContext(planned, out, options), true);
      } catch (error) {
        expect((error as Error).message).toBe('stopped');
      }
      finished = units.every(({ id }) => out.files.has(`units/${id}/result.json`));
    }
    expect(left(out)).toEqual(left(whole));
  });

  it('counts what it does against what was left to do, and leaves finished units of a smaller one as they are', async () => {
    const some = { variants: ['single'], subjects: ['01', '02'] } as const;
    const small = await plan(files(), some);
    const out = new MemoryFiles('out');
    // The last unit first, as when one seed was run before another.
    await runUnits(small.record.units.slice(1), runContext(small, out), true);
    const before = left(out);
    const extended = await plan(files(), { ...some, losses: ['dice+ce', 'dice'], seeds: [1, 2] });
    const told: (readonly [number, number, string | undefined])[] = [];
    const { done, skipped } = await runUnits(
      extended.record.units,
      runContext(extended, out, { onUnit: (done, total, unit) => told.push([done, total, unit?.id]) }),
      true,
    );
    expect(skipped).toEqual(['net_single_dice.ce_02_seed-1']);
    expect(told).toEqual([...done.map((id, i) => [i, 7, id]), [7, 7, undefined]]);
    const after = left(out);
    for (const [path, hash] of before) expect(after.get(path), path).toBe(hash);
    // A seed and a loss that came later have the bits of those that were planned at once.
    const whole = new MemoryFiles('out');
    await runUnits(extended.record.units, runContext(extended, whole), true);
    expect(after).toEqual(left(whole));
  });

  it('waits for other processes, or says what is missing', async () => {
    const planned = await plan(files(), { subjects: ['01', '02', '03'] });
    const { units } = planned.record;
    const corrections = units.filter((unit) => unit.kind === 'correction').slice(0, 1);
    const alone = runUnits(corrections, runContext(planned, new MemoryFiles('out')), false);
    await expect(alone).rejects.toThrow(StorageError);
    await expect(alone).rejects.toThrow(/^correction_01_seed-1 needs stage-1_without-01_seed-1, /);
    const held = runContext(planned, new MemoryFiles('out'), {
      lock: () => Promise.resolve('process 7 works on it'),
    });
    await expect(runUnits(units.slice(0, 1), held, false)).rejects.toThrow(
      'stage-1_without-01_seed-1: process 7 works on it',
    );
    const stop = new AbortController();
    const lines: string[] = [];
    const waiting = runContext(planned, new MemoryFiles('out'), {
      signal: stop.signal,
      onWait(text) {
        lines.push(text);
        setTimeout(() => stop.abort(new Error('enough')), 10);
      },
    });
    await expect(runUnits(corrections, waiting, true)).rejects.toThrow('enough');
    expect(lines).toHaveLength(1);
  });

  it('finds scans that cannot be used before it starts', async () => {
    const inspect = async (changes: Record<string, Uint8Array>) => {
      const { dataset, record } = await plan(files(changes));
      return await inspectScans(dataset, record);
    };
    expect(await inspect({})).toEqual([]);
    await expect(inspect({ [MASK('02')]: maskFile(lesion, OTHER_GRID) })).rejects.toThrow(
      /^sub-02: .*lesion_mask.nii.gz is 12x14x10.*but sub-02/,
    );
    await expect(inspect({ 'sub-03/anat/sub-03_T1w.nii.gz': image(inBrain, OTHER_GRID) })).rejects.toThrow(
      /sub-03/,
    );
    const c1 = 'derivatives/spm/sub-01/anat/c1sub-01_T1w.nii.gz';
    await expect(inspect({ [c1]: image((x, y, z) => 255 * inBrain(x, y, z), GRID) })).rejects.toThrow(
      'sub-01: the GM map holds values from 0 to 255, no probabilities',
    );
  });
});
