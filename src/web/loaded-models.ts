import { UsageError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { countParameters } from '../engine/nn/network.ts';
import { declarationOf } from '../engine/nn/networks/index.ts';
import { decodeModel, encodeModel, type Model, mainThreshold } from '../pipeline/models/model.ts';
import { decidedLabels } from '../pipeline/predict/head-result.ts';
import '../study/presets/index.ts';
import type { ModelReport } from './protocol.ts';

/** A network and what it is called. */
export interface NamedModel {
  readonly name: string;
  readonly model: Model;
  /** SHA-256 of its file. */
  readonly sha256?: string | undefined;
  /** What its list says of it. */
  readonly note?: string | undefined;
}

/** The network that segments, and the one that corrects the tissue maps that are made for it. */
export class LoadedModels {
  #model: NamedModel | undefined;
  #stageOne: NamedModel | undefined;

  /** The one that segments; undefined before one is loaded. */
  get model(): NamedModel | undefined {
    return this.#model;
  }

  /** The one that corrects tissue maps, if there is one. */
  get stageOne(): Model | undefined {
    return this.#stageOne?.model;
  }

  /** The one that segments. @throws UsageError before one is loaded. */
  current(): NamedModel {
    if (!this.#model) throw new UsageError('no model is loaded', { hint: 'Choose a model first.' });
    return this.#model;
  }

  /** Makes a file the network that segments. @throws FileFormatError, CheckpointError */
  async load(name: string, bytes: Uint8Array, note?: string): Promise<void> {
    this.#model = { ...(await namedModel(name, bytes)), note };
    this.#stageOne = undefined;
  }

  /** Makes a network that was learned here the one that segments. @returns its file */
  async learned(model: NamedModel): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = encodeModel(model.model);
    this.#model = { ...model, sha256: await sha256(bytes) };
    return bytes;
  }

  /** Makes a file the network that corrects tissue maps. @throws UsageError for one of another task; CheckpointError */
  async loadStageOne(name: string, bytes: Uint8Array): Promise<void> {
    const { requireStageOne } = await import('../pipeline/train/stage-one.ts');
    const stageOne = await namedModel(name, bytes);
    requireStageOne(stageOne.model.info.task, this.current().model.info.task, name);
    this.#stageOne = stageOne;
  }

  /** The file of the network that segments. @throws UsageError before one is loaded. */
  encode(): Uint8Array {
    return encodeModel(this.current().model);
  }

  /** What the page shows of them. @throws UsageError before one is loaded. */
  report(): ModelReport {
    const { name, model } = this.current();
    const { task, patch, network, card } = model.info;
    return {
      name,
      task: task.name,
      modalities: task.channels,
      labels: decidedLabels(task).map(({ label }) => label),
      threshold: mainThreshold(model.info) ?? null,
      patch,
      parameters: countParameters(declarationOf(network).parameters),
      network: network.kind,
      source: card?.source ?? null,
      licence: card?.licence ?? null,
      ...(task.maps ? { stageOne: this.#stageOne?.name ?? null } : {}),
    };
  }
}

async function namedModel(name: string, bytes: Uint8Array): Promise<NamedModel> {
  return { name, model: decodeModel(bytes, name), sha256: await sha256(bytes) };
}
