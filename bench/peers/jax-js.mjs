// jax-js on its WebGPU backend: 3D convolutions, forward and both gradients; a U-Net, forward and a step.
import { noise, parseNetwork, parseShape, product, skipAll, time, timeRows } from './common.mjs';
import { prepareUnet } from './jax-unet.mjs';

let jax;
try {
  jax = await import('@jax-js/jax');
} catch (error) {
  skipAll(`not installed: ${String(error.message).split('\n')[0]}`);
}
const { init, defaultDevice, numpy: np, lax, grad, jit } = jax;
if (!(await init('webgpu')).includes('webgpu')) skipAll('its WebGPU backend does not start here');
defaultDevice('webgpu');

const convolve = (x, w) => lax.conv(x, w, [1, 1, 1], 'SAME');
const forward = jit(convolve);
const ofInput = jit(grad((x, w, g) => np.sum(convolve(x, w).mul(g))));
const ofWeight = jit(grad((w, x, g) => np.sum(convolve(x, w).mul(g))));

await timeRows(async ({ kernel, shape }) => {
  const network = kernel.startsWith('network/') ? parseNetwork(shape) : undefined;
  if (network) {
    const { run, dispose } = prepareUnet(jax, kernel, network);
    try {
      return await time(run);
    } finally {
      dispose();
    }
  }
  const found = parseShape(shape);
  if (!kernel.startsWith('conv3d/') || !found) return 'not compared';
  const { from, to, extents } = found;
  const tensor = (...dims) => np.array(noise(product(dims))).reshape(dims);
  const [x, w, g] = [tensor(1, from, ...extents), tensor(to, from, 3, 3, 3), tensor(1, to, ...extents)];
  const runs = {
    'conv3d/forward': () => forward(x.ref, w.ref),
    'conv3d/backward_input': () => ofInput(x.ref, w.ref, g.ref),
    'conv3d/backward_weight': () => ofWeight(w.ref, x.ref, g.ref),
  };
  try {
    return await time(async () => {
      const result = runs[kernel]();
      await result.blockUntilReady();
      result.dispose();
    });
  } finally {
    for (const tensor_ of [x, w, g]) tensor_.dispose();
  }
});
