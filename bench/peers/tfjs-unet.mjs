// The U-Net of src/nn/unet3d.ts in TensorFlow.js, forward and a training step, channels last.
//
// Its WebGPU backend has no transposed 3D convolution that can be trained, and no upsampling of volumes: as its users
// do, a 1x1x1 convolution and a repetition of voxels stand for it, with an eighth of the operations.
import { noise, product } from './common.mjs';

const EPS = 1e-5;

/** @returns what is run once a measurement, and what frees the tensors */
export function prepareUnet(tf, kernel, { channels, classes, samples, extents, base, levels }) {
  const variables = [];
  const parameter = (values, shape) => {
    const variable = tf.variable(tf.tensor(values, shape));
    variables.push(variable);
    return variable;
  };
  const filter = (edge, from, to) => {
    const shape = [edge, edge, edge, from, to];
    const scale = Math.sqrt(24 / (edge ** 3 * from));
    return parameter(
      noise(product(shape)).map((v) => v * scale),
      shape,
    );
  };
  const vector = (size, value) => parameter(new Float32Array(size).fill(value), [size]);

  // Its batch norm takes four dimensions at most, and its sums of five and one do not compile: [voxels, channels].
  const byVoxel = (x, f) => tf.reshape(f(tf.reshape(x, [-1, x.shape.at(-1)])), x.shape);
  const convolution = (edge, from, to) => {
    const [weight, bias] = [filter(edge, from, to), vector(to, 0)];
    return (x) => byVoxel(tf.conv3d(x, weight, 1, 'same'), (flat) => tf.add(flat, bias));
  };
  const norm = (size) => {
    const [scale, offset] = [vector(size, 1), vector(size, 0)];
    const [runningMean, runningVar] = [tf.zeros([size]), tf.ones([size])];
    return (x, training) => {
      const { mean, variance } = training ? tf.moments(x, 0) : { mean: runningMean, variance: runningVar };
      return tf.batchNorm(x, mean, variance, offset, scale, EPS);
    };
  };
  const block = (from, to) => {
    const layers = [
      [convolution(3, from, to), norm(to)],
      [convolution(3, to, to), norm(to)],
    ];
    return (x, training) =>
      layers.reduce((y, [conv, bn]) => byVoxel(conv(y), (flat) => tf.relu(bn(flat, training))), x);
  };
  /** Each voxel twice along each axis. */
  const repeat = (x) => {
    const [n, depth, height, width, size] = x.shape;
    const twice = (t, outer, inner) => tf.tile(tf.reshape(t, [outer, 1, inner]), [1, 2, 1]);
    let y = twice(x, n * depth * height * width, size);
    y = twice(y, n * depth * height, 2 * width * size);
    y = twice(y, n * depth, 4 * height * width * size);
    return tf.reshape(y, [n, 2 * depth, 2 * height, 2 * width, size]);
  };

  const widths = Array.from({ length: levels }, (_, level) => base * 2 ** level);
  const encoder = widths.map((width, level) => block(level === 0 ? channels : widths[level - 1], width));
  const reduce = widths.slice(1).map((width, level) => convolution(1, width, widths[level]));
  const decoder = widths.slice(0, -1).map((width) => block(2 * width, width));
  const head = convolution(1, base, classes);
  const net = (x, training) => {
    const skips = [];
    let y = x;
    encoder.forEach((encode, level) => {
      y = encode(level === 0 ? y : tf.maxPool3d(y, 2, 2, 'valid'), training);
      skips.push(y);
    });
    for (let level = levels - 2; level >= 0; level--)
      y = decoder[level](tf.concat([skips[level], repeat(reduce[level](y))], 4), training);
    return head(y);
  };

  const shape = [samples, ...extents, channels];
  const x = tf.tensor(noise(product(shape)), shape);
  const labels = noise(product([samples, ...extents])).map((v) => (v > 0.48 ? 1 : 0));
  const target = tf.tidy(() =>
    tf.cast(tf.oneHot(tf.tensor(labels, [labels.length], 'int32'), classes), 'float32'),
  );
  const optimizer = tf.train.adam(5e-4);
  const runs = {
    'network/forward': () => tf.tidy(() => tf.softmax(net(x, false))),
    'network/step': () =>
      optimizer.minimize(
        () => tf.losses.softmaxCrossEntropy(target, tf.reshape(net(x, true), [-1, classes])),
        true,
        variables,
      ),
  };
  return {
    run: async () => {
      const result = runs[kernel]();
      // The last parameter is known only when the whole step is done.
      const last = await variables.at(-1).data();
      const values = await result.data();
      result.dispose();
      if (![...last, values[0]].every(Number.isFinite)) throw new Error('its step is not finite');
    },
    dispose: () => {
      optimizer.dispose();
      for (const tensor of [x, target, ...variables]) tensor.dispose();
    },
  };
}
