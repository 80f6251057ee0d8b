// What the peers on WebGPU share: Dawn as navigator.gpu, the rows, timing.
import { create, globals } from 'webgpu';

Object.assign(globalThis, globals);
export const gpu = create([]);
Object.defineProperty(globalThis, 'navigator', {
  value: { gpu, userAgent: 'node', platform: 'node', hardwareConcurrency: 2 },
  configurable: true,
});

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

/** Median milliseconds of a run; the first one, which compiles, is not counted. */
export async function time(run, seconds = 2, least = 3) {
  await run();
  const times = [];
  const until = performance.now() + 1000 * seconds;
  while (times.length < least || performance.now() < until) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return times[times.length >> 1];
}

/** Times each row that `prepare` can do, and prints a line for it. */
export async function timeRows(prepare) {
  for (const row of await readRows()) {
    try {
      const ms = await prepare(row);
      console.log(JSON.stringify(typeof ms === 'number' ? { ...row, ms } : { ...row, skip: ms }));
    } catch (error) {
      console.log(JSON.stringify({ ...row, skip: String(error?.message ?? error).split('\n')[0] }));
    }
  }
  process.exit(0);
}
