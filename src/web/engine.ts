import { GridMismatchError, UsageError } from '../core/errors.ts';
import { MemoryFiles } from '../core/files.ts';
import { sha256 } from '../core/hash.ts';
import type { Gpu } from '../engine/gpu/gpu.ts';
import { countParameters } from '../engine/nn/network.ts';
import { declarationOf } from '../engine/nn/networks/index.ts';
import type { FileRole } from '../imaging/dataset/file-role.ts';
import { loadScan } from '../imaging/dataset/load-scan.ts';
import { encodeNifti, LABEL_INTENT } from '../imaging/nifti/encode.ts';
import { readMask, readNifti } from '../imaging/nifti/read.ts';
import { sameGrid } from '../imaging/volume/volume.ts';
import { decodeModel, encodeModel, type Model, mainThreshold } from '../pipeline/models/model.ts';
import { decide, decidedLabels } from '../pipeline/predict/head-result.ts';
import type { PredictionInput } from '../pipeline/predict/input-maps.ts';
import { OriginFiles } from '../platform/origin-files.ts';
import { withOriginLock } from '../platform/origin-lock.ts';
import '../study/presets/index.ts';
import { Devices } from './devices.ts';
import { KeptModels } from './kept-models.ts';
import type { Learning, NamedModel } from './learning.ts';
import type { ScanFileToKeep } from './learning-scans.ts';
import { phantomFiles } from './phantom-files.ts';
import type {
  CallName,
  Calls,
  FilesReport,
  LearnedReport,
  LearningReport,
  LearningUse,
  ModelReport,
  ResultReport,
  SavedFile,
  SystemReport,
} from './protocol.ts';
import { ScanFiles } from './scan-files.ts';
import { modelMask, reportOf, resultOf, type ScanRun, shownMask } from './scan-run.ts';

/** What a call may use beside its argument. */
export interface CallContext {
  readonly signal: AbortSignal;
  progress(value: unknown): void;
}

type Handlers = {
  readonly [Name in CallName]: (
    ask: Calls[Name]['ask'],
    context: CallContext,
  ) => Promise<Calls[Name]['answer']>;
};

const MODELS = 'models';
const LEARNING = 'learning';

// What few visits need (phantoms, reports, training) is loaded when it is asked for.

/** The engine behind the page: holds the files, the network, the GPU and the last result; answers {@link Calls}. */
export class Engine {
  readonly #devices: Devices;
  readonly #version: string;
  readonly #files: ScanFiles = new ScanFiles();
  #kept: KeptModels | undefined;
  #learning: Learning | undefined;
  /** Settled when the last change of what is learned from is done. */
  #lastChange: Promise<unknown> = Promise.resolve();
  #model: NamedModel | undefined;
  /** Corrects the tissue maps that are made for the model. */
  #stageOne: NamedModel | undefined;
  #run: ScanRun | undefined;
  /** A mask that was drawn for the files that are there: to learn from, and the result until the next run. */
  #correction: Uint8Array | undefined;

  /**
   * @param openGpu how a device is had, at first and after one was lost
   * @param version of voxelgrad
   */
  constructor(openGpu: () => Promise<Gpu>, version: string) {
    this.#devices = new Devices(openGpu);
    this.#version = version;
  }

