// TensorFlow.js on its WebGPU backend: 3D convolutions, forward and both gradients; a U-Net, forward and a step.
import { noise, parseNetwork, parseShape, product, skipAll, time, timeRows } from './common.mjs';
import { prepareUnet } from './tfjs-unet.mjs';

// Its backend asks for these names when it is loaded.
for (const name of [
  'HTMLVideoElement',
  'HTMLCanvasElement',
  'HTMLImageElement',
  'ImageBitmap',
  'OffscreenCanvas',
])
  globalThis[name] ??= class {};

let tf;
try {
  tf = await import('@tensorflow/tfjs');
  await import('@tensorflow/tfjs-backend-webgpu/dist/tf-backend-webgpu.node.js');
} catch (error) {
  skipAll(`not installed: ${String(error.message).split('\n')[0]}`);
}
tf = tf.default ?? tf;
tf.env().set('WEBGPU_CPU_FORWARD', false);
if (!(await tf.setBackend('webgpu'))) skipAll('its WebGPU backend does not start here');
await tf.ready();

await timeRows(async ({ kernel, shape }) => {
  const network = kernel.startsWith('network/') ? parseNetwork(shape) : undefined;
  if (network) {
    const { run, dispose } = prepareUnet(tf, kernel, network);
    try {
      return await time(run);
    } finally {
      dispose();
    }
  }
  const found = parseShape(shape);
  if (!kernel.startsWith('conv3d/') || !found) return 'not compared';
  const { from, to, extents } = found;
  const input = [1, ...extents, from];
  const filter = [3, 3, 3, from, to];
  const x = tf.tensor(noise(product(input)), input);
  const w = tf.tensor(noise(product(filter)), filter);
  const dy = tf.tensor(noise(product(extents) * to), [1, ...extents, to]);
  const attributes = { strides: 1, pad: 'same', inputShape: input, filterShape: filter };
  const runs = {
    'conv3d/forward': () => tf.conv3d(x, w, 1, 'same'),
    'conv3d/backward_input': () =>
      tf.engine().runKernel('Conv3DBackpropInputV2', { dy, filter: w }, attributes),
    'conv3d/backward_weight': () => tf.engine().runKernel('Conv3DBackpropFilterV2', { x, dy }, attributes),
  };
  try {
    return await time(async () => {
      const result = runs[kernel]();
      await result.data();
      result.dispose();
    });
  } finally {
    for (const tensor of [x, w, dy]) tensor.dispose();
  }
});
