import { METRIC_KEYS } from '../../../src/imaging/evaluate/metrics.ts';
import type {
  ExperimentRecord,
  NetUnit,
  RecordedMetrics,
  UnitResult,
} from '../../../src/study/report/experiment-record.ts';
import type { ExperimentResults, NetSource } from '../../../src/study/report/experiment-results.ts';

/** Dice of a net on a patient's only scan. */
export type DiceOf = (net: Pick<NetUnit, 'variant' | 'loss' | 'seed'>, patient: string) => number | null;

/** A leave-one-patient-out experiment whose nets reach what `dice` says; where that is null, the net is not finished. */
export function madeUpExperiment(
  how: { patients: readonly string[] } & Partial<Pick<ExperimentRecord, 'variants' | 'losses' | 'seeds'>>,
  dice: DiceOf,
): ExperimentResults {
  const {
    patients,
    variants = ['single', 'multi-input', 'multi-output'],
    losses = ['dice'],
    seeds = [1],
  } = how;
  const units = patients.flatMap((fold) =>
    variants.flatMap((variant) =>
      losses.flatMap((loss) =>
        seeds.map((seed): NetUnit => {
          const id = `net_${variant}_${loss.replaceAll('+', '-')}_${fold.replace(/\W/g, '')}_seed-${seed}`;
          return { kind: 'net', id, needs: [], fold, variant, loss, seed };
        }),
      ),
    ),
  );
  const plan: ExperimentRecord = {
    format: 'voxelgrad-experiment',
    formatVersion: 1,
    version: '0.1.0',
    dataset: { path: './made-up', layout: 'bids', subjects: patients },
    protocol: 'corrected',
    variants,
    losses,
    seeds,
    rater: '1',
    folds: patients.map((name) => ({
      name,
      training: patients.filter((other) => other !== name),
      heldOut: [name],
    })),
    unjudged: [],
    settings: { steps: 10, patch: 16, tissue: null },
    notes: [],
    units,
  };
  const results = new Map<string, UnitResult>();
  for (const unit of units) {
    const value = dice(unit, unit.fold);
    if (value !== null) results.set(unit.id, result(unit, value));
  }
  const sources = new Map(
    units
      .filter(({ id }) => results.has(id))
      .map(({ id, fold }): [string, NetSource] => [
        id,
        {
          model: 'a'.repeat(64),
          trainedOn: patients.filter((patient) => patient !== fold),
          threshold: 0.5,
          inputs: Object.fromEntries(
            patients
              .filter((patient) => patient !== fold)
              .map((patient) => [
                `sub-${patient}`,
                [{ role: 'FLAIR', path: `sub-${patient}/anat/f.nii.gz`, sha256: 'b'.repeat(64) }],
              ]),
          ),
        },
      ]),
  );
  return { plan, results, curves: new Map(), sources, problems: [] };
}

function result(unit: NetUnit, dice: number): UnitResult {
  const metrics = Object.fromEntries(METRIC_KEYS.map((key) => [key, key === 'dice' ? dice : 0.5]));
  return {
    unit: unit.id,
    version: '0.1.0',
    adapter: 'made-up adapter',
    seconds: 60,
    steps: 10,
    finalLoss: 0.25,
    threshold: 0.5,
    trainDice: 0.8,
    scans: [
      {
        subject: unit.fold,
        session: null,
        metrics: metrics as RecordedMetrics,
        sizes: [
          { fromMl: 0, toMl: 0.05, lesions: 4, found: 1 },
          { fromMl: 0.05, toMl: null, lesions: 2, found: 2 },
        ],
      },
    ],
  };
}
