import { type Shape, sizeOf } from '../../core/shape.ts';
import { Gpu } from '../../engine/gpu/gpu.ts';
import { DEFAULT_LOSS, SMOOTH, segmentationLoss } from '../../engine/loss/segmentation-loss.ts';
import { Adam } from '../../engine/optim/adam.ts';
import { TensorStore } from '../../engine/tape/store.ts';
import { tensor } from '../../engine/tape/tensor.ts';
import { cutSection, noiseOf } from '../../engine/tune/isolated.ts';
import { type BenchCase, describeActivation } from './cases.ts';
import { recordPass } from './elementwise-cases.ts';

/** The loss of one foreground label: generalised Dice. */
export function lossCases(extents: readonly [number, number, number]): BenchCase[] {
  const shape: Shape = [1, 2, ...extents];
  const volume = sizeOf(extents);
  return (['forward', 'backward'] as const).map((pass) => ({
    kernel: `segmentation-loss/${pass}`,
    shape: describeActivation(shape),
    bound: 'bandwidth',
    flops: 0,
    // Logits and target; backward also writes the logits' gradient.
    bytes: 4 * volume * (pass === 'forward' ? 3 : 5),
    record(tape) {
      const logits = tensor('logits', shape, 'arena', { requiresGrad: true });
      const target = tensor('target', [1, 1, ...extents], 'arena');
      const attributes = { ...DEFAULT_LOSS, target };
      const { section, output, grad, gradInput } = recordPass(
        tape,
        segmentationLoss,
        [logits],
        attributes,
        pass,
        [target],
      );
      const [x, noise] = [noiseOf(logits), noiseOf(target)];
      const truth = noise.map((v) => (v > 0.45 ? 1 : 0));
      const foreground = (i: number): number => 1 / (1 + Math.exp(x[i]! - x[volume + i]!));
      const data = new Map([[target, truth]]);
      if (pass === 'forward') {
        const expected = (): number => {
          const sums = [0, 1].map((label) => {
            let [p, r, both] = [0, 0, 0];
            for (let i = 0; i < volume; i++) {
              const own = label === 1 ? foreground(i) : 1 - foreground(i);
              const is = label === 1 ? truth[i]! : 1 - truth[i]!;
              p += own;
              r += is;
              both += own * is;
            }
            return { p, r, both };
          });
          const largest = Math.max(...sums.map(({ r }) => 1 / r ** 2));
          const weighted = (f: (s: { p: number; r: number; both: number }) => number): number =>
            sums.reduce((total, s) => total + f(s) / s.r ** 2 / largest, 0);
          return 1 - (2 * weighted((s) => s.both) + SMOOTH) / (weighted((s) => s.p + s.r) + SMOOTH);
        };
        return { section, data, check: { tensor: output, expected } };
      }
      // Whatever the coefficients are, the gradient is the softmax's Jacobian applied to them.
      const coefficients = noiseOf(section.outside.find((t) => t.label.endsWith('loss coefficients'))!);
      const [on0, on1, onTruth0, onTruth1] = coefficients as unknown as [number, number, number, number];
      const scale = noiseOf(grad)[0]!;
      const expected = (index: number): number => {
        const i = index % volume;
        const p = foreground(i);
        const derivative = [on0 + onTruth0 * (1 - truth[i]!), on1 + onTruth1 * truth[i]!] as const;
        const mean = (1 - p) * derivative[0] + p * derivative[1];
        const label = index < volume ? 0 : 1;
        return scale * (label === 1 ? p : 1 - p) * (derivative[label] - mean);
      };
      return { section, data, check: { tensor: gradInput!, expected } };
    },
  }));
}

/** One step of Adam over all parameters of a network, norm of the gradient included. */
export function adamCase(parameters: number): BenchCase {
  return {
    kernel: 'adam/step',
    shape: String(parameters),
    bound: 'bandwidth',
    flops: 0,
    // The gradient for its norm; then parameter, moments and gradient are read and all but the last written.
    bytes: 4 * 8 * parameters,
    async record(tape) {
      const gpu = Gpu.counting(tape.capabilities);
      const specs = [{ name: 'all', shape: [parameters] }];
      const own = await TensorStore.create(gpu, 'parameters', specs);
      const grads = await TensorStore.create(gpu, 'gradients', specs);
      const adam = await Adam.create(gpu, own, grads);
      adam.record(tape.emitter);
      const section = cutSection(tape.commands, 0, tape.commands.length);
      const scalars = section.outside.find(({ label }) => label === 'scalars')!;
      const [m, v] = [adam.m.flat, adam.v.flat];
      const squares = noiseOf(v).map(Math.abs);
      const [size, inverse, decay, inverseScale] = [0.01, 1.5, 0.99, 0.5];
      const data = new Map([
        [v, squares],
        [scalars, Float32Array.of(size, inverse, decay, inverseScale)],
      ]);
      const [p, first, g] = [own.flat, m, grads.flat].map(noiseOf) as [
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      const { betas, epsilon } = adam.settings;
      const expected = (i: number): number => {
        const gradient = inverseScale * g[i]!;
        const mean = betas[0] * first[i]! + (1 - betas[0]) * gradient;
        const square = betas[1] * squares[i]! + (1 - betas[1]) * gradient ** 2;
        return decay * p[i]! - (size * mean) / (Math.sqrt(square) * inverse + epsilon);
      };
      return { section, data, check: { tensor: own.flat, among: parameters, expected } };
    },
  };
}
