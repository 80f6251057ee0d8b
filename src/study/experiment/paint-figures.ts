import { DatasetError, FileFormatError, GridMismatchError, StorageError } from '../../core/errors.ts';
import type { FileStore } from '../../core/files.ts';
import { Subfolder } from '../../core/subfolder.ts';
import { type Dataset, findSubject, type Scan, scanName } from '../../imaging/dataset/dataset.ts';
import { type LoadedScan, loadScan } from '../../imaging/dataset/load-scan.ts';
import { findPredicted } from '../../imaging/dataset/prediction-path.ts';
import { withTissues } from '../../imaging/dataset/tissue-files.ts';
import type { TissueMaps } from '../../imaging/dataset/tissue-maps.ts';
import { variantLabel } from '../../imaging/evaluate/labels.ts';
import { readMask } from '../../imaging/nifti/read.ts';
import {
  displayWindow,
  paintGray,
  paintOverlay,
  paintTissues,
  pngDataUri,
  type RgbaImage,
} from '../../imaging/report/figures.ts';
import type { Picture } from '../../imaging/report/html.ts';
import { type PaintedSlice, paintedSlices } from '../../imaging/report/painted-slices.ts';
import type { ExperimentFigures, PaintedFigure } from '../report/experiment-page.ts';
import { type CorrectionUnit, EXPERIMENT_FILES, type NetUnit } from '../report/experiment-record.ts';
import { type ExperimentResults, netUnits } from '../report/experiment-results.ts';
import { unitFolder, unitMaps } from './unit-files.ts';

/** Patients with overlays at the most: each brings a picture a variant, and the page is one file. */
const MOST_PATIENTS = 12;

/** A patient's first visit, cut at the axial slice that holds most of the lesions. */
interface Shown {
  readonly scan: Scan;
  readonly loaded: LoadedScan;
  readonly truth: Uint8Array;
  readonly slice: PaintedSlice;
}

/**
 * Paints the paper's figures from an experiment's own files and the data set. What cannot be read is left out, and
 * `missing` says so.
 */
export async function paintFigures(
  experiment: ExperimentResults,
  out: FileStore,
  dataset: Dataset,
): Promise<ExperimentFigures> {
  const missing: string[] = [];
  const attempt = async <T>(what: string, paint: () => Promise<T | undefined>): Promise<T | undefined> => {
    try {
      return await paint();
    } catch (error) {
      const known = [DatasetError, FileFormatError, GridMismatchError, StorageError];
      if (!known.some((kind) => error instanceof kind)) throw error;
      missing.push(`${what} cannot be shown: ${(error as Error).message}.`);
      return undefined;
    }
  };
  const judged = judgedPatients(experiment);
  const overlays: PaintedFigure[] = [];
  let example: Shown | undefined;
  for (const patient of judged.slice(0, MOST_PATIENTS)) {
    const shown = await attempt(`Patient ${patient}`, () => showPatient(experiment, dataset, patient));
    if (!shown) continue;
    example ??= shown;
    const overlay = await attempt(`Fig. 10 of patient ${patient}`, () =>
      overlayFigure(experiment, out, shown),
    );
    if (overlay) overlays.push(overlay);
  }
  if (judged.length > MOST_PATIENTS)
    missing.push(`Overlays are of the first ${MOST_PATIENTS} of ${judged.length} patients.`);
  if (!example) return { overlays, missing };
  const chosen = example;
  const corrector = correctionOf(experiment, chosen.scan.subject);
  const [modalities, tissues, stageOne, correction] = [
    modalityFigure(chosen),
    await attempt('Fig. 7', () => tissueFigure(experiment, out, dataset, chosen)),
    await attempt('Fig. 8', () => stageOneFigure(out, corrector, chosen)),
    await attempt('Fig. 9', () => correctionFigure(experiment, out, dataset, corrector, chosen)),
  ];
  return {
    modalities,
    tissues,
    stageOne,
    correction,
    overlays,
    missing,
  };
}

/** Held-out patients of finished nets, in the plan's order. */
function judgedPatients({ plan, results }: ExperimentResults): string[] {
  const judged = new Set([...results.values()].flatMap(({ scans }) => scans.map(({ subject }) => subject)));
  return plan.dataset.subjects.filter((subject) => judged.has(subject));
}

