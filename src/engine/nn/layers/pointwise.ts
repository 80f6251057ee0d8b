import { dropout as dropoutOp } from '../../ops/dropout.ts';
import { elu as eluOp } from '../../ops/elu.ts';
import { gelu as geluOp } from '../../ops/gelu.ts';
import { relu as reluOp } from '../../ops/relu.ts';
import { sigmoid as sigmoidOp } from '../../ops/sigmoid.ts';
import { softmax as softmaxOp } from '../../ops/softmax.ts';
import { type Layer, layerOf } from '../layer.ts';

/** The larger of each value and 0; with a slope, what is below 0 is multiplied by it (leaky ReLU). */
export function relu({ slope = 0 }: { readonly slope?: number } = {}): Layer {
  return layerOf(reluOp, { slope });
}

/** Exponential linear unit (Clevert 2015): alpha (exp(x) - 1) below 0. */
export function elu({ alpha = 1 }: { readonly alpha?: number } = {}): Layer {
  return layerOf(eluOp, { alpha });
}

/** Gaussian error linear unit (Hendrycks and Gimpel 2016): x times the normal distribution's share below x. */
export function gelu({ approximate = 'none' }: { readonly approximate?: 'none' | 'tanh' } = {}): Layer {
  return layerOf(geluOp, { approximate });
}

/** 1 / (1 + exp(-x)) of each value. */
export function sigmoid(): Layer {
  return layerOf(sigmoidOp, {});
}

/** Probabilities over the channels. */
export function softmax(): Layer {
  return layerOf(softmaxOp, {});
}

/** Settings of {@link dropout}. */
export interface DropoutOptions {
  /** The probability of an element to become 0 in training (default 0.5). */
  readonly p?: number;
  /** Drops whole channels, as PyTorch's Dropout3d does (default false). */
  readonly perChannel?: boolean;
}

/** Dropout (Srivastava et al. 2014): in training only; what is kept grows by 1 / (1 - p). */
export function dropout({ p = 0.5, perChannel = false }: DropoutOptions = {}): Layer {
  return {
    forward: (scope, input) =>
      scope.mode === 'train' && p > 0
        ? scope.apply(dropoutOp, [input], { p, perChannel, ...scope.random() })
        : input,
  };
}
