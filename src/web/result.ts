import { GridMismatchError, UsageError } from '../core/errors.ts';
import { loadScan } from '../imaging/dataset/load-scan.ts';
import { encodeNifti, LABEL_INTENT } from '../imaging/nifti/encode.ts';
import { readMask } from '../imaging/nifti/read.ts';
import { withoutPart } from '../imaging/results/parts.ts';
import { sameGrid } from '../imaging/volume/volume.ts';
import { presentChannels } from '../pipeline/models/optional-channels.ts';
import { decide, decidedLabels } from '../pipeline/predict/head-result.ts';
import type { PredictionInput } from '../pipeline/predict/input-maps.ts';
import type { Devices } from './devices.ts';
import type { CallContext } from './engine.ts';
import type { LoadedModels } from './loaded-models.ts';
import type { Calls, ResultReport, ReviewAsk, SavedFile } from './protocol.ts';
import type { ScanFiles } from './scan-files.ts';
import { modelMask, reportOf, resultOf, type ScanRun, shownMask } from './scan-run.ts';

/** What a result is made with. */
export interface ResultTools {
  readonly devices: Devices;
  readonly files: ScanFiles;
  readonly models: LoadedModels;
  /** Of voxelgrad. */
  readonly version: string;
}

/** The last segmentation: how it is made, looked at with other thresholds, corrected and saved. */
export class Result {
  readonly #tools: ResultTools;
  #run: ScanRun | undefined;
  /** A mask that was drawn for the files that are there: to learn from, and the result until the next run. */
  #correction: Uint8Array | undefined;

  constructor(tools: ResultTools) {
    this.#tools = tools;
  }

  /** Whether a mask was drawn for the files that are there. */
  get isCorrected(): boolean {
    return this.#correction !== undefined;
  }

  /** Other files are there than those that a mask was drawn for. */
  filesChanged(): void {
    this.#correction = undefined;
  }

  /** Segments the scan that is there. @throws UsageError without a model, or if it finds no labels; DatasetError */
  async segment(
    { overlap, trustBrain }: Calls['segment']['ask'],
    context: CallContext,
  ): Promise<ResultReport> {
    const { devices, files, models } = this.#tools;
    files.trustBrain = trustBrain;
    const model = models.current();
    const { task } = model.model.info;
    const { loaded, maps } = await this.#load(context);
    const labels = decidedLabels(task);
    if (labels.length === 0)
      throw new UsageError(`${task.name}: the model finds no labels that could be shown`, {
        hint: 'Use it on the command line: `voxelgrad predict`.',
      });
    const start = performance.now();
    let tiles = 0;
    const options = {
      overlap,
      signal: context.signal,
      // Outlives the device: if it is lost, the run continues from here on the next one.
      snapshot: { tiles: 0, sums: undefined },
      onTile(done: number, total: number): void {
        tiles = total;
        context.progress({ phase: 'tiles', done, total });
      },
    };
    const { segment } = await import('../pipeline/predict/segment.ts');
    const segmentation = await devices.use((gpu) => segment(gpu, model.model, loaded, options));
    const seconds = (performance.now() - start) / 1000;
    const inputs = await files.inputs(task.channels);
    // A run that was cancelled in its last tile leaves what was there before.
    context.signal.throwIfAborted();
    this.#run = {
      scan: loaded,
      segmentation,
      model,
      labels,
      shown: labels[0]!,
      seconds,
      tiles,
      minDiameter: 0,
      maps,
      truthFile: files.truthName,
      inputs,
    };
    // It was of another result.
    this.#correction = undefined;
    return resultOf(this.#run);
  }

