import { DatasetError } from '../../core/errors.ts';
import { toJson } from '../../core/json.ts';
import { setting, worded } from '../../core/wording.ts';
import { recordedChoices, requireChosen } from '../../imaging/dataset/choices.ts';
import {
  type Dataset,
  defaultModalities,
  describeLeftOut,
  findSubject,
  type Scan,
  scanName,
} from '../../imaging/dataset/dataset.ts';
import { type Fold, patientFolds } from '../../imaging/dataset/folds.ts';
import { chooseModalities } from '../../imaging/dataset/load-scan.ts';
import { requireTissueInputs } from '../../imaging/tissue/make-tissues.ts';
import type { Variant } from '../presets/index.ts';
import type {
  CorrectionUnit,
  ExperimentRecord,
  ExperimentUnit,
  NetUnit,
  StageOneUnit,
} from '../report/experiment-record.ts';
import { namedLoss } from './losses.ts';
import { type FoldCorrection, nestedCorrections, printedCorrection, type StageOneNet } from './nesting.ts';
import type { ExperimentOptions, Protocol } from './options.ts';
import type { RecordedSettings } from './unit-settings.ts';

/** Images that tissues are told apart by, where the maps are made in a unit. */
export const TISSUE_MODALITIES: readonly string[] = ['T1w'];

/** The correction unit that all folds share in the paper's protocol. */
const ALL = 'all';

/**
 * Decides everything that an experiment does. Reads no image.
 *
 * @param about version of voxelgrad, and the data set's path as it was given
 * @returns units in an order in which each comes after what it needs
 * @throws UsageError for an unknown loss, or more folds than patients; DatasetError for an unknown patient, a scan
 *   without one of the modalities or without tissue maps, and where fewer than two patients have a lesion mask.
 */
export function planExperiment(
  dataset: Dataset,
  options: ExperimentOptions,
  about: { readonly version: string; readonly path: string },
): ExperimentRecord {
  for (const name of [...options.losses, options.stage1Loss]) namedLoss(name, 'single');
  const chosen = options.subjects?.map((id) => findSubject(dataset, id)) ?? dataset.subjects;
  const subjects = [...new Set(chosen)].sort((a, b) => (a.id < b.id ? -1 : 1));
  const judged = subjects.filter(({ scans }) => scans.some((scan) => scan.lesionMasks.size > 0));
  const patients = judged.map(({ id }) => id);
  const unjudged = subjects.filter((subject) => !judged.includes(subject)).map(({ id }) => id);
  if (patients.length < 2)
    throw new DatasetError(
      `${dataset.name}: ${patients.length === 0 ? 'no patient has' : `only patient ${patients[0]} has`} a lesion mask; no folds are possible`,
      { hint: 'Cross-validation needs two patients with true masks: train with `voxelgrad train` instead.' },
    );
  const folds = patientFolds(dataset, options.folds, { subjects: patients });
  const scans = subjects.flatMap((subject) => subject.scans);
  const { modalities, notes } = shareModalities(scans, options.shared.modalities);
  const needsMaps = options.variants.some((variant) => variant !== 'single');
  if (needsMaps) requireMaps(scans, options.tissue);
  const settings: RecordedSettings = {
    ...options.shared,
    modalities,
    tissue: needsMaps ? options.tissue : null,
    stage1Loss: options.stage1Loss,
    folds: options.folds,
  };
  const choices = recordedChoices(dataset.choices);
  const planned = planUnits(options, folds, patients, unjudged, needsMaps && options.tissue === null);
  return {
    format: 'voxelgrad-experiment',
    formatVersion: 1,
    version: about.version,
    dataset: {
      path: about.path,
      layout: dataset.layout,
      subjects: subjects.map(({ id }) => id),
      choices,
    },
    protocol: options.protocol,
    variants: options.variants,
    losses: options.losses,
    seeds: options.seeds,
    rater: options.rater,
    folds,
    unjudged,
    settings: toJson(settings) as ExperimentRecord['settings'],
    notes: [...notes, ...bareVisits(judged), ...(needsMaps ? planned.notes : [])],
    units: planned.units,
  };
}

function shareModalities(
  scans: readonly Scan[],
  wanted: readonly string[] | null,
): { readonly modalities: readonly string[]; readonly notes: readonly string[] } {
  for (const scan of scans) requireChosen('lesions', scan.contested?.lesions, scanName(scan));
  if (!wanted) {
    const { modalities, leftOut } = defaultModalities(scans);
    return { modalities, notes: leftOut.length > 0 ? [describeLeftOut(leftOut)] : [] };
  }
  const modalities = chooseModalities(scans[0]!, wanted).map(([name]) => name);
  for (const scan of scans) chooseModalities(scan, modalities);
  return { modalities, notes: [] };
}

function requireMaps(scans: readonly Scan[], tissue: string | null): void {
  if (tissue === null) {
    requireTissueInputs(scans, { method: 'em', modalities: TISSUE_MODALITIES });
    return;
  }
  const bare = scans.filter((scan) => !scan.tissues.has(tissue)).map(scanName);
  if (bare.length > 0)
    throw new DatasetError(`${listed(bare)}: there are no tissue maps from ${tissue}`, {
      hint: worded`Make them with \`voxelgrad tissue\`, or leave ${setting('maps')} out to have them made.`,
    });
}

