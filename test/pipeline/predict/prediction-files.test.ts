import { gunzipSync } from 'fflate';
import { expect, it } from 'vitest';
import { collect } from '../../../src/core/files.ts';
import { Random } from '../../../src/core/random.ts';
import { parseHeader } from '../../../src/imaging/nifti/header.ts';
import { writeNifti } from '../../../src/imaging/nifti/write.ts';
import { cropData, uncrop } from '../../../src/imaging/volume/crop.ts';
import { decideBox } from '../../../src/pipeline/predict/decide-box.ts';
import { decide, type HeadMaps } from '../../../src/pipeline/predict/head-result.ts';
import { encodeSegmentation, streamSegmentation } from '../../../src/pipeline/predict/prediction-files.ts';
import type { TaskHead } from '../../../src/pipeline/task/task.ts';
import { presetOf } from '../../../src/study/presets/index.ts';
import { GRID, inBrain, values } from '../../imaging/dataset/make.ts';

it.each([0, 0.5])('planes hold what whole maps hold, at threshold %d', (threshold) => {
  const random = new Random(5);
  const box = { start: [1, 2, 3], shape: [9, 10, 6] } as const;
  const map = (): Float32Array => Float32Array.from({ length: 9 * 10 * 6 }, () => random.uniform());
  const [lesion, tissue] = presetOf('multi-output').task.heads as [TaskHead, TaskHead];
  const most = { ...tissue, name: 'most', decision: 'argmax' } as const;
  const three = (): [string, Float32Array][] =>
    tissue.labels.map((label) => [label, map().map((p) => p / 3)]);
  const heads = new Map<string, HeadMaps>([
    [
      'lesion',
      {
        head: lesion,
        decision: { kind: 'threshold', thresholds: [threshold] },
        maps: new Map([['lesion', map()]]),
      },
    ],
    ['tissue', { head: tissue, decision: { kind: 'probabilities' }, maps: new Map(three()) }],
    ['most', { head: most, decision: { kind: 'argmax' }, maps: new Map(three()) }],
  ]);
  const found = { box, heads };
  const header = parseHeader(
    writeNifti({ grid: GRID, data: values(inBrain) }, { datatype: 'int16', gzip: false }),
    'x',
  );
  // The box holds the whole brain, as that of a prediction does.
  const whole = cropData(Uint8Array.from(values(inBrain)), GRID.shape, box);
  const scan = { grid: GRID, header, brain: uncrop(whole, box, GRID).data };
  const decided = [...heads].map(([name, { maps, ...rest }]) => {
    const whole = new Map([...maps].map(([key, data]) => [key, uncrop(data, box, GRID).data]));
    return [name, decide({ ...rest, maps: whole }, scan.brain)] as const;
  });
  const wanted = encodeSegmentation({ heads: new Map(decided) }, scan);
  const streamed = streamSegmentation(decideBox(found, { ...scan, channels: [] }), scan);
  expect(streamed.map(({ kind }) => kind)).toEqual(wanted.map(({ kind }) => kind));
  expect(wanted.map(({ kind: { label, desc, suffix } }) => `${label ?? desc}_${suffix}`)).toEqual([
    'lesion_mask',
    'lesion_probseg',
    ...['GM', 'WM', 'CSF'].map((label) => `${label}_probseg`),
    'most_dseg',
    ...['GM', 'WM', 'CSF'].map((label) => `${label}_probseg`),
  ]);
  streamed.forEach(({ content }, i) => {
    expect(gunzipSync(collect(content))).toEqual(gunzipSync(wanted[i]!.bytes));
  });
});
