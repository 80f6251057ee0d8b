import { gunzipSync } from 'fflate';
import { expect, it } from 'vitest';
import { collect } from '../../../src/core/files.ts';
import { Random } from '../../../src/core/random.ts';
import { thresholdMask } from '../../../src/imaging/evaluate/threshold.ts';
import { parseHeader } from '../../../src/imaging/nifti/header.ts';
import { writeNifti } from '../../../src/imaging/nifti/write.ts';
import { uncrop } from '../../../src/imaging/volume/crop.ts';
import { encodeSegmentation, streamSegmentation } from '../../../src/pipeline/predict/prediction-files.ts';
import { GRID, inBrain, values } from '../../imaging/dataset/make.ts';

it.each([0, 0.5])('planes hold what whole maps hold, at threshold %d', (threshold) => {
  const random = new Random(5);
  const box = { start: [1, 2, 3], shape: [9, 10, 6] } as const;
  const map = (): Float32Array => Float32Array.from({ length: 9 * 10 * 6 }, () => random.uniform());
  const found = { box, threshold, probabilities: map(), tissues: new Map([['GM', map()] as const]) };
  const header = parseHeader(
    writeNifti({ grid: GRID, data: values(inBrain) }, { datatype: 'int16', gzip: false }),
    'x',
  );
  const scan = { grid: GRID, header, brain: Uint8Array.from(values(inBrain)) };
  const whole = (data: Float32Array): Float32Array => uncrop(data, box, GRID).data;
  const probabilities = whole(found.probabilities);
  const wanted = encodeSegmentation(
    {
      mask: thresholdMask(probabilities, threshold, scan.brain),
      probabilities,
      tissues: new Map([['GM', whole(found.tissues.get('GM')!)]]),
    },
    scan,
  );
  const streamed = streamSegmentation(found, scan);
  expect(streamed.map(({ kind }) => kind)).toEqual(wanted.map(({ kind }) => kind));
  streamed.forEach(({ content }, i) => {
    expect(gunzipSync(collect(content))).toEqual(gunzipSync(wanted[i]!.bytes));
  });
});
