// The U-Net of src/nn/unet3d.ts in jax-js, forward and a training step with Adam, each one jitted function.
import { noise, product } from './common.mjs';

const EPS = 1e-5;

/** @returns what is run once a measurement, and what frees the arrays */
export function prepareUnet(jax, kernel, { channels, classes, samples, extents, base, levels }) {
  const { numpy: np, lax, nn, tree, valueAndGrad, jit } = jax;
  const filter = (...dims) => {
    const scale = Math.sqrt(24 / product(dims.slice(1)));
    return np.array(noise(product(dims)).map((v) => v * scale)).reshape(dims);
  };
  const column = (size, value) => np.array(new Float32Array(size).fill(value)).reshape([1, size, 1, 1, 1]);

  const widths = Array.from({ length: levels }, (_, level) => base * 2 ** level);
  const layer = (from, to) => ({
    weight: filter(to, from, 3, 3, 3),
    bias: column(to, 0),
    scale: column(to, 1),
    offset: column(to, 0),
  });
  const block = (from, to) => [layer(from, to), layer(to, to)];
  let parameters = {
    encoder: widths.map((width, level) => block(level === 0 ? channels : widths[level - 1], width)),
    up: widths.slice(1).map((width, level) => filter(width, widths[level], 2, 2, 2)),
    decoder: widths.slice(0, -1).map((width) => block(2 * width, width)),
    head: { weight: filter(classes, base, 1, 1, 1), bias: column(classes, 0) },
  };

  const axes = [0, 2, 3, 4];
  const apply = ({ weight, bias, scale, offset }, x, training) => {
    const y = lax.conv(x, weight, [1, 1, 1], 'SAME').add(bias);
    // Running statistics are 0 and 1 here, and take no time.
    if (!training) return nn.relu(y.mul(scale).add(offset));
    const centred = y.ref.sub(np.mean(y, axes, { keepdims: true }));
    const variance = np.mean(np.square(centred.ref), axes, { keepdims: true });
    return nn.relu(
      centred
        .div(np.sqrt(variance.add(EPS)))
        .mul(scale)
        .add(offset),
    );
  };
  const pool = (x) => {
    const [n, c, depth, height, width] = x.shape;
    return np.max(x.reshape([n, c, depth / 2, 2, height / 2, 2, width / 2, 2]), [3, 5, 7]);
  };
  const net = ({ encoder, up, decoder, head }, x, training) => {
    const skips = [];
    let y = x;
    encoder.forEach((layers, level) => {
      if (level > 0) {
        skips.push(y.ref);
        y = pool(y);
      }
      for (const one of layers) y = apply(one, y, training);
    });
    for (let level = levels - 2; level >= 0; level--) {
      const upped = lax.convTranspose(y, up[level], [2, 2, 2], 'VALID', { transposeKernel: true });
      y = np.concatenate([skips[level], upped], 1);
      for (const one of decoder[level]) y = apply(one, y, training);
    }
    return lax.conv(y, head.weight, [1, 1, 1], 'SAME').add(head.bias);
  };

  const shape = [samples, channels, ...extents];
  const x = np.array(noise(product(shape))).reshape(shape);
  const labels = noise(product([samples, ...extents])).map((v) => (v > 0.48 ? 1 : 0));
  const target = np.array(labels).reshape([samples, 1, ...extents]);
  /** Cross entropy of two labels. */
  const loss = (own, input, truth) => {
    const [background, lesion] = np.split(nn.logSoftmax(net(own, input, true), 1), 2, 1);
    return np.mean(lesion.mul(truth.ref).add(background.mul(truth.mul(-1).add(1)))).mul(-1);
  };
  const forward = jit((own, input) => nn.softmax(net(own, input, false), 1));
  const step = jit((own, first, second, input, truth) => {
    const [value, gradient] = valueAndGrad(loss)(tree.ref(own), input, truth);
    const decay = (beta, f) => (old, g) => old.mul(beta).add(f(g).mul(1 - beta));
    const mean = tree.map(
      decay(0.9, (g) => g),
      first,
      tree.ref(gradient),
    );
    const square = tree.map(decay(0.999, np.square), second, gradient);
    const update = (p, m, v) => p.sub(m.mul(5e-4).div(np.sqrt(v).add(1e-8)));
    return [tree.map(update, own, tree.ref(mean), tree.ref(square)), mean, square, value];
  });
  const zeros = () => tree.map((p) => np.zeros(p.shape), parameters);
  let moments = [zeros(), zeros()];
  const runs = {
    'network/forward': () => forward(tree.ref(parameters), x.ref),
    'network/step': () => {
      const [own, first, second, value] = step(parameters, ...moments, x.ref, target.ref);
      [parameters, moments] = [own, [first, second]];
      return value;
    },
  };
  return {
    run: async () => {
      const result = runs[kernel]();
      await jax.blockUntilReady(parameters);
      const values = await result.data();
      if (!Number.isFinite(values[0])) throw new Error('its step is not finite');
    },
    dispose: () => {
      tree.dispose([parameters, moments, x, target]);
      for (const f of [forward, step]) f.dispose();
    },
  };
}
