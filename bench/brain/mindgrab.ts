/** MindGrab's masks of the raw scans: `tsx bench/brain/mindgrab.ts MODEL OUT IMAGE...`. A line of JSON per image. */
import { readFileSync, writeFileSync } from 'node:fs';
import { readNifti } from '../../src/imaging/nifti/read.ts';
import { writeNifti } from '../../src/imaging/nifti/write.ts';
import { decodeModel } from '../../src/pipeline/models/model.ts';
import { brainByModel } from '../../src/pipeline/predict/brain-by-model.ts';
import { openNodeGpu } from '../../src/platform/node.ts';

const [place, out, ...images] = process.argv.slice(2);
const model = decodeModel(new Uint8Array(readFileSync(`${place}/model.safetensors`)), 'mindgrab');
const gpu = await openNodeGpu();
for (const path of images) {
  const image = await readNifti(new Uint8Array(readFileSync(path)), path);
  const begin = performance.now();
  const brain = await brainByModel(gpu, model, image);
  const name = path.split('/').at(-1)!.replace('.nii.gz', '_mindgrab.nii.gz');
  writeFileSync(
    `${out}/${name}`,
    writeNifti({ grid: image.volume.grid, data: brain }, { datatype: 'uint8', like: image.header }),
  );
  console.log(JSON.stringify({ name, seconds: (performance.now() - begin) / 1000 }));
}
await gpu.close();
