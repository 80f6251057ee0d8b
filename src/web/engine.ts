import { MemoryFiles } from '../core/files.ts';
import type { Gpu } from '../engine/gpu/gpu.ts';
import type { FileRole } from '../imaging/dataset/file-role.ts';
import { OriginFiles } from '../platform/origin-files.ts';
import { withOriginLock } from '../platform/origin-lock.ts';
import { Devices } from './devices.ts';
import { KeptModels } from './kept-models.ts';
import type { Learning } from './learning.ts';
import type { ScanFileToKeep } from './learning-scans.ts';
import type { LoadedModels, NamedModel } from './loaded-models.ts';
import { phantomFiles } from './phantom-files.ts';
import type {
  CallName,
  Calls,
  FilesReport,
  LearnedReport,
  LearningReport,
  LearningUse,
  ModelReport,
  SavedFile,
  SystemReport,
} from './protocol.ts';
import type { Result } from './result.ts';
import { ScanFiles } from './scan-files.ts';

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

// The page starts with the device and the list of files. Everything else is loaded when it is asked for: networks with
// the first model, images and segmentation with the first scan, phantoms, reports and training with the first of each.

/** The engine behind the page: holds the files, the network, the GPU and the last result; answers {@link Calls}. */
export class Engine {
  readonly #devices: Devices;
  readonly #version: string;
  readonly #files: ScanFiles = new ScanFiles();
  #kept: KeptModels | undefined;
  #learning: Learning | undefined;
  /** Settled when the last change of what is learned from is done. */
  #lastChange: Promise<unknown> = Promise.resolve();
  #models: LoadedModels | undefined;
  #result: Result | undefined;

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
      this.#result?.filesChanged();
      await this.#files.add(files);
      return this.#filesReport();
    },
    usePhantom: async ({ seed }) => {
      this.#result?.filesChanged();
      this.#files.clear();
      await this.#files.add(await phantomFiles(seed));
      return this.#filesReport();
    },
    chooseScan: async (name) => {
      this.#result?.filesChanged();
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
      this.#result?.filesChanged();
      this.#files.clear();
      return this.#filesReport();
    },
    loadModel: async ({ name, bytes, note }) => await this.#loadModel(name, bytes, note),
    loadStageOne: async ({ name, bytes }) => {
      const models = await this.#openModels();
      await models.loadStageOne(name, bytes);
      return models.report();
    },
    keptModels: async () => await (await this.#keptModels()).list(),
    loadKeptModel: async (name) => await this.#loadModel(name, await (await this.#keptModels()).read(name)),
    forgetModel: async (name) => {
      const models = await this.#keptModels();
      await models.remove(name);
      return await models.list();
    },
    image: async (path) => await this.#files.image(path),
    segment: async (ask, context) => await (await this.#openResult()).segment(ask, context),
    review: async (ask) => (await this.#openResult()).review(ask),
    drawing: async () => (await this.#openResult()).drawing(),
    removePart: async (number) => (await this.#openResult()).removePart(number),
    correct: async (bytes) => await (await this.#openResult()).correct(bytes),
    dropCorrection: async () => (await this.#openResult()).dropCorrection(),
    learning: async () => await this.#learningReport(),
    keepScan: async (use) => await this.#keepScan(use),
    setUse: async ({ id, use }) => await this.#changeLearning((learning) => learning.setUse(id, use)),
    forgetScan: async (id) => await this.#changeLearning((learning) => learning.forgetScan(id)),
    fineTune: async ({ steps }, context) => {
      const model = (await this.#openModels()).current();
      return await this.#learn((learning) => learning.start(model, steps, context));
    },
    resumeTuning: async (_, context) => await this.#learn((learning) => learning.resume(context)),
    finishTuning: async (_, context) => await this.#learn((learning) => learning.finish(context)),
    discardTuning: async () => await this.#changeLearning((learning) => learning.discard()),
    save: async (what) => await this.#save(what),
  };

  #filesReport(): FilesReport {
    return this.#files.report(this.#models?.model?.model);
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

  async #openModels(): Promise<LoadedModels> {
    const { LoadedModels } = await import('./loaded-models.ts');
    this.#models ??= new LoadedModels();
    return this.#models;
  }

  async #loadModel(
    name: string,
    bytes: Uint8Array,
    note?: string,
  ): Promise<{ readonly model: ModelReport; readonly files: FilesReport }> {
    const models = await this.#openModels();
    await models.load(name, bytes, note);
    return { model: models.report(), files: this.#filesReport() };
  }

  /** Models kept in this browser; in memory where the browser has no storage. */
  async #keptModels(): Promise<KeptModels> {
    this.#kept ??= new KeptModels((await OriginFiles.open(MODELS)) ?? new MemoryFiles(MODELS));
    return this.#kept;
  }

  async #openResult(): Promise<Result> {
    const models = await this.#openModels();
    const { Result } = await import('./result.ts');
    this.#result ??= new Result({
      devices: this.#devices,
      files: this.#files,
      models,
      version: this.#version,
    });
    return this.#result;
  }

  async #save(what: Calls['save']['ask']): Promise<SavedFile> {
    if (what !== 'model') return await (await this.#openResult()).save(what);
    const bytes = (await this.#openModels()).encode();
    return { name: 'model.safetensors', type: 'application/octet-stream', bytes };
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
    if (this.#result?.isCorrected) {
      const { bytes } = await this.#result.maskFile('mask');
      files.set('lesions', { extension: 'nii.gz', bytes });
    }
    return await this.#changeLearning((learning) => learning.keepScan(this.#files.name, use, files));
  }

  async #learn(work: (learning: Learning) => Promise<NamedModel>): Promise<LearnedReport> {
    const learning = await this.#openLearning();
    await this.#lastChange;
    const learned = await withOriginLock('fine-tuning', () => work(learning));
    const models = await this.#openModels();
    await (await this.#keptModels()).write(learned.name, await models.learned(learned));
    return { model: models.report(), learning: await learning.report() };
  }
}
