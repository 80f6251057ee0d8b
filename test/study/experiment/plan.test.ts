import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DatasetError, UsageError } from '../../../src/core/errors.ts';
import { formatRecord } from '../../../src/core/record.ts';
import type { Dataset } from '../../../src/imaging/dataset/dataset.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { trainSettings } from '../../../src/pipeline/train/settings.ts';
import { extendExperiment, extensionNote } from '../../../src/study/experiment/extend-experiment.ts';
import {
  type ExperimentOptions,
  experimentOptions,
  recordedOptions,
} from '../../../src/study/experiment/options.ts';
import { planExperiment } from '../../../src/study/experiment/plan.ts';
import { requireSameExperiment } from '../../../src/study/experiment/same-experiment.ts';
import { unitsOf } from '../../../src/study/experiment/share.ts';
import { sharedSettings } from '../../../src/study/experiment/unit-settings.ts';
import { type ExperimentRecord, parseExperiment } from '../../../src/study/report/experiment-record.ts';
import { names } from '../../imaging/dataset/make.ts';

const ABOUT = { version: '1.2.3', path: './data' };

function options(some: Partial<ExperimentOptions> = {}): ExperimentOptions {
  return experimentOptions({ variants: ['single', 'multi-input'], ...some });
}

/** A data set of so many visits a patient; those in `bare` have no lesion mask. */
async function dataset(visits: readonly number[], bare: readonly number[] = []): Promise<Dataset> {
  const paths = visits.flatMap((count, patient) =>
    Array.from({ length: count }, (_, visit) => {
      const [sub, ses] = [`sub-${String(patient + 1).padStart(2, '0')}`, `ses-${visit + 1}`];
      const stem = `${sub}/${ses}/anat/${sub}_${ses}`;
      const mask = bare.includes(patient) ? [] : [`derivatives/lesions/${stem}_label-lesion_mask.nii.gz`];
      return [`${stem}_T1w.nii.gz`, `${stem}_FLAIR.nii.gz`, ...mask];
    }).flat(),
  );
  return await openDataset(names(...paths));
}

const plan = (data: Dataset, some: Partial<ExperimentOptions> = {}): ExperimentRecord =>
  planExperiment(data, options(some), ABOUT);

const ids = (record: ExperimentRecord, kind: string): string[] =>
  record.units.filter((unit) => unit.kind === kind).map(({ id }) => id);

/** Everybody whose truth a unit has seen, by itself or by what it needs. */
function seenBy(record: ExperimentRecord, id: string): Set<string> {
  const unit = record.units.find((candidate) => candidate.id === id)!;
  const own =
    unit.kind === 'stage-1'
      ? unit.training
      : unit.kind === 'net'
        ? record.folds.find(({ name }) => name === unit.fold)!.training
        : [];
  return new Set([...own, ...unit.needs.flatMap((need) => [...seenBy(record, need)])]);
}

const anyDataset = fc
  .record({
    visits: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 9 }),
    bare: fc.integer({ min: 0, max: 3 }),
    folds: fc.option(fc.integer({ min: 2, max: 9 }), { nil: 'patient' as const }),
    seeds: fc.uniqueArray(fc.integer({ min: 0, max: 99 }), { minLength: 1, maxLength: 2 }),
  })
  .filter(({ visits, bare, folds }) => {
    const judged = visits.length - bare;
    return judged >= 2 && (folds === 'patient' || folds <= judged);
  });

