/**
 * Weights of several losses that are learned with the network (Kendall, Gal and Cipolla 2018, "Multi-task learning using
 * uncertainty to weigh losses", eq. 10). Loss i has a variance σᵢ² of its own, and what is minimised is
 *
 *     Σ wᵢ (exp(-sᵢ) Lᵢ + sᵢ / 2),  sᵢ = log σᵢ²
 *
 * with the settings' weights wᵢ. A loss counts for less the larger it stays; sᵢ / 2 keeps a variance from growing without
 * end. The gradient by sᵢ is wᵢ (1/2 - exp(-sᵢ) Lᵢ), so the weight of a constant loss tends to 1 / (2 Lᵢ).
 *
 * Where we deviate:
 * - One form serves all losses. The paper halves the first term for a regression, which shifts sᵢ by log 2 and changes
 *   nothing else.
 * - The losses need not be likelihoods: Dice is none. They must not be negative.
 * - The numbers live on the host, in 64 bits: the losses of a step are there before the next begins. They are moved by
 *   Adam with the run's learning rate, without clipping and decay.
 */
export interface TaskWeights {
  /** sᵢ by loss, in the order of the losses. */
  readonly logVariances: readonly number[];
  /** Adam's first moments. */
  readonly m: readonly number[];
  /** Adam's second moments. */
  readonly v: readonly number[];
  /** Steps that moved them. */
  readonly updates: number;
}

const [BETA1, BETA2] = [0.9, 0.999];
const EPSILON = 1e-8;

/** Variances of 1: the weights of the settings as they are. */
export function firstTaskWeights(losses: number): TaskWeights {
  const zeros = Array<number>(losses).fill(0);
  return { logVariances: zeros, m: zeros, v: zeros, updates: 0 };
}

/** What each loss is multiplied by beside the settings' weight: exp(-sᵢ). */
export function taskFactors({ logVariances }: TaskWeights): readonly number[] {
  return logVariances.map((s) => Math.exp(-s));
}

/**
 * The weights after a step.
 * @param losses of the step, before they are weighted, none of them negative
 * @param weights of the settings, wᵢ
 */
export function nextTaskWeights(
  { logVariances, m, v, updates }: TaskWeights,
  losses: readonly number[],
  weights: readonly number[],
  learningRate: number,
): TaskWeights {
  const t = updates + 1;
  const grads = logVariances.map((s, i) => weights[i]! * (0.5 - Math.exp(-s) * losses[i]!));
  const nextM = grads.map((grad, i) => BETA1 * m[i]! + (1 - BETA1) * grad);
  const nextV = grads.map((grad, i) => BETA2 * v[i]! + (1 - BETA2) * grad * grad);
  const next = logVariances.map((s, i) => {
    const mean = nextM[i]! / (1 - BETA1 ** t);
    const deviation = Math.sqrt(nextV[i]! / (1 - BETA2 ** t));
    return s - (learningRate * mean) / (deviation + EPSILON);
  });
  return { logVariances: next, m: nextM, v: nextV, updates: t };
}
