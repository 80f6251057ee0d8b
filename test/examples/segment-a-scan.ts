// From MRI files to a lesion mask, with the small network that comes with the web app (a toy: it saw phantoms only).
import { decodeModel, MemoryFiles, openGpu, segment } from 'voxelgrad';
import { listParts } from 'voxelgrad/evaluate';
import { loadScan, scanOfFiles, writeNifti } from 'voxelgrad/imaging';
import { NodeFolder } from 'voxelgrad/node';
import { makePhantom } from 'voxelgrad/study';

// A phantom's images as NIfTI files in memory. For a patient of yours: `const files = new NodeFolder('patient')`.
const phantom = makePhantom({ seed: 3, shape: [60, 72, 60], spacing: 3, lesionLoad: 30 });
const files = new MemoryFiles('patient');
const { grid, modalities, brain } = phantom;
for (const [name, data] of Object.entries({ FLAIR: modalities.FLAIR, T1w: modalities.T1w, brain }))
  await files.write(`p1_${name}.nii.gz`, writeNifti({ grid, data }, { datatype: 'int16' }));

// What each file is. (`guessRole` tells by the name.)
const { dataset, scan } = scanOfFiles(
  files,
  new Map([
    ['p1_FLAIR.nii.gz', 'FLAIR'],
    ['p1_T1w.nii.gz', 'T1w'],
    ['p1_brain.nii.gz', 'brain'],
  ]),
);

const models = new NodeFolder('src/web/public/models');
const model = decodeModel(await models.read('phantoms.safetensors'), 'phantoms.safetensors');
const loaded = await loadScan(dataset, scan, { modalities: model.info.task.channels });

const gpu = await openGpu();
const { heads } = await segment(gpu, model, loaded);
await gpu.close();

// The network's output, its masks and its probability maps by label.
const found = heads.get('lesion')!;
const mask = found.masks.get('lesion')!;
const probabilities = found.maps.get('lesion')!;

const out = new MemoryFiles('result'); // or new NodeFolder('result')
await out.write('mask.nii.gz', writeNifti({ grid, data: mask }, { datatype: 'uint8' }));
const lesions = listParts(mask, probabilities, grid, { truth: phantom.lesions });
for (const { number, ml, side, place, found } of lesions.slice(0, 5))
  console.log(
    `${number}: ${ml.toFixed(2)} ml, ${side}, at ${place.join(' ')} mm, ${found ? 'true' : 'false'}`,
  );