describe('a planned experiment', () => {
  it('shows no net a held-out patient, nor any patient maps of its own making', async () => {
    await fc.assert(
      fc.asyncProperty(anyDataset, async ({ visits, bare, folds, seeds }) => {
        const last = visits.map((_, i) => i).slice(visits.length - bare);
        const record = plan(await dataset(visits, last), { folds, seeds });
        expect(record.unjudged).toHaveLength(bare);
        for (const { heldOut, training, name } of record.folds) {
          for (const patient of heldOut) expect(training).not.toContain(patient);
          for (const unit of record.units) {
            if (unit.kind === 'net' && unit.fold === name)
              for (const patient of heldOut) expect(seenBy(record, unit.id)).not.toContain(patient);
            if (unit.kind !== 'correction' || unit.fold !== name) continue;
            expect(Object.keys(unit.by).sort()).toEqual([...record.dataset.subjects]);
            for (const [patient, by] of Object.entries(unit.by)) {
              const net = record.units.find(({ id }) => id === by)!;
              if (net.kind !== 'stage-1') throw new Error(`${by} is no stage-1 net`);
              expect(unit.needs).toContain(by);
              expect(net.seed).toBe(unit.seed);
              expect(net.predicts).toContain(patient);
              expect(net.training.length).toBeGreaterThan(0);
              for (const hidden of [patient, ...heldOut, ...record.unjudged])
                expect(net.training).not.toContain(hidden);
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('names every unit once, after what it needs, and survives its file', async () => {
    await fc.assert(
      fc.asyncProperty(anyDataset, async ({ visits, folds, seeds }) => {
        const record = plan(await dataset(visits), {
          folds: folds === 'patient' ? folds : Math.min(folds, visits.length),
          seeds,
          losses: ['dice+ce', 'generalized-dice+1-tpr'],
        });
        const done = new Set<string>();
        for (const { id, needs } of record.units) {
          expect(id).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);
          expect(done).not.toContain(id);
          for (const need of needs) expect(done).toContain(need);
          done.add(id);
        }
        const read = parseExperiment(formatRecord(record), 'x');
        expect(read).toEqual(record);
        requireSameExperiment(read, record, 'x');
      }),
      { numRuns: 20 },
    );
  });

  it('shares the stage-1 net that two folds leave out: five patients need 5 + 10', async () => {
    const record = plan(await dataset([4, 4, 5, 4, 4]));
    expect(ids(record, 'stage-1')).toHaveLength(15);
    expect(ids(record, 'correction')).toHaveLength(5);
    expect(ids(record, 'net')).toHaveLength(10);
    expect(ids(record, 'tissue')).toEqual(['tissue']);
    expect(record.notes).toEqual([]);
  });

  it('repeats the paper as printed: one stage-1 net on everybody, and says that it leaks', async () => {
    const record = plan(await dataset([1, 2, 1]), { protocol: 'paper', stage1Loss: 'literal' });
    const [stageOne, ...rest] = record.units.filter((unit) => unit.kind === 'stage-1');
    expect(rest).toEqual([]);
    expect(stageOne!.training).toEqual(['01', '02', '03']);
    expect(ids(record, 'correction')).toEqual(['correction_all_seed-1']);
    expect(record.notes[0]).toMatch(/leak into their own maps/);
  });

  it('corrects nothing where a fold has one training patient, and says so', async () => {
    const record = plan(await dataset([1, 1]));
    expect(record.units.map(({ id, needs }) => [id, needs])).toEqual([
      ['tissue', []],
      ['net_single_paper-intent_01_seed-1', []],
      ['net_multi-input_paper-intent_01_seed-1', ['tissue']],
      ['net_single_paper-intent_02_seed-1', []],
      ['net_multi-input_paper-intent_02_seed-1', ['tissue']],
    ]);
    expect(record.notes[0]).toMatch(/^the tissue maps of folds 01, 02 are not corrected/);
  });

  it('makes no maps for the single net', async () => {
    const record = plan(await dataset([1, 1, 1]), { variants: ['single'] });
    expect(record.units.map(({ kind }) => kind)).toEqual(['net', 'net', 'net']);
    expect(record.notes).toEqual([]);
  });

  it('refuses what no experiment can be made of', async () => {
    const two = await dataset([1, 1]);
    const refused = (data: Dataset, some: Partial<ExperimentOptions> = {}) => expect(() => plan(data, some));
    const one = await dataset([3]);
    refused(one).toThrow(DatasetError);
    refused(one).toThrow('set: only patient 01 has a lesion mask; no folds are possible');
    refused(await dataset([1, 1], [0, 1])).toThrow('set: no patient has a lesion mask');
    refused(two, { folds: 3 }).toThrow(UsageError);
    refused(two, { losses: ['dice+tpr+ce+ce'] }).toThrow('there is no loss "dice+tpr+ce+ce"');
    refused(two, { subjects: ['07'] }).toThrow('there is no subject "07"');
    refused(two, { tissue: 'spm' }).toThrow('sub-01_ses-1, sub-02_ses-1: there are no tissue maps from spm');
    const shared = sharedSettings(trainSettings({ variant: 'single', modalities: ['T2w'] }));
    refused(two, { shared }).toThrow('there is no T2w image');
  });

  it('never leaves a modality out by itself: it names who lacks it', async () => {
    const data = await openDataset(
      names(
        ...['01', '02'].flatMap((id) => [
          `sub-${id}/anat/sub-${id}_T1w.nii.gz`,
          `derivatives/lesions/sub-${id}/anat/sub-${id}_label-lesion_mask.nii.gz`,
        ]),
        'sub-01/anat/sub-01_FLAIR.nii.gz',
      ),
    );
    expect(() => plan(data, { variants: ['single'] })).toThrow(
      'the scans do not have the same images: FLAIR (not there for sub-02)',
    );
  });

  it('deals every unit to exactly one shard', async () => {
    const { units } = plan(await dataset([1, 1, 1, 1]), { seeds: [1, 2] });
    for (const n of [1, 2, 3, 7]) {
      const shards = Array.from({ length: n }, (_, i) => unitsOf(units, { shard: { k: i + 1, n } }));
      expect(
        shards
          .flat()
          .map(({ id }) => id)
          .sort(),
      ).toEqual(units.map(({ id }) => id).sort());
    }
    expect(() => unitsOf(units, { names: ['x'] })).toThrow('the experiment has no unit "x"');
  });

  it('is refused with other settings, naming each', async () => {
    const data = await dataset([1, 1, 1]);
    const other = plan(data, { losses: ['dice'], seeds: [2] });
    expect(() => requireSameExperiment(plan(data), other, 'out/experiment.json')).toThrow(
      'out/experiment.json: the experiment has other settings: losses was ["paper-intent"] and is ["dice"]; seeds was [1] and is [2]',
    );
    expect(() => requireSameExperiment(plan(data), plan(data, { subjects: ['01', '02'] }), 'x')).toThrow(
      /subjects was \["01","02","03"\] and is \["01","02"\]/,
    );
  });
});

describe('an experiment that is extended', () => {
  const extend = (data: Dataset, recorded: ExperimentRecord, some: Partial<ExperimentOptions>) =>
    extendExperiment(recorded, data, { ...recordedOptions(recorded), ...some }, ABOUT, 'out/experiment.json');

  it('keeps every unit as it was, and is what would have been planned at once', async () => {
    const data = await dataset([2, 1, 1]);
    const lists = {
      variants: ['single', 'multi-input', 'cross-stitch'],
      losses: ['dice', 'dice+ce'],
    } as const;
    const some = <T>(of: readonly T[]): fc.Arbitrary<T[]> => fc.shuffledSubarray([...of], { minLength: 1 });
    const before = fc.record({
      variants: some(lists.variants),
      losses: some(lists.losses),
      seeds: some([1, 2, 3]),
    });
    await fc.assert(
      fc.property(before, before, (first, more) => {
        const recorded = parseExperiment(formatRecord(plan(data, first)), 'x');
        const wanted = {
          // What is there already may be named in any place.
          variants: [...new Set([...more.variants, ...first.variants])],
          losses: [...new Set([...more.losses, ...first.losses])],
          seeds: [...new Set([...more.seeds, ...first.seeds])],
        };
        const extended = extend(data, recorded, wanted);
        const ids = new Map(extended.units.map((unit) => [unit.id, unit]));
        for (const unit of recorded.units) expect(ids.get(unit.id)).toEqual(unit);
        for (const name of ['variants', 'losses', 'seeds'] as const) {
          expect(extended[name].slice(0, recorded[name].length)).toEqual(recorded[name]);
          expect([...extended[name]].sort()).toEqual([...wanted[name]].sort());
        }
        const { variants, losses, seeds } = recordedOptions(extended);
        expect(extended.units).toEqual(plan(data, { variants, losses, seeds }).units);
        // Once more adds nothing.
        expect(extend(data, extended, wanted)).toBe(extended);
      }),
      { numRuns: 60 },
    );
  });

  it('says what was added, and how much was known by then', async () => {
    const data = await dataset([1, 1, 1]);
    const recorded = plan(data, { variants: ['single'] });
    const extended = extend(data, recorded, { seeds: [1, 7], losses: ['paper-intent', 'dice'] });
    expect(extensionNote(recorded, extended, 2)).toBe(
      'added to the experiment later, when 2 of its 3 units were finished: losses dice; seeds 7',
    );
  });

  it('may choose where its first tissue maps come from, if all nets were single ones', async () => {
    const data = await dataset([1, 1, 1]);
    const recorded = plan(data, { variants: ['single'] });
    const extended = extend(data, recorded, { variants: ['single', 'multi-input'], stage1Loss: 'dice' });
    expect(extended.settings.stage1Loss).toBe('dice');
    expect(extended.units.map(({ kind }) => kind)).toContain('tissue');
    expect(() => extend(data, recorded, { stage1Loss: 'dice' })).toThrow('stage1Loss was "generalized-dice"');
  });

  it('is refused where anything is left out or differs, naming it', async () => {
    const data = await dataset([1, 1, 1]);
    const recorded = plan(data, { seeds: [1, 2] });
    const refused = (some: Partial<ExperimentOptions>) => expect(() => extend(data, recorded, some));
    refused({ seeds: [1, 3] }).toThrow(
      'out/experiment.json: the experiment has other settings: seeds was [1,2] and is [1,3]',
    );
    refused({ variants: ['multi-input'], seeds: [1, 2, 3] }).toThrow(
      /variants was \["single","multi-input"\] and is \["multi-input"\]$/,
    );
    refused({ seeds: [1, 2, 3], rater: '2', folds: 2 }).toThrow(
      /rater was "1" and is "2"; folds was "patient" and is 2$/,
    );
    refused({ seeds: [1, 2, 3], stage1Loss: 'dice' }).toThrow(
      'stage1Loss was "generalized-dice" and is "dice"',
    );
    const shared = { ...recordedOptions(recorded).shared, lr: 0.5 };
    refused({ seeds: [1, 2, 3], shared }).toThrow('lr was 0.0005 and is 0.5');
    const older = { ...recorded, units: recorded.units.map((unit) => ({ ...unit, id: `${unit.id}-old` })) };
    expect(() => extend(data, older, { seeds: [1, 2, 3] })).toThrow('voxelgrad 1.2.3 planned other units');
  });
});
