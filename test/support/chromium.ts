import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';
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
  const stale = ['src', 'shaders'].some((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true }).some(
      (entry) =>
        entry.isFile() &&
        !entry.name.endsWith('.generated.ts') &&
        statSync(join(entry.parentPath, entry.name)).mtimeMs > built,
    ),
  );
  if (stale) execFileSync('npm', ['run', '-s', 'build:web'], { cwd: ROOT, stdio: 'pipe' });
}

/** A page of the app, and everything that it did that it must not. */
export interface OpenedPage {
  readonly page: Page;
  /** Requests to other origins than the app's. */
  readonly foreign: readonly string[];
  /** Errors of the console (breaches of the content policy are among them), and uncaught exceptions. */
  readonly errors: readonly string[];
  close(): Promise<void>;
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
   */
  static async start(extra: ReadonlyMap<string, Uint8Array> = new Map()): Promise<AppUnderTest> {
    buildWeb();
    const files = new Map([...(await readServedFiles(WEB)), ...extra]);
    const below = new Map([...files].map(([path, bytes]) => [`/some/where${path}`, bytes]));
    const server = await startServer(below, 0);
    const browser = await chromium.launch({ executablePath: chromiumPath()!, args: FLAGS, headless: true });
    return new AppUnderTest(`${server.url}some/where/`, server, browser);
  }

  /** Opens the app in a browser context of its own: no storage is shared. */
  async open(options: BrowserContextOptions = {}, path = ''): Promise<OpenedPage> {
    const context: BrowserContext = await this.#browser.newContext({
      viewport: { width: 1360, height: 900 },
      acceptDownloads: true,
      ...options,
    });
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
    return { page, foreign, errors, close: () => context.close() };
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    await this.#server.close();
  }
}

/** Keeps a picture of the page for people to look at. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = join(ROOT, 'dist/screenshots');
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}
