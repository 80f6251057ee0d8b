/**
 * Makes the network that ships of a run's model or checkpoint: `tsx bench/brain/ship.ts FILE OUT`. It is told that it sees whole heads on
 * voxels of 3 mm, and to take for brain what it holds for more likely than not.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import {
  decodeModel,
  decodeTrainingState,
  encodeModel,
  type Model,
} from '../../src/pipeline/models/model.ts';

const [from, to] = process.argv.slice(2) as [string, string];
const bytes = new Uint8Array(readFileSync(from));
const { info, weights }: Model = from.includes('/checkpoints/')
  ? (await decodeTrainingState(bytes, from)).model
  : decodeModel(bytes, from);
const [head] = info.task.heads;
const { spacing: _, settings, ...rest } = info;
const { augment: __, ...own } = settings as Record<string, never>;
const model: Model = {
  info: {
    ...rest,
    settings: own,
    task: { ...info.task, heads: [{ ...head!, decision: 'threshold' }] },
    decisions: { [head!.name]: { kind: 'threshold', thresholds: [0.5] } },
    steps: { kind: 'whole-head', spacing: 3 },
    card: {
      source: 'voxelgrad, brain',
      licence: 'Apache-2.0',
      about:
        'Finds the brain in an image of a head, whatever its contrast. Trained on raw scans of four patients with multiple sclerosis (Lesjak et al. 2016, CC-BY) and one head of Brainchop (MIT), in their own and in made-up contrasts, on voxels of 3 mm.',
      files: {},
    },
  },
  weights,
};
writeFileSync(to, encodeModel(model));
