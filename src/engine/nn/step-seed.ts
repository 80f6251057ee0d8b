import { UsageError } from '../../core/errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { TensorStore } from '../tape/store.ts';
import type { Tensor } from '../tape/tensor.ts';

/**
 * What the random numbers of a training step's kernels are made from: two words on the GPU, the run's seed and the
 * number of the step. Nothing else is random there, so a run that is resumed at a step has the same numbers as one that
 * was never interrupted, and nothing has to be stored.
 *
 * @example
 * const random = await StepSeed.create(gpu, 42);
 * const y = tape.apply(dropout, [x], { p: 0.2, seed: random.tensor, stream: 1 });
 * // before each replay of the plan:
 * random.setStep(step);
 */
export class StepSeed {
  /** [2] 32-bit words, for the attribute `seed` of ops. */
  readonly tensor: Tensor;
  #seed: number;
  readonly #store: TensorStore;

  private constructor(seed: number, store: TensorStore) {
    this.#seed = seed >>> 0;
    this.#store = store;
    this.tensor = store.get('seed');
  }

  /** Makes the words of step 0. @param seed any integer; only its low 32 bits count. @throws OutOfMemoryError */
  static async create(gpu: Gpu, seed: number): Promise<StepSeed> {
    const store = await TensorStore.create(gpu, 'step seed', [{ name: 'seed', shape: [2] }]);
    const made = new StepSeed(seed, store);
    made.setStep(0);
    return made;
  }

  /** What the run's random numbers are made from, 32 bits: to continue a run under another seed, set this one. */
  get seed(): number {
    return this.#seed;
  }

  set seed(seed: number) {
    this.#seed = seed >>> 0;
  }

  /** Sets what the next replay uses; to be called before each. @throws UsageError for a step that is not a whole number. */
  setStep(step: number): void {
    if (!(Number.isSafeInteger(step) && step >= 0))
      throw new UsageError(`step seed: a step is a whole number from 0 on; got ${step}`, {
        hint: 'Pass the step that is about to run.',
      });
    this.#store.write('seed', Uint32Array.of(this.#seed, step));
  }

  /** Frees the words. */
  destroy(): void {
    this.#store.destroy();
  }
}
