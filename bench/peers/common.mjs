// What the peers on WebGPU share: Dawn as navigator.gpu, the rows, timing.
import { create, globals } from 'webgpu';

Object.assign(globalThis, globals);
export const gpu = create([]);
Object.defineProperty(globalThis, 'navigator', {
  value: { gpu, userAgent: 'node', platform: 'node', hardwareConcurrency: 2 },
  configurable: true,
});

// What a device refuses it leaves undone, and that takes no time: a peer whose kernels are refused has no times.
let refused;
const { requestDevice } = GPUAdapter.prototype;
GPUAdapter.prototype.requestDevice = async function (...words) {
  const device = await requestDevice.apply(this, words);
  device.addEventListener('uncapturederror', ({ error }) => {
    refused ??= error.message.split('\n')[0];
  });
  return device;
};

// VOXELGRAD_PEERS_REST=1: their waits rest as voxelgrad's do, where Dawn's binding keeps a core busy.
if (process.env.VOXELGRAD_PEERS_REST === '1') {
  const { tsImport } = await import('tsx/esm/api');
  const { restWhile } = await tsImport('../../src/platform/rest.ts', import.meta.url);
  for (const [type, name] of [
    [GPUQueue, 'onSubmittedWorkDone'],
    [GPUBuffer, 'mapAsync'],
  ]) {
    const own = type.prototype[name];
    type.prototype[name] = function (...words) {
      return restWhile(own.apply(this, words));
    };
  }
}

/** Stops the program with a reason that the bench prints. */
export function skipAll(reason) {
  console.log(JSON.stringify({ skip: reason }));
  process.exit(0);
}

/** The rows to time. */
export async function readRows() {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  return JSON.parse(text);
}

/** Channels and extents of a row such as `16+16->16@64x64x64`; undefined for several samples or another form. */
export function parseShape(shape) {
  const match = /^([\d+]+)->(\d+)@(\d+)x(\d+)x(\d+)$/.exec(shape);
  if (!match) return undefined;
  const from = match[1].split('+').reduce((sum, n) => sum + Number(n), 0);
  return { from, to: Number(match[2]), extents: match.slice(3).map(Number) };
}

/** A network such as `4->2@2x32x32x32, base 8, 3 levels`; undefined for another form. */
export function parseNetwork(shape) {
  const match = /^(\d+)->(\d+)@(\d+)x(\d+)x(\d+)x(\d+), base (\d+), (\d+) levels$/.exec(shape);
  if (!match) return undefined;
  const [channels, classes, samples, depth, height, width, base, levels] = match.slice(1).map(Number);
  return { channels, classes, samples, extents: [depth, height, width], base, levels };
}

export function noise(size) {
  let state = 12345;
  return Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
}

export function product(numbers) {
  return numbers.reduce((a, b) => a * b, 1);
}

/** Seconds after which a row gets no more runs, and its least number of runs until then. */
const ENOUGH = 1;
const LEAST = 3;
/** Seconds after which it gets no more even where there was but one. */
const MOST = 20;

/** Milliseconds of a run, their median and the least; the first one, which compiles, is not counted. */
export async function time(run) {
  await run();
  const times = [];
  const begin = performance.now();
  for (;;) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
    const seconds = (performance.now() - begin) / 1000;
    if (seconds > MOST || (seconds > ENOUGH && times.length >= LEAST)) break;
  }
  times.sort((a, b) => a - b);
  return { ms: times[times.length >> 1], bestMs: times[0] };
}

/** Times each row that `prepare` can do, and prints a line for it. */
export async function timeRows(prepare) {
  for (const row of await readRows()) {
    try {
      refused = undefined;
      const timed = await prepare(row);
      const result = refused === undefined ? timed : `the device refuses its kernels: ${refused}`;
      console.log(JSON.stringify({ ...row, ...(typeof result === 'string' ? { skip: result } : result) }));
    } catch (error) {
      console.log(JSON.stringify({ ...row, skip: String(error?.message ?? error).split('\n')[0] }));
    }
  }
  process.exit(0);
}
