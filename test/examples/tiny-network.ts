// Two convolutions learn to find the bright voxels of random volumes.
import { adam, loss, nn, openGpu, Random } from 'voxelgrad';

const gpu = await openGpu();
const net = nn.sequential(nn.conv3d(8, { kernel: 3 }), nn.relu(), nn.conv3d(2, { kernel: 1 }));
const shape = [2, 1, 16, 16, 16];
const settings = { input: shape, target: shape, loss: loss.dice(), optimizer: adam({ lr: 5e-2 }) };
const trainer = await nn.trainer(gpu, net, settings);
const random = new Random(1);
const x = Float32Array.from({ length: 2 * 16 ** 3 }, () => random.uniform());
const y = x.map((value) => (value > 0.8 ? 1 : 0));
for (let step = 1; step <= 60; step++) console.log(step, await trainer.step(x, y));
const probabilities = await trainer.predict(x); // [2, 2, 16, 16, 16]: background, bright
console.log('largest', Math.max(...probabilities.subarray(16 ** 3, 2 * 16 ** 3)));
await gpu.close();
