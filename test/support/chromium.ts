import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';
import {
  formatModelList,
  type ListedModel,
  MODEL_LIST_FILE,
  parseModelList,
} from '../../src/engine/checkpoint/model-list.ts';
import { type RunningServer, readServedFiles, startServer } from '../../src/platform/static-server.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const WEB = join(ROOT, 'dist/web');

/** WebGPU on SwiftShader, and no requests of the browser's own. */
const FLAGS = [
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Path of an installed Chromium: VOXELGRAD_CHROMIUM, or where distributions put it. Tests that need it skip where it is
 * absent: `describe.skipIf(chromiumPath() === undefined)`.
 */
export function chromiumPath(): string | undefined {
  const places = [
    process.env.VOXELGRAD_CHROMIUM,
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
  ];
  const found = places.find((path) => path && existsSync(path));
  if (!found)
    console.warn(
      'Chromium not found: browser tests are skipped (apt-get install chromium, or set VOXELGRAD_CHROMIUM)',
    );
  return found;
}

/** Builds the web app where a source file is newer than it. */
export function buildWeb(): void {
  const built = statSync(join(WEB, 'voxelgrad.js'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const isNewer = (path: string): boolean => {
    const found = statSync(join(ROOT, path));
    return found.isFile() && found.mtimeMs > built;
  };
  const stale =
    isNewer('vite.config.ts') ||
    ['src', 'shaders'].some((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).some(
        (path) => !path.endsWith('.generated.ts') && isNewer(join(folder, path)),
      ),
    );
  // Vitest sets NODE_ENV to test, with which libraries are built for development: this is what users build.
  const env = { ...process.env, NODE_ENV: 'production' };
  if (stale) execFileSync('npm', ['run', '-s', 'build:web'], { cwd: ROOT, stdio: 'pipe', env });
}

/** A static host that knows nothing of the app. */
async function startPlainServer(files: ReadonlyMap<string, Uint8Array>): Promise<RunningServer> {
  const types: Readonly<Record<string, string>> = {
    html: 'text/html',
    js: 'text/javascript',
    css: 'text/css',
  };
  const server = createServer((request, response) => {
    const path = request.url!.replace(/\/$/, '/index.html');
    const body = files.get(path);
    // Browsers ask for an icon that a page does not name.
    const missing = path === '/favicon.ico' ? 204 : 404;
    response.writeHead(body ? 200 : missing, {
      'Content-Type': types[path.split('.').at(-1)!] ?? 'text/plain',
    });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://localhost:${port}/`,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The list of networks with the phantoms' first, which the app then loads: tests know what it finds. */
function knownFirst(served: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const text = new TextDecoder().decode(served.get(`/${MODEL_LIST_FILE}`));
  const isKnown = ({ file }: ListedModel): number => Number(file.endsWith('phantoms.safetensors'));
  const models = [...parseModelList(text, MODEL_LIST_FILE)].sort((a, b) => isKnown(b) - isKnown(a));
  return new TextEncoder().encode(formatModelList(models));
}

/** A page of the app, and everything that it did that it must not. */
export interface OpenedPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Requests to other origins than the app's. */
  readonly foreign: readonly string[];
  /** Errors of the console (breaches of the content policy are among them), and uncaught exceptions. */
  readonly errors: readonly string[];
  close(): Promise<void>;
}

/** A process of the browser. */
export interface BrowserProcess {
  /** `renderer`, `GPU`, `browser` and others. */
  readonly type: string;
  /** The operating system's number of it. */
  readonly id: number;
  /** Processor time since it started, over all its threads. */
  readonly cpuSeconds: number;
}

/** The built app on a server of its own, and a browser. */
export class AppUnderTest {
  readonly url: string;
  readonly #server: RunningServer;
  readonly #browser: Browser;

  private constructor(url: string, server: RunningServer, browser: Browser) {
    this.url = url;
    this.#server = server;
    this.#browser = browser;
  }

  /**
   * Builds and serves the app, below a path so that absolute addresses fail, and starts Chromium.
   * @param extra files beside the app's, by path below the app
   * @param host `plain` for a server that sends no headers of ours, as any static host
   */
  static async start(
    extra: ReadonlyMap<string, Uint8Array> = new Map(),
    host: 'ours' | 'plain' = 'ours',
  ): Promise<AppUnderTest> {
    buildWeb();
    const served = await readServedFiles(WEB);
    const files = new Map([...served, [`/${MODEL_LIST_FILE}`, knownFirst(served)], ...extra]);
    const below = new Map([...files].map(([path, bytes]) => [`/some/where${path}`, bytes]));
    const server = host === 'ours' ? await startServer(below, 0) : await startPlainServer(below);
    // A choice of Vulkan driver for Node would hide the one that comes with the browser.
    const { VK_DRIVER_FILES: _files, VK_ICD_FILENAMES: _names, ...env } = process.env;
    const browser = await chromium.launch({
      executablePath: chromiumPath()!,
      args: FLAGS,
      headless: true,
      env: env as Record<string, string>,
    });
    return new AppUnderTest(`${server.url}some/where/`, server, browser);
  }

  /** Opens the app in a browser context of its own: no storage is shared. */
  async open(options: BrowserContextOptions = {}, path = ''): Promise<OpenedPage> {
    const context: BrowserContext = await this.#browser.newContext({
      viewport: { width: 1360, height: 900 },
      acceptDownloads: true,
      // It would answer in place of what a test puts in the way.
      serviceWorkers: 'block',
      ...options,
    });
    // Two processor cores may be busy with other tests.
    context.setDefaultTimeout(90_000);
    const page = await context.newPage();
    const foreign: string[] = [];
    const errors: string[] = [];
    const origin = new URL(this.url).origin;
    context.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(origin) && !/^(data|blob):/.test(url)) foreign.push(url);
    });
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
    page.on('pageerror', (error) => errors.push(String(error)));
    await page.goto(this.url + path);
    return { page, context, foreign, errors, close: () => context.close() };
  }

  /** The browser's processes that are there now; a page's engine runs in its renderer and in the GPU's process. */
  async processes(): Promise<readonly BrowserProcess[]> {
    const session = await this.#browser.newBrowserCDPSession();
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    await session.detach();
    return processInfo.map(({ type, id, cpuTime }) => ({ type, id, cpuSeconds: cpuTime }));
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    await this.#server.close();
  }
}

