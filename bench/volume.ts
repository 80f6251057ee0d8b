/**
 * A whole volume by the sliding window, and PyTorch on as many tiles: `npm run bench:volume`.
 * Adds a line to results/volume.jsonl.
 *
 * The volume is 182x218x182 with 4 channels, tiles are 64³ with an overlap of 0.5; the brain is an ellipsoid of a
 * usual size, and tiles without it are skipped. Ours is the time of the whole prediction, cutting and blending
 * included; PyTorch's is the median of a tile's forward pass times the number of tiles, and nothing else.
 */
import { appendFileSync } from 'node:fs';
import { Random } from '../src/core/random.ts';
import { Predictor } from '../src/infer/predictor.ts';
import { tileCorners } from '../src/infer/tiles.ts';
import { UNet3d } from '../src/nn/unet3d.ts';
import { variantConfig } from '../src/nn/variants.ts';
import { checkout } from '../src/platform/checkout.ts';
import { openNodeGpu } from '../src/platform/node.ts';
import { askPeer } from '../src/platform/peers.ts';

const SHAPE = [182, 218, 182] as const;
const PATCH = 64;
const OVERLAP = 0.5;
const BASE = 16;
const LEVELS = 4;
/** Half axes of the brain in voxels of 1 mm. */
const HALF = [65, 85, 68] as const;

const [depth, height, width] = SHAPE;
const voxels = depth * height * width;
const brain = Uint8Array.from({ length: voxels }, (_, i) => {
  const at = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
  return at.reduce((r, v, axis) => r + ((v - SHAPE[axis]! / 2) / HALF[axis]!) ** 2, 0) <= 1 ? 1 : 0;
});
const random = new Random(1);
const channels = Array.from({ length: 4 }, () =>
  Float32Array.from({ length: voxels }, () => random.normal()),
);

const gpu = await openNodeGpu();
try {
  const config = variantConfig('single', ['FLAIR', 'T1w', 'PDw', 'T2w'], {
    baseChannels: BASE,
    levels: LEVELS,
  });
  const net = await UNet3d.create(gpu, config, { training: false, random });
  const predictor = await Predictor.create(gpu, net, 'single', PATCH);
  const window = await predictor.window(SHAPE);
  const patch = [PATCH, PATCH, PATCH] as const;
  const all = tileCorners(SHAPE, patch, OVERLAP).length;
  const tiles = tileCorners(SHAPE, patch, OVERLAP, brain).length;
  const start = performance.now();
  await window.predict(channels, { overlap: OVERLAP, brain });
  const seconds = (performance.now() - start) / 1000;
  const row = {
    kernel: 'network/forward',
    shape: `4->2@1x${PATCH}x${PATCH}x${PATCH}, base ${BASE}, ${LEVELS} levels`,
  };
  const [torch] = await askPeer('torch', [row], 300);
  const theirs = torch?.ms === undefined ? null : (torch.ms * tiles) / 1000;
  console.log(`${tiles} of ${all} tiles: ${seconds.toFixed(1)} s, ${(seconds / tiles).toFixed(3)} s a tile`);
  console.log(
    theirs === null
      ? `PyTorch: ${torch?.skip ?? 'no answer'}`
      : `PyTorch, two threads: ${theirs.toFixed(1)} s; ours takes ${(seconds / theirs).toFixed(2)} times as long`,
  );
  const { description, driver } = gpu.capabilities;
  const line = {
    ...{ adapter: description, driver, commit: checkout()?.commit ?? null },
    ...{ shape: SHAPE, tiles, allTiles: all, seconds, torchSeconds: theirs },
  };
  appendFileSync(new URL('results/volume.jsonl', import.meta.url), `${JSON.stringify(line)}\n`);
  window.destroy();
  predictor.destroy();
  net.destroy();
} finally {
  await gpu.close();
}