async function showPatient(
  { plan }: ExperimentResults,
  dataset: Dataset,
  patient: string,
): Promise<Shown | undefined> {
  const scan = findSubject(dataset, patient).scans.find(({ lesionMasks }) => lesionMasks.size > 0);
  if (!scan) return undefined;
  const rater = plan.rater === 'mean' ? 'union' : plan.rater;
  const loaded = await loadScan(dataset, scan, { rater });
  const truth = loaded.lesions as Uint8Array;
  const image = loaded.channels.find(({ name }) => name === 'FLAIR') ?? loaded.channels[0]!;
  const [slice] = paintedSlices(image.data, loaded.brain, truth, loaded.grid);
  return { scan, loaded, truth, slice: slice! };
}

function picture(
  { slice: { view, where } }: Shown,
  image: RgbaImage,
  label: string,
  detail?: string,
): Picture {
  return {
    source: pngDataUri(image),
    alt: `${where}: ${label}${detail === undefined ? '' : `, ${detail}`}`,
    width: view.width,
    height: view.height,
    label,
    detail,
  };
}

function whose({ scan, slice }: Shown): string {
  return `patient ${scan.subject}${scan.session === null ? '' : `, visit ${scan.session}`}; ${slice.where.toLowerCase()}`;
}

function modalityFigure(shown: Shown): PaintedFigure {
  const { loaded, truth, slice } = shown;
  const gray = (data: Float32Array): RgbaImage =>
    paintGray(slice.view, data, displayWindow(data, loaded.brain));
  const nothing = new Uint8Array(truth.length);
  return {
    pictures: [
      ...loaded.channels.map(({ name, data }) => picture(shown, gray(data), name)),
      picture(shown, paintOverlay(slice.view, slice.gray, truth, nothing), 'True lesions'),
    ],
    caption: `As the paper’s Fig. 1: the modalities and the lesions of ${whose(shown)}.`,
  };
}

/** A scan's maps of a unit, or those of the data set where no unit made any. */
async function readMaps(
  { plan }: ExperimentResults,
  out: FileStore,
  dataset: Dataset,
  { scan }: Shown,
  unit: string | undefined,
): Promise<TissueMaps | undefined> {
  const mapped = unit === undefined ? dataset : await withTissues(dataset, unitMaps(out, unit));
  const found = findSubject(mapped, scan.subject).scans.find(({ session }) => session === scan.session)!;
  const source = unit ?? plan.settings.tissue;
  const tissue = typeof source === 'string' ? source : true;
  const there = tissue === true ? found.tissues.size > 0 : found.tissues.has(tissue);
  return there ? (await loadScan(mapped, found, { tissue })).tissues : undefined;
}

/** The maps before correction: those of the tissue unit where there is one. */
function uncorrected(
  experiment: ExperimentResults,
  out: FileStore,
  dataset: Dataset,
  shown: Shown,
): Promise<TissueMaps | undefined> {
  const unit = experiment.plan.units.find(({ kind }) => kind === 'tissue')?.id;
  return readMaps(experiment, out, dataset, shown, unit);
}

function tissuePicture(shown: Shown, maps: TissueMaps, label: string): Picture {
  const { view, gray } = shown.slice;
  return picture(shown, paintTissues(view, gray, { gm: maps.GM, wm: maps.WM, csf: maps.CSF }), label);
}

async function tissueFigure(
  experiment: ExperimentResults,
  out: FileStore,
  dataset: Dataset,
  shown: Shown,
): Promise<PaintedFigure | undefined> {
  const maps = await uncorrected(experiment, out, dataset, shown);
  if (!maps) return undefined;
  const { view } = shown.slice;
  const one = (data: Float32Array, label: string): Picture =>
    picture(shown, paintGray(view, data, [0, 1]), label);
  return {
    pictures: [
      one(maps.GM, 'Grey matter'),
      one(maps.WM, 'White matter'),
      one(maps.CSF, 'Cerebrospinal fluid'),
      tissuePicture(shown, maps, 'All three'),
    ],
    caption: `As the paper’s Fig. 7: tissue probabilities before correction, black 0, white 1; ${whose(shown)}.`,
  };
}

