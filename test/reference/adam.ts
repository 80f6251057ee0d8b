import type { AdamSettings } from '../../src/engine/optim/adam.ts';

/** AdamW and clip_grad_norm_ in float64, as PyTorch writes them. State is updated in place. */
export function adamReference(
  parameters: Float64Array,
  grads: Float64Array,
  m: Float64Array,
  v: Float64Array,
  step: number,
  learningRate: number,
  { betas, epsilon, weightDecay, maxGradNorm }: AdamSettings,
): { gradNorm: number; clip: number } {
  const gradNorm = Math.sqrt(grads.reduce((sum, g) => sum + g * g, 0));
  const clip = maxGradNorm === null ? 1 : Math.min(1, maxGradNorm / (gradNorm + 1e-6));
  const [beta1, beta2] = betas;
  for (let i = 0; i < parameters.length; i++) {
    const g = clip * grads[i]!;
    parameters[i]! *= 1 - learningRate * weightDecay;
    m[i] = beta1 * m[i]! + (1 - beta1) * g;
    v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
    const mHat = m[i]! / (1 - beta1 ** step);
    const vHat = v[i]! / (1 - beta2 ** step);
    parameters[i]! -= (learningRate * mHat) / (Math.sqrt(vHat) + epsilon);
  }
  return { gradNorm, clip };
}