/** Keeps a picture of the page for people to look at. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = join(ROOT, 'test-results');
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

/** What axe-core finds serious or critical on the page, one line a rule. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  // Evaluated by the debugger, since the page's policy lets no inline script in.
  await page.evaluate(readFileSync(join(ROOT, 'node_modules/axe-core/axe.min.js'), 'utf8'));
  return await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await axe.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
  });
}

/** Pixels by which the page is wider than its window. */
export async function overflow(page: Page): Promise<number> {
  return await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
}

/** A file that a test makes. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Chooses files in the app, as a user does with the file chooser. */
export async function chooseFiles(page: Page, files: readonly NamedBytes[]): Promise<void> {
  await page
    .getByLabel(/^(Choose|Add) files$/)
    .setInputFiles(files.map(({ name, bytes }) => ({ name, mimeType: '', buffer: Buffer.from(bytes) })));
  await page.locator('section[aria-busy=false] .files').waitFor();
}

/** What a button of the app saves. */
export async function savedFile(page: Page, button: string): Promise<Uint8Array> {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: button }).click(),
  ]);
  const parts: Buffer[] = [];
  for await (const part of await download.createReadStream()) parts.push(part as Buffer);
  return new Uint8Array(Buffer.concat(parts));
}

/** Draws a line over the middle of the image. */
export async function stroke(page: Page): Promise<void> {
  const box = (await page.locator('canvas').boundingBox())!;
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(x - 60, y);
  await page.mouse.down();
  for (let step = -50; step <= 60; step += 10) await page.mouse.move(x + step, y);
  await page.mouse.up();
}

interface Watch {
  readonly tasks: { readonly start: number; readonly duration: number }[];
  /** When the progress bar came and went. */
  readonly run: number[];
}