/** The correction that a patient's maps get where that patient is held out, once it is done. */
function correctionOf({ plan, results }: ExperimentResults, patient: string): CorrectionUnit | undefined {
  const fold = plan.folds.find(({ heldOut }) => heldOut.includes(patient))?.name;
  return plan.units.find(
    (unit): unit is CorrectionUnit =>
      unit.kind === 'correction' &&
      (unit.fold === fold || unit.fold === 'all') &&
      unit.by[patient] !== undefined &&
      results.has(unit.id),
  );
}

async function stageOneFigure(
  out: FileStore,
  correction: CorrectionUnit | undefined,
  shown: Shown,
): Promise<PaintedFigure | undefined> {
  const net = correction?.by[shown.scan.subject];
  if (net === undefined) return undefined;
  const prediction = await readPrediction(out, net, shown.scan);
  const { view, gray } = shown.slice;
  return {
    pictures: [
      picture(shown, gray, 'FLAIR'),
      picture(shown, paintOverlay(view, gray, shown.truth, prediction), 'Lesions by stage 1'),
    ],
    caption: `As the paper’s Fig. 8: what the first net (${net}) finds; these voxels become white matter in the tissue maps that the second nets read or learn; ${whose(shown)}.`,
  };
}

async function correctionFigure(
  experiment: ExperimentResults,
  out: FileStore,
  dataset: Dataset,
  correction: CorrectionUnit | undefined,
  shown: Shown,
): Promise<PaintedFigure | undefined> {
  if (!correction) return undefined;
  const before = await uncorrected(experiment, out, dataset, shown);
  const after = await readMaps(experiment, out, dataset, shown, correction.id);
  if (!before || !after) return undefined;
  const { view } = shown.slice;
  const white = (maps: TissueMaps, label: string): Picture =>
    picture(shown, paintGray(view, maps.WM, [0, 1]), label);
  return {
    pictures: [
      tissuePicture(shown, before, 'Before'),
      tissuePicture(shown, after, 'After'),
      white(before, 'White matter before'),
      white(after, 'White matter after'),
    ],
    caption: `As the paper’s Fig. 9: the maps before and after predicted lesions were made white matter; ${whose(shown)}.`,
  };
}

/** Every variant's prediction of a patient: with the first loss and seed that are finished. */
async function overlayFigure(
  { plan, results }: ExperimentResults,
  out: FileStore,
  shown: Shown,
): Promise<PaintedFigure | undefined> {
  const { scan, slice } = shown;
  const fold = plan.folds.find(({ heldOut }) => heldOut.includes(scan.subject))?.name;
  const nets = netUnits(plan).filter((unit) => unit.fold === fold && results.has(unit.id));
  const pictures = [picture(shown, slice.gray, 'FLAIR')];
  const used: NetUnit[] = [];
  for (const variant of plan.variants) {
    const net = nets.find((unit) => unit.variant === variant);
    if (!net) continue;
    const prediction = await readPrediction(out, net.id, scan);
    const dice = results
      .get(net.id)
      ?.scans.find(({ subject, session }) => subject === scan.subject && session === scan.session)
      ?.metrics.dice;
    const image = paintOverlay(slice.view, slice.gray, shown.truth, prediction);
    pictures.push(picture(shown, image, variantLabel(variant), `Dice ${dice?.toFixed(3) ?? 'n/a'}`));
    used.push(net);
  }
  if (used.length === 0) return undefined;
  const trained = [...new Set(used.map(({ loss, seed }) => `${loss}, seed ${seed}`))].join('; ');
  return {
    pictures,
    caption: `As the paper’s Fig. 10: ${whose(shown)}, the slice with most true lesion. Loss: ${trained}. Dice is of the whole scan.`,
  };
}

async function readPrediction(out: FileStore, unit: string, scan: Scan): Promise<Uint8Array> {
  const files = new Subfolder(unitFolder(out, unit), EXPERIMENT_FILES.predictions);
  const path = await findPredicted(files, scan, { label: 'lesion', suffix: 'mask' });
  return (await readMask(await files.open(path), `${scanName(scan)}, ${path}`)).volume.data;
}
