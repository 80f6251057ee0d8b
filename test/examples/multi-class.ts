// A residual U-Net as nnU-Net designs it, with deep supervision, tells two shapes from the background.
import { adam, loss, nn, openGpu, Random } from 'voxelgrad';
import { designNetwork } from 'voxelgrad/engine';

const edge = 16;
const voxels = edge ** 3;
const random = new Random(1);

/** A cube and a ball in noise, [1, z, y, x], and which voxel is which, [2, z, y, x]. */
function scan(): { x: Float32Array; y: Float32Array } {
  const x = Float32Array.from({ length: voxels }, () => random.normal(0, 0.3));
  const y = new Float32Array(2 * voxels);
  const centres = [0, 1].map(() => [0, 1, 2].map(() => 4 + random.integer(8)));
  for (let i = 0; i < voxels; i++) {
    const at = [Math.floor(i / edge ** 2), Math.floor(i / edge) % edge, i % edge];
    const [cube, ball] = centres.map((centre) => at.map((v, axis) => Math.abs(v - centre[axis]!)));
    const label = Math.max(...cube!) <= 2 ? 0 : Math.hypot(...ball!) <= 3 ? 1 : undefined;
    if (label === undefined) continue;
    x[i]! += 1 + label;
    y[label * voxels + i] = 1;
  }
  return { x, y };
}

const network = designNetwork(
  'nnunet',
  {
    inChannels: 1,
    heads: [{ name: 'shapes', channels: 3 }],
    baseChannels: 8,
    levels: 2,
    patch: [edge, edge, edge],
  },
  { encoder: 'residual' },
);

const gpu = await openGpu();
const trainer = await nn.trainer(gpu, network, {
  input: [1, 1, edge, edge, edge],
  target: [1, 2, edge, edge, edge],
  loss: loss.diceCe(),
  optimizer: adam({ lr: 1e-2 }),
});
for (let step = 1; step <= 100; step++) {
  const { x, y } = scan();
  const value = await trainer.step(x, y);
  if (step % 25 === 0) console.log(`step ${step}, loss ${value.toFixed(2)}`);
}

// A scan that the network has not seen: the most probable of background, cube and ball.
const { x, y } = scan();
const p = await trainer.predict(x);
const right = x.filter((_, i) => {
  const [background, cube, ball] = [0, 1, 2].map((label) => p[label * voxels + i]!) as [
    number,
    number,
    number,
  ];
  const found = cube > background && cube >= ball ? 0 : ball > background && ball > cube ? 1 : undefined;
  return found === undefined ? y[i] === 0 && y[voxels + i] === 0 : y[found * voxels + i] === 1;
}).length;
console.log(`${((100 * right) / voxels).toFixed(1)} % of the voxels right`);
await gpu.close();
