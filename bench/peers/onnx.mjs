// ONNX Runtime Web on its WebGPU provider: the forward pass of 3D convolutions.
import { noise, parseShape, product, skipAll, time, timeRows } from './common.mjs';

let ort;
try {
  ort = await import('onnxruntime-web/webgpu');
} catch (error) {
  skipAll(`not installed: ${String(error.message).split('\n')[0]}`);
}
// Its memory is shared between threads, and Dawn in Node writes buffers from memory that is not.
const { writeBuffer } = GPUQueue.prototype;
GPUQueue.prototype.writeBuffer = function (buffer, offset, data, ...part) {
  const shared = data.buffer instanceof SharedArrayBuffer;
  return writeBuffer.call(this, buffer, offset, shared ? data.slice() : data, ...part);
};
ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

// A model of one Conv node, in protocol buffers by hand: [field, wire type, content].
const varint = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...varint(Math.floor(n / 128))]);
const number = (field, n) => [...varint(field * 8), ...varint(n)];
const bytes = (field, content) => [...varint(field * 8 + 2), ...varint(content.length), ...content];
const text = (field, s) => bytes(field, [...new TextEncoder().encode(s)]);
const ints = (name, values) =>
  bytes(5, [...text(1, name), ...values.flatMap((v) => number(8, v)), ...number(20, 7)]);
const value = (field, name, dims) => {
  const shape = bytes(
    2,
    dims.flatMap((d) => bytes(1, number(1, d))),
  );
  return bytes(field, [...text(1, name), ...bytes(2, bytes(1, [...number(1, 1), ...shape]))]);
};

function model(input, weight, output) {
  const node = [
    ...['x', 'w'].flatMap((name) => text(1, name)),
    ...text(2, 'y'),
    ...text(4, 'Conv'),
    ...ints('pads', [1, 1, 1, 1, 1, 1]),
    ...ints('kernel_shape', [3, 3, 3]),
  ];
  const graph = [
    ...bytes(1, node),
    ...text(2, 'conv'),
    ...value(11, 'x', input),
    ...value(11, 'w', weight),
    ...value(12, 'y', output),
  ];
  return Uint8Array.from([...number(1, 8), ...bytes(7, graph), ...bytes(8, number(2, 13))]);
}

await timeRows(async ({ kernel, shape }) => {
  const found = parseShape(shape);
  if (kernel !== 'conv3d/forward' || !found) return 'not compared';
  const { from, to, extents } = found;
  const [input, weight, output] = [
    [1, from, ...extents],
    [to, from, 3, 3, 3],
    [1, to, ...extents],
  ];
  const session = await ort.InferenceSession.create(model(input, weight, output), {
    executionProviders: ['webgpu'],
  });
  try {
    const feeds = {
      x: new ort.Tensor('float32', noise(product(input)), input),
      w: new ort.Tensor('float32', noise(product(weight)), weight),
    };
    return await time(() => session.run(feeds));
  } finally {
    await session.release();
  }
});
