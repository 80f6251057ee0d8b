// TensorFlow.js in a page, for bench/web.ts: one tile through a network of 3D convolutions. It reads `tf` of the page.

/** Random weights of a layer with zero mean, as many inputs sum to about one. */
function weights(shape) {
  const inputs = shape.slice(0, 4).reduce((a, b) => a * b, 1);
  return tf.randomNormal(shape, 0, Math.sqrt(2 / inputs), 'float32', 1);
}

/** A 3x3x3 convolution with bias and ReLU; batch normalisation is folded into both, as converted models have it. */
function block(from, to, dilation = 1, edge = 3) {
  const filter = weights([edge, edge, edge, from, to]);
  const bias = tf.zeros([to]);
  return {
    variables: [filter, bias],
    run(x) {
      const y = tf.conv3d(x, filter, 1, 'same', 'NDHWC', dilation);
      // As rows of channels: its WebGPU backend has no sum of five axes with a small tensor that compiles.
      return tf.relu(tf.add(y.reshape([-1, to]), bias)).reshape(y.shape);
    },
  };
}

/** The U-Net of src/nn/unet3d.ts: two convolutions a level, transposed ones back, a softmax of two classes. */
function unet({ channels, base, levels }) {
  const widths = Array.from({ length: levels }, (_, level) => base * 2 ** level);
  const double = (from, to) => [block(from, to), block(to, to)];
  const encoder = widths.map((width, level) => double(level === 0 ? channels : widths[level - 1], width));
  const up = widths
    .slice(1)
    .map((width, level) =>
      tf.randomNormal([2, 2, 2, widths[level], width], 0, Math.sqrt(1 / width), 'float32', 1),
    );
  const decoder = widths.slice(0, -1).map((width) => double(2 * width, width));
  const head = weights([1, 1, 1, base, 2]);
  const run = (input) => {
    const skips = [];
    let x = input;
    for (const [level, blocks] of encoder.entries()) {
      if (level > 0) x = tf.maxPool3d(x, 2, 2, 'valid');
      for (const each of blocks) x = each.run(x);
      skips.push(x);
    }
    for (let level = levels - 2; level >= 0; level--) {
      const shape = skips[level].shape;
      x = tf.concat([skips[level], tf.conv3dTranspose(x, up[level], shape, 2, 'same')], 4);
      for (const each of decoder[level]) x = each.run(x);
    }
    return tf.softmax(tf.conv3d(x, head, 1, 'same'));
  };
  const blocks = [...encoder, ...decoder].flat();
  return { variables: [...blocks.flatMap(({ variables }) => variables), ...up, head], run };
}

/**
 * MeshNet as Brainchop runs it: eight dilated convolutions of one width and one of 1x1x1 (Fedorov et al. 2017,
 * doi:10.1109/IJCNN.2017.7966333; Masoud et al. 2023, doi:10.21105/joss.05098, whose light model has 5 channels).
 */
function meshnet({ channels, width }) {
  const dilations = [1, 2, 4, 8, 16, 8, 4, 2, 1];
  const blocks = dilations.map((dilation, i) => block(i === 0 ? channels : width, width, dilation));
  const head = weights([1, 1, 1, width, 2]);
  const run = (x) =>
    tf.softmax(
      tf.conv3d(
        blocks.reduce((y, each) => each.run(y), x),
        head,
        1,
        'same',
      ),
    );
  return { variables: [...blocks.flatMap(({ variables }) => variables), head], run };
}

/**
 * Median milliseconds of a tile, readback included; the first run, which compiles, is not counted.
 * @param options `backend` (webgpu, webgl or cpu), `network` (unet or meshnet), its sizes, `patch`, `seconds` to go on for
 */
globalThis.timeTile = async ({ backend, network, patch, seconds, ...sizes }) => {
  if (!(await tf.setBackend(backend))) throw new Error(`its backend ${backend} does not start here`);
  await tf.ready();
  // Else small tensors are computed on the host.
  if (backend !== 'cpu') tf.env().set(`${backend.toUpperCase()}_CPU_FORWARD`, false);
  const { variables, run } = { unet, meshnet }[network](sizes);
  const x = tf.randomNormal([1, patch, patch, patch, sizes.channels], 0, 1, 'float32', 2);
  const tile = async () => {
    const y = tf.tidy(() => run(x));
    const probabilities = await y.data();
    y.dispose();
    return probabilities.reduce((sum, p, i) => sum + p * (i % 2), 0) / (probabilities.length / 2);
  };
  const result = await tile();
  const times = [];
  const until = performance.now() + 1000 * seconds;
  do {
    const start = performance.now();
    await tile();
    times.push(performance.now() - start);
  } while (performance.now() < until);
  for (const tensor of [x, ...variables]) tensor.dispose();
  times.sort((a, b) => a - b);
  return {
    ms: times[times.length >> 1],
    result,
    runs: times.length,
    parameters: variables.reduce((sum, { size }) => sum + size, 0),
  };
};
