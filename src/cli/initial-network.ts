import { sha256 } from '../core/hash.ts';
import { decodeModel } from '../pipeline/models/model.ts';
import { initialWeights, settingsOfModel } from '../pipeline/train/initial.ts';
import type { TrainingData } from '../pipeline/train/prepare.ts';
import { type ModelSource, RUN_FILES } from '../pipeline/train/run-record.ts';
import { designSpacing } from '../pipeline/train/session.ts';
import type { TrainSettings } from '../pipeline/train/settings.ts';
import { openRun } from './run-source.ts';

/** A network to begin from. */
export interface Beginning {
  /** What it brings, if the run has another task or other images, and if not. */
  settings(other: boolean): Partial<TrainSettings>;
  /** @throws CheckpointError if nothing of it fits. */
  weights(data: TrainingData): {
    readonly initial: ReadonlyMap<string, Float32Array>;
    readonly initialModel: ModelSource;
  };
}

/** Reads what `--init` names. @throws StorageError, CheckpointError, FileFormatError. */
export async function readInitial(place: string | undefined): Promise<Beginning | undefined> {
  if (place === undefined) return undefined;
  const run = await openRun(place);
  const bytes = await run.read(RUN_FILES.model);
  const model = decodeModel(bytes, `${run.name}/${RUN_FILES.model}`);
  const hash = await sha256(bytes);
  return {
    settings: (other) => settingsOfModel(model.info, other),
    weights({ settings, scans }) {
      const { weights, notes } = initialWeights(model, settings, designSpacing(scans));
      return {
        initial: weights,
        initialModel: { name: place.split(/[\\/]/).filter(Boolean).at(-1) ?? place, sha256: hash, notes },
      };
    },
  };
}
