import { CheckpointError } from '../../core/errors.ts';
import type { FileSource } from '../../core/files.ts';
import { decodeModel, type Model } from '../../engine/checkpoint/checkpoint.ts';
import type { ModelInfo } from '../../engine/checkpoint/model-info.ts';
import { takesTissues, type Variant } from '../../engine/nn/variants.ts';
import { hasFile, RUN_FILES } from './run-record.ts';
import type { ResolvedTrainSettings } from './settings.ts';

/** What a stage-1 net and the net that it serves are told apart by. */
type NetKind = Pick<ModelInfo, 'variant' | 'modalities'>;

/** The net that settings make. */
export function netKind({ preset, modalities }: ResolvedTrainSettings): NetKind {
  return { variant: preset as Variant, modalities };
}

/**
 * A net that reads tissue maps was trained on maps in which the lesions that another net had found were made white
 * matter (Abolvardi et al., Fig. 9). That net of stage 1 goes with the run, as `RUN_FILES.stageOne`, so that the maps
 * of a new patient can be made and corrected from the MRI alone. `trainInFolder` copies it there; a program that trains
 * both may put it there too.
 *
 * @param path of the stage-1 net, for messages
 * @throws CheckpointError where the one reads no tissue maps, the other reads some, or their images differ.
 */
export function requireStageOne(stageOne: NetKind, net: NetKind, path: string): void {
  const refuse = (why: string): CheckpointError =>
    new CheckpointError(`${path}: ${why}`, {
      hint: 'Stage 1 is a net of the single variant that was trained on the same modalities.',
    });
  if (!takesTissues(net.variant)) throw refuse(`a ${net.variant} net reads no tissue maps to be corrected`);
  if (takesTissues(stageOne.variant)) throw refuse(`a ${stageOne.variant} net needs tissue maps itself`);
  const names = ({ modalities }: NetKind): string => [...modalities].sort().join(', ');
  if (names(stageOne) !== names(net)) throw refuse(`reads ${names(stageOne)}; the run's net ${names(net)}`);
}

/** The stage-1 net of a run, undefined where it has none. @throws CheckpointError, FileFormatError, StorageError. */
export async function readStageOne(run: FileSource, net: NetKind): Promise<Model | undefined> {
  if (!takesTissues(net.variant) || !(await hasFile(run, RUN_FILES.stageOne))) return undefined;
  const path = `${run.name}/${RUN_FILES.stageOne}`;
  const stageOne = decodeModel(await run.read(RUN_FILES.stageOne), path);
  requireStageOne(stageOne.info, net, path);
  return stageOne;
}