  /** Reads the scan for the network, and makes the tissue maps that it reads if there are none. */
  async #load({
    signal,
    progress,
  }: CallContext): Promise<Pick<PredictionInput<Float32Array>, 'loaded' | 'maps'>> {
    const { devices, files, models } = this.#tools;
    const { dataset, scan } = files.scan();
    const { info } = models.current().model;
    const { task, steps } = info;
    if (!task.maps)
      return {
        loaded: await loadScan(dataset, scan, {
          modalities: presentChannels(info, scan.modalities.keys()),
          whole: steps !== undefined,
        }),
        maps: null,
      };
    const { loadPredictionInput } = await import('../pipeline/predict/input-maps.ts');
    const { tissueProvider } = await import('../study/tissue-provider.ts');
    const onProgress = (phase: string, done: number, total: number): void => progress({ phase, done, total });
    return await devices.use((gpu) =>
      loadPredictionInput(
        gpu,
        dataset,
        scan,
        task,
        { maps: true, provider: tissueProvider(models.stageOne, { signal, onProgress }) },
        loadScan,
      ),
    );
  }

  /** Shows another label or decides by another threshold. @throws UsageError before a run. */
  review({ threshold, label, minDiameter }: ReviewAsk): ResultReport {
    const run = this.#current();
    const shown = run.labels.find((each) => each.label === label) ?? run.shown;
    const heads = new Map(run.segmentation.heads);
    const old = heads.get(shown.head.name)!;
    if (threshold !== undefined && old.decision.kind === 'threshold') {
      const thresholds = old.decision.thresholds.map((own, k) =>
        old.head.labels[k] === shown.label ? threshold : own,
      );
      heads.set(
        old.head.name,
        decide({ ...old, decision: { kind: 'threshold', thresholds } }, run.scan.brain),
      );
    }
    return this.#show({
      ...run,
      shown,
      segmentation: { ...run.segmentation, heads },
      minDiameter: minDiameter ?? run.minDiameter,
    });
  }

  /** The mask that is shown, to be drawn on. @throws UsageError before a run. */
  drawing(): Uint8Array {
    const run = this.#current();
    const { grid, header } = run.scan;
    return encodeNifti({ grid, data: shownMask(run) }, { datatype: 'uint8', like: header });
  }

  /** Takes a mask that was drawn. @throws GridMismatchError for one of another grid; UsageError before a run. */
  async correct(bytes: Uint8Array): Promise<ResultReport> {
    const run = this.#current();
    const { volume } = await readMask(bytes, 'the correction');
    if (!sameGrid(volume.grid, run.scan.grid))
      throw new GridMismatchError('the correction lies on another grid than the scan', {
        hint: 'This is a defect of the viewer: please report it with the scan’s header.',
      });
    this.#correction = volume.data;
    return this.#show({ ...run, corrected: volume.data });
  }

  /** Takes a part out of the mask that is shown. @throws UsageError before a run, or if there is no such part. */
  removePart(number: number): ResultReport {
    const run = this.#current();
    const corrected = withoutPart(shownMask(run), run.scan.grid, number);
    this.#correction = corrected;
    return this.#show({ ...run, corrected });
  }

  /** Back to the model's own mask. @throws UsageError before a run. */
  dropCorrection(): ResultReport {
    this.#correction = undefined;
    return this.#show({ ...this.#current(), corrected: undefined });
  }

  /** A file of the result: its mask or label image, the probabilities or the report. @throws UsageError before a run. */
  async save(what: Exclude<Calls['save']['ask'], 'model'>): Promise<SavedFile> {
    const { devices, files: scanFiles, version } = this.#tools;
    const run = this.#current();
    if (what === 'original' || (what === 'mask' && (run.corrected || !hasLabelImage(run))))
      return await this.maskFile(what);
    if (what === 'report') {
      const about = { name: scanFiles.name, adapter: devices.adapter, version };
      const bytes = new TextEncoder().encode(await reportOf(run, about));
      return { name: `${scanFiles.stem}_report.html`, type: 'text/html', bytes };
    }
    if (what === 'table') {
      const { partsFile, partsKind } = await import('../imaging/results/part-files.ts');
      const { tableTsv } = await import('../imaging/report/table-files.ts');
      const { lesions: parts } = resultOf(run);
      const { label } = run.shown;
      const name = scanFiles.predictionName(partsKind(label), 'tsv');
      const bytes = tableTsv(partsFile({ label, parts, dropped: null }, []));
      return { name, type: 'text/tab-separated-values', bytes };
    }
    const { encodeSegmentation } = await import('../pipeline/predict/prediction-files.ts');
    const { scan, segmentation, shown } = run;
    const own = segmentation.heads.get(shown.head.name)!;
    const files = encodeSegmentation({ heads: new Map([[shown.head.name, own]]) }, scan);
    const file = files.find(({ kind }) =>
      what === 'mask'
        ? kind.suffix === 'dseg' || (kind.suffix === 'mask' && kind.label === shown.label)
        : kind.suffix === 'probseg' && kind.label === shown.label,
    )!;
    return { name: scanFiles.predictionName(file.kind), type: 'application/gzip', bytes: file.bytes };
  }

  /** The result, which says if it is corrected, or the model's own mask. @throws UsageError before a run. */
  async maskFile(what: 'mask' | 'original'): Promise<SavedFile> {
    const run = this.#current();
    const { writeNifti } = await import('../imaging/nifti/write.ts');
    const { grid, header } = run.scan;
    const corrected = what === 'mask' && run.corrected !== undefined;
    const bytes = writeNifti(
      { grid, data: what === 'mask' ? shownMask(run) : modelMask(run) },
      {
        datatype: 'uint8',
        like: header,
        intent: LABEL_INTENT,
        description: corrected ? `${run.shown.label} mask, corrected` : `${run.shown.label} mask`,
        calMax: 1,
      },
    );
    const name = this.#tools.files.predictionName({ label: run.shown.label, suffix: 'mask' });
    return {
      name: corrected ? name.replace('_mask', '_desc-corrected_mask') : name,
      type: 'application/gzip',
      bytes,
    };
  }

  #show(run: ScanRun): ResultReport {
    this.#run = run;
    return resultOf(run);
  }

  #current(): ScanRun {
    if (!this.#run) throw new UsageError('nothing is segmented yet', { hint: 'Run the segmentation first.' });
    return this.#run;
  }
}

/** Whether the label that is shown is one of a label image, which is saved as a whole. */
function hasLabelImage({ segmentation, shown }: ScanRun): boolean {
  return segmentation.heads.get(shown.head.name)?.decision.kind === 'argmax';
}