  /** By name; each rejects with one of voxelgrad's errors, or the signal's reason. */
  readonly handlers: Handlers = {
    open: async () => await this.#system(),
    system: async () => await this.#system(),
    addFiles: async (files) => {
      this.#correction = undefined;
      await this.#files.add(files);
      return this.#filesReport();
    },
    usePhantom: async ({ seed }) => {
      this.#correction = undefined;
      this.#files.clear();
      await this.#files.add(await phantomFiles(seed));
      return this.#filesReport();
    },
    chooseScan: async (name) => {
      this.#correction = undefined;
      await this.#files.choose(name);
      return this.#filesReport();
    },
    setRole: async ({ path, role }) => {
      this.#files.setRole(path, role);
      return this.#filesReport();
    },
    removeFile: async (path) => {
      this.#files.remove(path);
      return this.#filesReport();
    },
    clearFiles: async () => {
      this.#correction = undefined;
      this.#files.clear();
      return this.#filesReport();
    },
    loadModel: async ({ name, bytes, note }) => {
      this.#model = { ...(await namedModel(name, bytes)), note };
      this.#stageOne = undefined;
      return { model: this.#modelReport(), files: this.#filesReport() };
    },
    loadStageOne: async ({ name, bytes }) => {
      const { requireStageOne } = await import('../pipeline/train/stage-one.ts');
      const stageOne = await namedModel(name, bytes);
      requireStageOne(stageOne.model.info.task, this.#requireModel().model.info.task, name);
      this.#stageOne = stageOne;
      return this.#modelReport();
    },
    keptModels: async () => await (await this.#models()).list(),
    loadKeptModel: async (name) => {
      this.#model = await namedModel(name, await (await this.#models()).read(name));
      this.#stageOne = undefined;
      return { model: this.#modelReport(), files: this.#filesReport() };
    },
    forgetModel: async (name) => {
      const models = await this.#models();
      await models.remove(name);
      return await models.list();
    },
    image: async (path) => await this.#image(path),
    segment: async (ask, context) => await this.#segment(ask, context),
    review: async ({ threshold, label }) => {
      const run = this.#requireRun();
      const shown = run.labels.find((each) => each.label === label) ?? run.shown;
      const heads = new Map(run.segmentation.heads);
      const old = heads.get(shown.head.name)!;
      if (threshold !== null && old.decision.kind === 'threshold') {
        const thresholds = old.decision.thresholds.map((own, k) =>
          old.head.labels[k] === shown.label ? threshold : own,
        );
        heads.set(
          old.head.name,
          decide({ ...old, decision: { kind: 'threshold', thresholds } }, run.scan.brain),
        );
      }
      this.#run = { ...run, shown, segmentation: { ...run.segmentation, heads } };
      return resultOf(this.#run);
    },
    drawing: async () => {
      const run = this.#requireRun();
      const { scan } = run;
      return encodeNifti({ grid: scan.grid, data: shownMask(run) }, { datatype: 'uint8', like: scan.header });
    },
    correct: async (bytes) => await this.#correct(bytes),
    dropCorrection: async () => {
      this.#correction = undefined;
      this.#run = { ...this.#requireRun(), corrected: undefined };
      return resultOf(this.#run);
    },
    learning: async () => await this.#learningReport(),
    keepScan: async (use) => await this.#keepScan(use),
    setUse: async ({ id, use }) => await this.#changeLearning((learning) => learning.setUse(id, use)),
    forgetScan: async (id) => await this.#changeLearning((learning) => learning.forgetScan(id)),
    fineTune: async ({ steps }, context) => {
      const model = this.#requireModel();
      return await this.#learn((learning) => learning.start(model, steps, context));
    },
    resumeTuning: async (_, context) => await this.#learn((learning) => learning.resume(context)),
    finishTuning: async (_, context) => await this.#learn((learning) => learning.finish(context)),
    discardTuning: async () => await this.#changeLearning((learning) => learning.discard()),
    save: async (what) => await this.#save(what),
  };

  #filesReport(): FilesReport {
    return this.#files.report(this.#model?.model);
  }

  async #models(): Promise<KeptModels> {
    this.#kept ??= new KeptModels((await OriginFiles.open(MODELS)) ?? new MemoryFiles(MODELS));
    return this.#kept;
  }

  async #system(): Promise<SystemReport> {
    const gpu = await this.#devices.get();
    const { description, software, subgroupSize, f16, ...rest } = gpu.capabilities;
    const { maxBufferBytes, maxBindingBytes, maxWorkgroupBytes, maxInvocations, maxStorageBuffers } = rest;
    return {
      adapter: description,
      software,
      features: [...(subgroupSize > 0 ? [`subgroups of ${subgroupSize}`] : []), ...(f16 ? ['f16'] : [])],
      limits: { maxBufferBytes, maxBindingBytes, maxWorkgroupBytes, maxInvocations, maxStorageBuffers },
      bufferBytes: gpu.allocatedBytes,
      devicesLost: this.#devices.lost,
    };
  }

  async #image(path: string): Promise<Uint8Array> {
    const file = this.#files.blob(path);
    if (!file) throw new UsageError(`${path}: there is no image to show`);
    const { volume, header } = await readNifti(file, path);
    return encodeNifti(volume, { datatype: 'float32', like: header });
  }

  async #segment(
    { overlap, trustBrain }: Calls['segment']['ask'],
    { signal, progress }: CallContext,
  ): Promise<ResultReport> {
    this.#files.trustBrain = trustBrain;
    const chosen = this.#requireModel();
    const { info } = chosen.model;
    const input = await this.#load(chosen.model, { signal, progress });
    const { loaded } = input;
    const labels = decidedLabels(info.task);
    if (labels.length === 0)
      throw new UsageError(`${info.task.name}: the model finds no labels that could be shown`, {
        hint: 'Use it on the command line: `voxelgrad predict`.',
      });
    const start = performance.now();
    let tiles = 0;
    const options = {
      overlap,
      signal,
      // Outlives the device: where it is lost, the run goes on from here on the next one.
      snapshot: { tiles: 0, sums: undefined },
      onTile(done: number, total: number): void {
        tiles = total;
        progress({ phase: 'tiles', done, total });
      },
    };
    const { segment } = await import('../pipeline/predict/segment.ts');
    const segmentation = await this.#devices.use((gpu) => segment(gpu, chosen.model, loaded, options));
    const seconds = (performance.now() - start) / 1000;
    this.#run = {
      scan: loaded,
      segmentation,
      model: chosen,
      labels,
      shown: labels[0]!,
      seconds,
      tiles,
      maps: input.maps,
      truthFile: this.#files.truthName,
      inputs: await this.#files.inputs(info.task.channels),
    };
    // It was of another result.
    this.#correction = undefined;
    return resultOf(this.#run);
  }

  /** Reads the scan for a network, and makes the tissue maps that it reads if there are none. */
  async #load(
    { info }: Model,
    { signal, progress }: CallContext,
  ): Promise<Pick<PredictionInput<Float32Array>, 'loaded' | 'maps'>> {
    const { dataset, scan } = this.#files.scan();
    const { task } = info;
    if (!task.maps)
      return { loaded: await loadScan(dataset, scan, { modalities: task.channels }), maps: null };
    const { loadPredictionInput } = await import('../pipeline/predict/input-maps.ts');
    const { tissueProvider } = await import('../study/tissue-provider.ts');
    const onProgress = (phase: string, done: number, total: number): void => progress({ phase, done, total });
    return await this.#devices.use((gpu) =>
      loadPredictionInput(
        gpu,
        dataset,
        scan,
        task,
        { maps: true, provider: tissueProvider(this.#stageOne?.model, { signal, onProgress }) },
        loadScan,
      ),
    );
  }

  async #correct(bytes: Uint8Array): Promise<ResultReport> {
    const run = this.#requireRun();
    const { volume } = await readMask(bytes, 'the correction');
    if (!sameGrid(volume.grid, run.scan.grid))
      throw new GridMismatchError('the correction lies on another grid than the scan', {
        hint: 'This is a defect of the viewer: please report it with the scan’s header.',
      });
    this.#correction = volume.data;
    this.#run = { ...run, corrected: volume.data };
    return resultOf(this.#run);
  }

  /** Fine-tuning; in memory where the browser has no storage. */
  async #openLearning(): Promise<Learning> {
    const { Learning } = await import('./learning.ts');
    const files = await OriginFiles.open(LEARNING);
    const store = files ?? new MemoryFiles(LEARNING);
    this.#learning ??= new Learning(store, files !== undefined, this.#devices, this.#version);
    return this.#learning;
  }