/** Records every task of the page above 50 ms, and when a run's progress, a CSS selector, comes and goes. */
export async function watchRun(page: Page, progress: string): Promise<void> {
  await page.evaluate((selector) => {
    const watch: Watch = { tasks: [], run: [] };
    Object.assign(globalThis, { watch });
    new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries())
        watch.tasks.push({ start: startTime, duration });
    }).observe({ type: 'longtask' });
    let running = false;
    new MutationObserver(() => {
      const now = document.querySelector(selector) !== null;
      if (now !== running) watch.run.push(performance.now());
      running = now;
    }).observe(document.body, { childList: true, subtree: true });
  }, progress);
}

/** Milliseconds of the tasks above 50 ms between the run's begin and its end. */
export async function longTasks(page: Page): Promise<number[]> {
  const { tasks, run } = await page.evaluate(() => (globalThis as unknown as { watch: Watch }).watch);
  if (run.length !== 2) throw new Error(`the run began and ended ${run.length} times in all, not twice`);
  return tasks
    .filter(({ start, duration }) => start + duration > run[0]! && start < run[1]!)
    .map(({ duration }) => duration);
}

/** Makes the engine's device die while it records the n-th command buffer from now. */
export async function loseDevice(page: Page, after: number): Promise<void> {
  await page.workers()[0]!.evaluate((count) => {
    const { prototype } = GPUDevice;
    const { createCommandEncoder } = prototype;
    let calls = 0;
    prototype.createCommandEncoder = function (...args) {
      if (++calls === count) this.destroy();
      return createCommandEncoder.apply(this, args);
    };
  }, after);
}

/**
 * Makes the engine wait as soon as it has told that this tile or step is done (or at most one more step, which was on
 * its way), until it is asked to cancel: what a test sees and does in between does not depend on the machine's speed.
 * @returns lets it go on
 */
export async function holdAt(page: Page, what: 'tile' | 'step', count: number): Promise<() => Promise<void>> {
  const worker = page.workers()[0]!;
  const hold = await worker.evaluateHandle(
    ([kind, at]) => {
      let held: Promise<void> | undefined;
      let resolve = (): void => {};
      const promise = new Promise<void>((done) => {
        resolve = done;
      });
      const release = (): void => {
        held = undefined;
        resolve();
      };
      // Listens after the engine, so that the engine knows of the cancellation when it goes on.
      addEventListener('message', ({ data }: MessageEvent<{ call: string }>) => {
        if (data.call === 'cancel') release();
      });
      const post = globalThis.postMessage;
      let told = false;
      globalThis.postMessage = ((...args: Parameters<typeof post>): void => {
        const { value } = args[0] as { value?: { phase?: string; done?: number; step?: number } };
        const now = kind === 'step' ? value?.step : value?.phase === 'tiles' ? value.done : undefined;
        if (!told && now !== undefined && now >= at) {
          told = true;
          held = promise;
        }
        post.apply(globalThis, args);
      }) as typeof post;
      const { onSubmittedWorkDone } = GPUQueue.prototype;
      GPUQueue.prototype.onSubmittedWorkDone = async function () {
        await held;
        return await onSubmittedWorkDone.call(this);
      };
      const { mapAsync } = GPUBuffer.prototype;
      GPUBuffer.prototype.mapAsync = async function (...args) {
        await held;
        return await mapAsync.apply(this, args);
      };
      return { release };
    },
    [what, count] as const,
  );
  return async () => await hold.evaluate(({ release }) => release());
}

/** Counts the bytes of the engine's GPU buffers from now on. @returns asks for the most that were alive at once */
export async function countGpuBytes(page: Page): Promise<() => Promise<number>> {
  const worker = page.workers()[0]!;
  await worker.evaluate(() => {
    const ledger = { alive: 0, most: 0 };
    Object.assign(globalThis, { ledger });
    const { createBuffer } = GPUDevice.prototype;
    GPUDevice.prototype.createBuffer = function (...args) {
      const buffer = createBuffer.apply(this, args);
      ledger.alive += buffer.size;
      ledger.most = Math.max(ledger.most, ledger.alive);
      return buffer;
    };
    const gone = new WeakSet<GPUBuffer>();
    const { destroy } = GPUBuffer.prototype;
    GPUBuffer.prototype.destroy = function () {
      if (!gone.has(this)) ledger.alive -= this.size;
      gone.add(this);
      return destroy.apply(this);
    };
  });
  return async () =>
    await worker.evaluate(() => (globalThis as unknown as { ledger: { most: number } }).ledger.most);
}