/** Visits without a mask of patients who have one at another visit. */
function bareVisits(judged: readonly { readonly scans: readonly Scan[] }[]): string[] {
  const bare = judged.flatMap(({ scans }) => scans.filter((scan) => scan.lesionMasks.size === 0));
  if (bare.length === 0) return [];
  return [
    `${listed(bare.map(scanName))} ${plural(bare, 'has', 'have')} no lesion mask: predicted, neither trained on nor judged`,
  ];
}

interface PlannedUnits {
  readonly units: readonly ExperimentUnit[];
  readonly notes: readonly string[];
}

function planUnits(
  options: ExperimentOptions,
  folds: readonly Fold[],
  patients: readonly string[],
  unjudged: readonly string[],
  makesTissues: boolean,
): PlannedUnits {
  const { protocol, variants, losses, seeds } = options;
  const tissue: ExperimentUnit[] = makesTissues ? [{ id: 'tissue', needs: [], kind: 'tissue' }] : [];
  const maps = tissue.map(({ id }) => id);
  const nested = nestedCorrections(folds, unjudged);
  const printed = printedCorrection(patients, unjudged);
  const printedFold: Fold = { name: ALL, training: patients, heldOut: [] };
  const corrections: FoldCorrection[] = protocol === 'paper' ? [{ fold: printedFold, by: printed }] : nested;
  const units = new Map<string, ExperimentUnit>(tissue.map((unit) => [unit.id, unit]));
  const add = (unit: ExperimentUnit): void => void units.set(unit.id, unit);
  const label = labels([...folds.map(({ name }) => name), ...patients]);
  const withMaps = variants.some((variant) => variant !== 'single');
  for (const seed of seeds)
    for (const fold of folds) {
      const correction = corrections.find((c) => c.fold === fold || protocol === 'paper');
      const corrected: string[] = [];
      if (withMaps && correction) {
        const stageOne = new Map<StageOneNet, StageOneUnit>();
        for (const net of new Set(correction.by.values())) {
          const unit = stageOneUnit(net, seed, corrections, label);
          stageOne.set(net, unit);
          if (!units.has(unit.id)) add(unit);
        }
        const unit = correctionUnit(correction, seed, stageOne, maps, label);
        corrected.push(unit.id);
        if (!units.has(unit.id)) add(unit);
      }
      for (const variant of variants)
        for (const loss of losses)
          add(netUnit(fold, variant, loss, seed, corrected.length > 0 ? corrected : maps, label));
    }
  return { units: [...units.values()], notes: notesOn(protocol, folds, corrections) };
}

type Label = (name: string) => string;

function stageOneUnit(
  net: StageOneNet,
  seed: number,
  corrections: readonly FoldCorrection[],
  label: Label,
): StageOneUnit {
  const without = net.without.length === 0 ? ALL : `without-${net.without.map(label).join('_')}`;
  const predicts = corrections.flatMap(({ by }) => [...by].filter(([, n]) => n === net).map(([id]) => id));
  return {
    id: `stage-1_${without}_seed-${seed}`,
    needs: [],
    kind: 'stage-1',
    training: net.training,
    predicts: [...new Set(predicts)].sort(),
    seed,
  };
}

function correctionUnit(
  { fold, by }: FoldCorrection,
  seed: number,
  stageOne: ReadonlyMap<StageOneNet, StageOneUnit>,
  maps: readonly string[],
  label: Label,
): CorrectionUnit {
  const ids = [...by].sort(([a], [b]) => (a < b ? -1 : 1)).map(([id, net]) => [id, stageOne.get(net)!.id]);
  return {
    id: `correction_${fold.name === ALL ? ALL : label(fold.name)}_seed-${seed}`,
    needs: [...maps, ...[...stageOne.values()].map(({ id }) => id)],
    kind: 'correction',
    fold: fold.name,
    seed,
    by: Object.fromEntries(ids) as Record<string, string>,
  };
}

function netUnit(
  fold: Fold,
  variant: Variant,
  loss: string,
  seed: number,
  maps: readonly string[],
  label: Label,
): NetUnit {
  return {
    id: `net_${variant}_${loss.replaceAll('+', '.')}_${label(fold.name)}_seed-${seed}`,
    needs: variant === 'single' ? [] : maps,
    kind: 'net',
    fold: fold.name,
    variant,
    loss,
    seed,
  };
}

function notesOn(
  protocol: Protocol,
  folds: readonly Fold[],
  corrections: readonly FoldCorrection[],
): string[] {
  if (protocol === 'paper')
    return [
      'the tissue maps of every patient are corrected by a net that was trained on that patient, as in the paper: the held-out patients leak into their own maps',
    ];
  const bare = folds.filter((fold) => !corrections.some((c) => c.fold === fold));
  if (bare.length === 0) return [];
  const names = bare.map((fold) => fold.name);
  return [
    `the tissue maps of ${plural(names, 'fold', 'folds')} ${listed(names)} are not corrected, in training and in prediction alike: with one training patient there is nobody else to train a stage-1 net on`,
  ];
}

/** Names as they may stand in a unit's name, all different. */
function labels(names: readonly string[]): Label {
  const known = new Map<string, string>();
  for (const name of new Set(names)) {
    const plain = name.replace(/[^A-Za-z0-9-]/g, '-');
    const taken = new Set(known.values());
    let label = plain;
    for (let i = 2; taken.has(label); i++) label = `${plain}-${i}`;
    known.set(name, label);
  }
  return (name) => known.get(name)!;
}

function listed(names: readonly string[]): string {
  return names.length > 6 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ');
}

function plural(items: readonly unknown[], one: string, many: string): string {
  return items.length === 1 ? one : many;
}
