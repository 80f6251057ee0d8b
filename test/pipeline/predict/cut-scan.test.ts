import { expect, it } from 'vitest';
import { findScans } from '../../../src/imaging/dataset/dataset.ts';
import { loadScan, loadStoredScan } from '../../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { preprocess } from '../../../src/imaging/dataset/preprocess.ts';
import { writeNifti } from '../../../src/imaging/nifti/write.ts';
import { cutScan } from '../../../src/pipeline/predict/cut-scan.ts';
import { channelsOf } from '../../../src/pipeline/predict/predictor.ts';
import { cutTile, type TileChannel } from '../../../src/pipeline/predict/tiles.ts';
import { TISSUE_MAPS } from '../../../src/study/presets/index.ts';
import { bidsPatient, brainImage, GRID, tree, values } from '../../imaging/dataset/make.ts';

it('cuts tiles that are bit for bit those of a prepared scan, from voxels as they are stored', async () => {
  const stored = writeNifti(
    { grid: GRID, data: values(brainImage(20)).map((v) => v * 0.25) },
    { datatype: 'int16', slope: 0.25 },
  );
  const files = { ...bidsPatient('07'), 'sub-07/anat/sub-07_T2w.nii.gz': stored };
  const dataset = await openDataset(tree(files));
  const [scan] = findScans(dataset);
  const loaded = await loadStoredScan(dataset, scan!, { maps: TISSUE_MAPS });
  expect(loaded.channels.map(({ data }) => data instanceof Float32Array)).toEqual([true, true, false]);
  expect(loaded.raters.size).toBe(0);
  const plain = await loadScan(dataset, scan!, { maps: TISSUE_MAPS });
  for (const margin of [0, 1, 20]) {
    const whole = preprocess(plain, { crop: { margin } });
    const cut = cutScan(loaded, { margin });
    expect([cut.box, cut.shape, cut.brain]).toEqual([whole.box, whole.shape, whole.brain]);
    const tile = (channels: readonly TileChannel[]): Float32Array => {
      const out = new Float32Array(channels.length * 8 ** 3);
      cutTile(channels, cut.shape, [1, 2, 1], [8, 8, 8], out);
      return out;
    };
    expect(tile(cut.images)).toEqual(tile(channelsOf(whole.input, whole.shape)));
    expect(tile(cut.maps!)).toEqual(tile(channelsOf(whole.maps!.data, whole.shape)));
  }
});
