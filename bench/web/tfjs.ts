import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Page } from 'playwright-core';
import { packageFolder } from '../../src/platform/checkout.ts';

/** A network of TensorFlow.js and where it runs, as bench/peers/tfjs-page.js takes them. */
export interface TfjsRun {
  readonly backend: 'webgpu' | 'webgl' | 'cpu';
  readonly network: 'unet' | 'meshnet';
  readonly channels: number;
  readonly base?: number;
  readonly levels?: number;
  readonly width?: number;
}

/** What came of a tile. */
export interface TfjsTile {
  /** Median. */
  readonly ms: number;
  /** That were timed, after one that was not. */
  readonly runs: number;
  readonly parameters: number;
  /** Mean probability of the second class: equal on every backend that computes what it should. */
  readonly result: number;
}

/** A tile with its processor time. */
export interface TimedTile extends TfjsTile {
  /** Mean. */
  readonly cpuMs: number;
}

/** A reason in place of a result. */
export interface Skipped {
  readonly skip: string;
}

/** Page of {@link tfjsFiles}. */
export const TFJS_PAGE = 'tfjs.html';

/** Edge of the patch on which a backend is compared with the processor's, small since that one is slow. */
const CHECK_PATCH = 16;
/** Largest difference of mean probabilities that rounding explains. */
const CHECK_TOLERANCE = 1e-4;

/**
 * The page with TensorFlow.js, by path; undefined where it is not installed: in VOXELGRAD_PEERS, a folder with
 * node_modules of its own, or beside voxelgrad.
 */
export function tfjsFiles(): ReadonlyMap<string, Uint8Array> | undefined {
  const require = createRequire(join(process.env.VOXELGRAD_PEERS ?? packageFolder(), 'package.json'));
  const script = (name: string, file: string): Uint8Array =>
    readFileSync(join(dirname(require.resolve(`${name}/package.json`)), 'dist', file));
  try {
    const page = `<!doctype html><link rel="icon" href="data:,"><title>TensorFlow.js</title>
${['tf.js', 'tf-webgpu.js', 'tfjs-page.js'].map((file) => `<script src="${file}"></script>`).join('\n')}`;
    return new Map<string, Uint8Array>([
      [`/${TFJS_PAGE}`, new TextEncoder().encode(page)],
      ['/tf.js', script('@tensorflow/tfjs', 'tf.min.js')],
      ['/tf-webgpu.js', script('@tensorflow/tfjs-backend-webgpu', 'tf-backend-webgpu.min.js')],
      ['/tfjs-page.js', readFileSync(join(packageFolder(), 'bench/peers/tfjs-page.js'))],
    ]);
  } catch {
    return undefined;
  }
}

/**
 * Times a tile in the page, after a small one was compared with the processor's; what cannot run is an answer.
 * @param patch edge of the tile
 * @param seconds to repeat for
 * @param limit seconds after which it is given up
 * @param cpu processor seconds of the browser so far
 */
export async function timeTile(
  page: Page,
  run: TfjsRun,
  patch: number,
  seconds: number,
  limit: number,
  cpu: () => Promise<number>,
): Promise<TimedTile | Skipped> {
  const ask = async (of: TfjsRun, edge: number, repeat: number): Promise<TfjsTile> => {
    const options = JSON.stringify({ ...of, patch: edge, seconds: repeat });
    return (await page.evaluate(`timeTile(${options})`)) as TfjsTile;
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<Skipped>((resolve) => {
    timer = setTimeout(() => resolve({ skip: `stopped after ${limit} s` }), limit * 1000);
  });
  const work = async (): Promise<TimedTile | Skipped> => {
    try {
      const expected = await ask({ ...run, backend: 'cpu' }, CHECK_PATCH, 0);
      const { result } = await ask(run, CHECK_PATCH, 0);
      if (!(Math.abs(result - expected.result) < CHECK_TOLERANCE))
        return { skip: `computes ${result} where its own processor backend has ${expected.result}` };
      // Compiles, so that the processor time of the next ones is the tiles' own.
      await ask(run, patch, 0);
      const before = await cpu();
      const tile = await ask(run, patch, seconds);
      return { ...tile, cpuMs: (1000 * ((await cpu()) - before)) / (tile.runs + 1) };
    } catch (error) {
      return { skip: String(error instanceof Error ? error.message : error).split('\n')[0]! };
    }
  };
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
