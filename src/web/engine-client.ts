import { problemOf } from './problem.ts';
import type { CallName, Calls, Problem, Reply, Request } from './protocol.ts';

/** The engine refused or failed; `problem` is for the page. */
export class EngineFailure extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.message);
    this.name = 'EngineFailure';
    this.problem = problem;
  }
}

/** The call was cancelled by its caller. */
export class EngineCancelled extends Error {
  constructor() {
    super('cancelled');
    this.name = 'EngineCancelled';
  }
}

/** What the page says of an error: the engine's own words where it failed there. */
export function failureOf(error: unknown): Problem {
  return error instanceof EngineFailure ? error.problem : problemOf(error);
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
  progress(value: unknown): void;
}

/** The page's end of the engine: typed calls to the worker. */
export class EngineClient {
  readonly #worker: Worker;
  readonly #pending: Map<number, Pending> = new Map();
  #next = 1;

  /** @param worker that runs engine-worker.ts */
  constructor(worker: Worker) {
    this.#worker = worker;
    worker.addEventListener('message', ({ data }: MessageEvent<Reply>) => this.#receive(data));
    worker.addEventListener('error', (event) => {
      const message = event.message || 'the engine could not be started';
      for (const { reject } of this.#pending.values())
        reject(new EngineFailure({ message: `The engine stopped: ${message}.`, hint: 'Reload the page.' }));
      this.#pending.clear();
    });
  }

  /**
   * Asks the engine.
   * @throws EngineFailure with what went wrong; EngineCancelled where `signal` was aborted first.
   */
  call<Name extends CallName>(
    name: Name,
    ask: Calls[Name]['ask'],
    options: {
      readonly onProgress?: (value: Calls[Name]['progress']) => void;
      readonly signal?: AbortSignal;
    } = {},
  ): Promise<Calls[Name]['answer']> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, {
        resolve: (value) => resolve(value as Calls[Name]['answer']),
        reject,
        progress: (value) => options.onProgress?.(value as Calls[Name]['progress']),
      });
      options.signal?.addEventListener('abort', () =>
        this.#worker.postMessage({ id, call: 'cancel' } satisfies Request),
      );
      this.#worker.postMessage({ id, call: name, ask } as Request);
    });
  }

  #receive(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    if (!pending) return;
    if (reply.kind === 'progress') {
      pending.progress(reply.value);
      return;
    }
    this.#pending.delete(reply.id);
    if (reply.kind === 'answer') pending.resolve(reply.value);
    else
      pending.reject(reply.kind === 'cancelled' ? new EngineCancelled() : new EngineFailure(reply.problem));
  }
}
