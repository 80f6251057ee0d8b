import { CheckpointError } from '../../core/errors.ts';
import type { FileSource } from '../../core/files.ts';
import { mapsName } from '../../imaging/dataset/label-maps.ts';
import { decodeModel, type Model, type ModelTask } from '../models/model.ts';
import { taskOf } from './network.ts';
import { hasFile, RUN_FILES } from './run-record.ts';
import type { ResolvedTrainSettings } from './settings.ts';

/** The task that settings resolve to. */
export function resolvedTask(settings: ResolvedTrainSettings): ModelTask {
  return { ...taskOf(settings), channels: settings.modalities };
}

/**
 * A net that reads maps beside the images may have been trained on maps that another net had corrected by what it found
 * in the same images. That net of stage 1 goes with the run, as `RUN_FILES.stageOne`, so that the maps of a new scan can
 * be made and corrected from the images alone. `trainInFolder` copies it there; a program that trains both may put it
 * there too.
 *
 * @param path of the stage-1 net, for messages
 * @throws CheckpointError if the one reads no maps, the other reads some, or their images differ.
 */
export function requireStageOne(stageOne: ModelTask, net: ModelTask, path: string): void {
  const refuse = (why: string): CheckpointError =>
    new CheckpointError(`${path}: ${why}`, {
      hint: 'Stage 1 is a net that reads the same images, and no maps.',
    });
  if (!net.maps) throw refuse(`a ${net.name} net reads no maps to be corrected`);
  if (stageOne.maps) throw refuse(`a ${stageOne.name} net needs ${mapsName(stageOne.maps.labels)} itself`);
  const names = ({ channels }: ModelTask): string => [...channels].sort().join(', ');
  if (names(stageOne) !== names(net)) throw refuse(`reads ${names(stageOne)}; the run's net ${names(net)}`);
}

/** The stage-1 net of a run; undefined if it has none. @throws CheckpointError, FileFormatError, StorageError. */
export async function readStageOne(run: FileSource, net: ModelTask): Promise<Model | undefined> {
  if (!net.maps || !(await hasFile(run, RUN_FILES.stageOne))) return undefined;
  const path = `${run.name}/${RUN_FILES.stageOne}`;
  const stageOne = decodeModel(await run.read(RUN_FILES.stageOne), path);
  requireStageOne(stageOne.info.task, net, path);
  return stageOne;
}
