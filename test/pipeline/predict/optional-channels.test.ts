import { describe, expect, it } from 'vitest';
import { CheckpointError, ShapeError } from '../../../src/core/errors.ts';
import type { LoadedScan } from '../../../src/imaging/dataset/load-scan.ts';
import { readNifti } from '../../../src/imaging/nifti/read.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';
import { decodeModel, encodeModel, type Model } from '../../../src/pipeline/models/model.ts';
import { missingNote, presentChannels } from '../../../src/pipeline/models/optional-channels.ts';
import { segment } from '../../../src/pipeline/predict/segment.ts';
import { lesionsOf } from '../../../src/study/presets/index.ts';
import { image, type Value, values } from '../../imaging/dataset/make.ts';
import { useGpu } from '../../support/gpu.ts';
import { untrained } from './untrained.ts';

const context = useGpu();

async function network(): Promise<Model> {
  const { info, weights } = await untrained(context.gpu, 'single', ['FLAIR', 'T1w'], [1, 1, 1]);
  return { weights, info: { ...info, optional: ['T1w'] } };
}

/** The same network, deaf to its second channel. */
function deaf({ info, weights }: Model): Model {
  const copy = new Map([...weights].map(([name, data]) => [name, data.slice()]));
  const [first] = [...copy].find(([name]) => name.endsWith('conv1.weight'))!;
  const data = copy.get(first)!;
  // [out, in, 3, 3, 3] with two channels in.
  for (let i = 0; i < data.length; i++) if (Math.floor(i / 27) % 2 === 1) data[i] = 0;
  return { info, weights: copy };
}

const grid = axisAlignedGrid([24, 22, 20], [1, 1, 1]);
const inside: Value = (x, y, z) => (Math.hypot(x - 12, y - 11, z - 10) < 8 ? 1 : 0);
const flair: Value = (x, y, z) => inside(x, y, z) * (100 + 20 * Math.sin(x + 2 * y + 3 * z));
const t1: Value = (x, y, z) => inside(x, y, z) * (80 + 9 * Math.cos(2 * x + y - z));

async function scan(...names: ('FLAIR' | 'T1w')[]): Promise<LoadedScan> {
  return {
    subject: '07',
    session: null,
    grid,
    header: (await readNifti(image(flair, grid), 'flair')).header,
    channels: names.map((name) => ({ name, data: values(name === 'FLAIR' ? flair : t1, grid) })),
    brain: Uint8Array.from(values(inside, grid)),
    brainSource: 'mask',
    raters: new Map(),
  };
}

describe('an image that a network can do without', () => {
  it('counts as 0 where it is missing, as in training', async () => {
    const model = await network();
    const alone = lesionsOf(await segment(context.gpu, model, await scan('FLAIR'))).probabilities;
    const both = await scan('FLAIR', 'T1w');
    expect(alone).toEqual(lesionsOf(await segment(context.gpu, deaf(model), both)).probabilities);
    expect(alone).not.toEqual(lesionsOf(await segment(context.gpu, model, both)).probabilities);
  });

  it('is read where it is there, and told of where it is not', async () => {
    const { info } = await network();
    expect(presentChannels(info, ['T1w', 'FLAIR'])).toEqual(['FLAIR', 'T1w']);
    expect(presentChannels(info, ['FLAIR', 'T2w'])).toEqual(['FLAIR']);
    expect(missingNote(info, ['FLAIR', 't1w'])).toBeUndefined();
    expect(missingNote(info, ['FLAIR'])).toContain('there is no T1w');
    // What is needed stays asked for.
    expect(presentChannels(info, ['T1w'])).toEqual(['FLAIR', 'T1w']);
  });

  it('is said by the model: others still need all of theirs', async () => {
    const { info, weights } = await network();
    const again = decodeModel(encodeModel({ info, weights }), 'model');
    expect(again.info.optional).toEqual(['T1w']);
    const { optional: _none, ...strict } = info;
    await expect(segment(context.gpu, { info, weights }, await scan('T1w'))).rejects.toThrow(ShapeError);
    await expect(segment(context.gpu, { info: strict, weights }, await scan('FLAIR'))).rejects.toThrow(
      ShapeError,
    );
    for (const optional of [['T2w'], ['FLAIR', 'T1w']])
      expect(() => decodeModel(encodeModel({ info: { ...info, optional }, weights }), 'model')).toThrow(
        CheckpointError,
      );
  });
});
