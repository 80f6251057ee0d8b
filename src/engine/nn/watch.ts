import type { Shape } from '../../core/shape.ts';
import type { Op } from '../tape/op.ts';
import type { Element, Tensor } from '../tape/tensor.ts';
import type { Initialisation } from './init.ts';
import type { Mode, Scope } from './scope.ts';

/** What a {@link watch} sees and may change. */
export interface ParameterWatch {
  /** Another start for a parameter, by its name below the watched scope. */
  start?(name: string, init: Initialisation): Initialisation;
  /** Called with each parameter that gradients move. */
  seen(name: string, parameter: Tensor): void;
}

/** A scope that tells which parameters a part of a network asks for: to compare them with those of another part. */
export function watch(scope: Scope, watcher: ParameterWatch): Scope {
  return new WatchingScope(scope, watcher, '');
}

class WatchingScope implements Scope {
  readonly #scope: Scope;
  readonly #watcher: ParameterWatch;
  readonly #prefix: string;

  constructor(scope: Scope, watcher: ParameterWatch, prefix: string) {
    this.#scope = scope;
    this.#watcher = watcher;
    this.#prefix = prefix;
  }

  get mode(): Mode {
    return this.#scope.mode;
  }

  get stored(): Element {
    return this.#scope.stored;
  }

  in<T>(name: string, body: (inner: Scope) => T): T {
    return this.#scope.in(name, (inner) =>
      body(new WatchingScope(inner, this.#watcher, `${this.#prefix}${name}.`)),
    );
  }

  parameter(
    name: string,
    shape: Shape,
    init: Initialisation,
    options: { readonly requiresGrad?: boolean } = {},
  ): Tensor {
    const path = `${this.#prefix}${name}`;
    const start = this.#watcher.start?.(path, init) ?? init;
    const parameter = this.#scope.parameter(name, shape, start, options);
    if (options.requiresGrad !== false) this.#watcher.seen(path, parameter);
    return parameter;
  }

  state(name: string, shape: Shape, init: Initialisation): Tensor {
    return this.#scope.state(name, shape, init);
  }

  random(): { readonly seed: Tensor; readonly stream: number } {
    return this.#scope.random();
  }

  apply<A, S>(op: Op<A, S>, inputs: readonly Tensor[], attributes: A, element?: Element): Tensor {
    return this.#scope.apply(op, inputs, attributes, element);
  }
}
