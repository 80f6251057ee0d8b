// A loss of one's own: soft Dice and focal Tversky in one, known by its name to trainers, settings and task files.
import { adam, defineLoss, loss, nn, openGpu, Random, registerLoss } from 'voxelgrad';
import { weightedSum } from 'voxelgrad/engine';
import { z } from 'zod/mini';

// Its settings: each with its bounds, what it does, and a default. Help texts and messages follow from these.
const share = z.number().check(z.minimum(0), z.maximum(1), z.describe('share of focal Tversky in the sum'));
const compound = defineLoss({
  name: 'compound',
  title: 'Dice and focal Tversky',
  activations: ['softmax'],
  schema: z.strictObject({ share: z._default(share, 0.5) }),
  record(tape, { output, target }, settings) {
    const terms = [
      loss.dice().record(tape, output, target),
      loss.focalTversky().record(tape, output, target),
    ];
    return tape.apply(weightedSum, terms, { weights: [1 - settings.share, settings.share] });
  },
});
registerLoss(compound);

// A blob of 27 voxels in noise: few voxels of many, where Tversky counts misses more than false alarms.
const random = new Random(1);
const edge = 16;
const y = Float32Array.from({ length: edge ** 3 }, (_, i) => {
  const voxel = [Math.floor(i / edge ** 2), Math.floor(i / edge) % edge, i % edge];
  return voxel.every((at) => Math.abs(at - 8) <= 1) ? 1 : 0;
});
const x = y.map((value) => value + random.normal(0, 0.5));

const gpu = await openGpu();
const shape = [1, 1, edge, edge, edge];
const trainer = await nn.trainer(
  gpu,
  nn.sequential(nn.conv3d(8, { kernel: 3 }), nn.relu(), nn.conv3d(2, { kernel: 3 })),
  { input: shape, target: shape, loss: compound({ share: 0.7 }), optimizer: adam({ lr: 2e-2 }), seed: 1 },
);
for (let step = 1; step <= 60; step++) {
  const value = await trainer.step(x, y);
  if (step % 20 === 0) console.log(`step ${step}, loss ${value.toFixed(3)}`);
}
// The second channel is the blob's.
const found = (await trainer.predict(x)).subarray(edge ** 3).map((p) => (p > 0.5 ? 1 : 0));
const hits = found.reduce((sum, voxel, i) => sum + voxel * y[i]!, 0);
console.log(`found ${hits} of 27 voxels`);
await gpu.close();