  async #learningReport(): Promise<LearningReport> {
    const files = await OriginFiles.open(LEARNING);
    // Most visits have nothing to learn, and need not load what it takes.
    if (!this.#learning && (await files?.list(''))?.length !== 0 && files)
      return await (await this.#openLearning()).report();
    return (await this.#learning?.report()) ?? { scans: [], run: null, kept: files !== undefined };
  }

  /** One change after the other: the lock that keeps other tabs out would refuse the second one. */
  async #changeLearning(change: (learning: Learning) => Promise<void>): Promise<LearningReport> {
    const learning = await this.#openLearning();
    const turn = this.#lastChange.then(async () => {
      await withOriginLock('fine-tuning', () => change(learning));
      return await learning.report();
    });
    this.#lastChange = turn.catch(() => undefined);
    return await turn;
  }

  async #keepScan(use: LearningUse): Promise<LearningReport> {
    const files = new Map<FileRole, ScanFileToKeep>();
    for (const { role, path, file } of this.#files.whole()) {
      const bytes = new Uint8Array(await file.arrayBuffer());
      files.set(role, { extension: /\.gz$/i.test(path) ? 'nii.gz' : 'nii', bytes });
    }
    if (this.#correction) {
      const { bytes } = await this.#maskFile(this.#requireRun(), 'mask');
      files.set('lesions', { extension: 'nii.gz', bytes });
    }
    return await this.#changeLearning((learning) => learning.keepScan(this.#files.name, use, files));
  }

  async #learn(work: (learning: Learning) => Promise<NamedModel>): Promise<LearnedReport> {
    const learning = await this.#openLearning();
    await this.#lastChange;
    const learned = await withOriginLock('fine-tuning', () => work(learning));
    const bytes = encodeModel(learned.model);
    this.#model = { ...learned, sha256: await sha256(bytes) };
    await (await this.#models()).write(learned.name, bytes);
    return { model: this.#modelReport(), learning: await learning.report() };
  }

  #modelReport(): ModelReport {
    const { name, model } = this.#requireModel();
    const { task, patch, network } = model.info;
    return {
      name,
      task: task.name,
      modalities: task.channels,
      labels: decidedLabels(task).map(({ label }) => label),
      threshold: mainThreshold(model.info) ?? null,
      patch,
      parameters: countParameters(declarationOf(network).parameters),
      ...(task.maps ? { stageOne: this.#stageOne?.name ?? null } : {}),
    };
  }

  #requireModel(): NamedModel {
    if (!this.#model) throw new UsageError('no model is loaded', { hint: 'Choose a model first.' });
    return this.#model;
  }

  #requireRun(): ScanRun {
    if (!this.#run) throw new UsageError('nothing is segmented yet', { hint: 'Run the segmentation first.' });
    return this.#run;
  }

  async #save(what: Calls['save']['ask']): Promise<SavedFile> {
    if (what === 'model' && this.#model)
      return {
        name: 'model.safetensors',
        type: 'application/octet-stream',
        bytes: encodeModel(this.#model.model),
      };
    const run = this.#requireRun();
    if (what === 'original' || (what === 'mask' && (run.corrected || !hasLabelImage(run))))
      return await this.#maskFile(run, what);
    if (what === 'report')
      return {
        name: `${this.#files.stem}_report.html`,
        type: 'text/html',
        bytes: new TextEncoder().encode(
          await reportOf(run, {
            name: this.#files.name,
            adapter: this.#devices.adapter,
            version: this.#version,
          }),
        ),
      };
    const { encodeSegmentation } = await import('../pipeline/predict/prediction-files.ts');
    const { scan, segmentation, shown } = run;
    const own = segmentation.heads.get(shown.head.name)!;
    const files = encodeSegmentation({ heads: new Map([[shown.head.name, own]]) }, scan);
    const file = files.find(({ kind }) =>
      what === 'mask'
        ? kind.suffix === 'dseg' || (kind.suffix === 'mask' && kind.label === shown.label)
        : kind.suffix === 'probseg' && kind.label === shown.label,
    )!;
    return { name: this.#files.predictionName(file.kind), type: 'application/gzip', bytes: file.bytes };
  }

  /** The result, which says if it is corrected, or the model's own mask. */
  async #maskFile(run: ScanRun, what: 'mask' | 'original'): Promise<SavedFile> {
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
    const name = this.#files.predictionName({ label: run.shown.label, suffix: 'mask' });
    return {
      name: corrected ? name.replace('_mask', '_desc-corrected_mask') : name,
      type: 'application/gzip',
      bytes,
    };
  }
}

/** Whether the label that is shown is one of a label image, which is saved as a whole. */
function hasLabelImage({ segmentation, shown }: ScanRun): boolean {
  return segmentation.heads.get(shown.head.name)?.decision.kind === 'argmax';
}

async function namedModel(name: string, bytes: Uint8Array): Promise<NamedModel> {
  return { name, model: decodeModel(bytes, name), sha256: await sha256(bytes) };
}
