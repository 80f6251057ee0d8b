import { readdirSync, readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import type { Plugin, UserConfig, UserConfigFnObject } from 'vite';
import { formatPolicy } from './src/platform/content-policy.ts';

const root = resolve(import.meta.dirname, 'src/web');

/** Puts the content policy into the page, for hosts that send no headers. */
const contentPolicy: Plugin = {
  name: 'content-policy',
  transformIndexHtml: () => [
    {
      tag: 'meta',
      attrs: { 'http-equiv': 'Content-Security-Policy', content: formatPolicy('meta') },
      injectTo: 'head-prepend',
    },
  ],
};

/** A blank beside brackets, commas and semicolons, or an operator between two operands. */
const BLANKS = / ?([,;(){}]) ?|(?<=[\w\])]) ([-+*/%&|=]) (?=[\w(])/g;

/**
 * Takes comments, indents, empty lines and blanks beside punctuation out of the embedded shaders, and those shaders
 * that are not run; lines with `// @…` and `//!…` are the specialiser's.
 */
const shaderText = (...without: readonly string[]): Plugin => ({
  name: 'shader-text',
  transform(code, id) {
    if (!id.endsWith('shaders.generated.ts')) return null;
    const lines = without
      .reduce((text, file) => text.replace(new RegExp(`^\\s*"${file}": .*\\n`, 'm'), ''), code)
      .replace(/(?:\\n)?[ ]*\/\/(?!!| @)(?:(?!\\n).)*/g, '')
      .replace(/(?:\\n *)+/g, '\\n')
      .split('\\n');
    const dense = lines.map((line) => (/\/\/[ !]/.test(line) ? line : line.replace(BLANKS, '$1$2')));
    return { code: dense.join('\\n'), map: null };
  },
});
/** Of the shaders, only the bench runs the first, and it and `measurePeak` the second. */
const appShaders = shaderText('plain-copy.wgsl', 'peak.wgsl');
const libraryShaders = shaderText('plain-copy.wgsl');

/** Codecs of zarr archives, 1.4 MB, which NiiVue would load for files that the app never opens. */
const withoutZarr: Plugin = {
  name: 'without-zarr-codecs',
  enforce: 'pre',
  resolveId: (id) => (id.startsWith('numcodecs/') ? '\0no-codec' : null),
  load: (id) => (id === '\0no-codec' ? 'export default undefined;' : null),
};

const SERVICE_WORKER = 'service-worker.js';

/** Tells the service worker which files there are to keep. */
const offlineFiles: Plugin = {
  name: 'offline-files',
  generateBundle(_, bundle) {
    const worker = bundle[SERVICE_WORKER];
    if (worker?.type !== 'chunk') return;
    const built = Object.keys(bundle).filter((file) => file !== SERVICE_WORKER && file !== 'index.html');
    const copied = readdirSync(resolve(root, 'public'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(resolve(root, 'public'), resolve(entry.parentPath, entry.name)));
    const files = ['./', ...built, ...copied.map((file) => file.replaceAll('\\', '/'))].sort();
    worker.code = worker.code.replace('__OFFLINE_FILES__', JSON.stringify(files));
  },
};

const { version } = JSON.parse(readFileSync(resolve(import.meta.dirname, 'package.json'), 'utf8')) as {
  version: string;
};

// All paths are relative, so the folder works from any place on any host.
const shared: UserConfig = {
  root,
  base: './',
  define: { __VERSION__: JSON.stringify(version) },
  worker: { format: 'es', plugins: () => [appShaders] },
  build: {
    outDir: resolve(import.meta.dirname, 'dist/web'),
    target: 'es2023',
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 2500,
  },
};

/** The web app, its service worker under a name that stays, and the licences of what is in it. */
const app: UserConfig = {
  ...shared,
  plugins: [contentPolicy, appShaders, withoutZarr, offlineFiles],
  build: {
    ...shared.build,
    emptyOutDir: true,
    license: { fileName: 'licenses.md' },
    rolldownOptions: {
      input: [resolve(root, 'index.html'), resolve(root, 'service-worker.ts')],
      output: {
        entryFileNames: ({ name }) =>
          name === 'service-worker' ? SERVICE_WORKER : 'assets/[name]-[hash].js',
      },
    },
  },
};

/** `voxelgrad.js` beside it: everything in one module, for pages without a bundler. */
const library: UserConfig = {
  ...shared,
  plugins: [libraryShaders],
  publicDir: false,
  build: {
    ...shared.build,
    emptyOutDir: false,
    lib: {
      entry: resolve(import.meta.dirname, 'src/entries/page.ts'),
      formats: ['es'],
      fileName: () => 'voxelgrad.js',
    },
    // One module, also of what the app loads later.
    rolldownOptions: { output: { minify: true, codeSplitting: false } },
  },
};

const config: UserConfigFnObject = ({ mode }) => (mode === 'library' ? library : app);
export default config;
