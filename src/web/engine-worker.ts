import { z } from 'zod/mini';
import { openBrowserGpu } from '../platform/browser.ts';
import { type CallContext, Engine } from './engine.ts';
import { problemOf } from './problem.ts';
import type { Reply, Request } from './protocol.ts';

// Zod compiles its checks with `new Function` where it may; the page's policy forbids it, and trying is reported.
z.config({ jitless: true });

/** Put in by the build. */
declare const __VERSION__: string;

const engine = new Engine(openBrowserGpu, __VERSION__);
const running = new Map<number, AbortController>();

function send(reply: Reply): void {
  // Large arrays are handed over, not copied; the engine keeps none that it sends.
  const { value } = reply as { value?: unknown };
  self.postMessage(reply, { transfer: buffersIn(value) });
}

function buffersIn(value: unknown): ArrayBuffer[] {
  if (value instanceof Uint8Array) return [value.buffer as ArrayBuffer];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap((part) =>
    part instanceof Uint8Array ? [part.buffer as ArrayBuffer] : [],
  );
}

async function answer(request: Exclude<Request, { call: 'cancel' }>): Promise<void> {
  const { id, call, ask } = request;
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const context: CallContext = {
      signal: controller.signal,
      progress: (value) => send({ id, kind: 'progress', value }),
    };
    const handler = engine.handlers[call] as (ask: unknown, context: CallContext) => Promise<unknown>;
    send({ id, kind: 'answer', value: await handler(ask, context) });
  } catch (error) {
    if (controller.signal.aborted) send({ id, kind: 'cancelled' });
    else send({ id, kind: 'failed', problem: problemOf(error) });
  } finally {
    running.delete(id);
  }
}

self.addEventListener('message', ({ data }: MessageEvent<Request>) => {
  if (data.call === 'cancel') running.get(data.id)?.abort();
  else void answer(data);
});
