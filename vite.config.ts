import { resolve } from 'node:path';
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

/** Takes the comments out of the embedded shaders; `// @…` and `//!…` are the specialiser's. */
const shaderComments: Plugin = {
  name: 'shader-comments',
  transform(code, id) {
    if (!id.endsWith('shaders.generated.ts')) return null;
    return { code: code.replace(/(?:\\n)?[ ]*\/\/(?!!| @)(?:(?!\\n).)*/g, ''), map: null };
  },
};

/** Codecs of zarr archives, 1.4 MB, which NiiVue would load for files that the app never opens. */
const withoutZarr: Plugin = {
  name: 'without-zarr-codecs',
  enforce: 'pre',
  resolveId: (id) => (id.startsWith('numcodecs/') ? '\0no-codec' : null),
  load: (id) => (id === '\0no-codec' ? 'export default undefined;' : null),
};

// All paths are relative, so the folder works from any place on any host.
const shared: UserConfig = {
  root,
  base: './',
  plugins: [contentPolicy, shaderComments, withoutZarr],
  worker: { format: 'es', plugins: () => [shaderComments] },
  build: {
    outDir: resolve(import.meta.dirname, 'dist/web'),
    target: 'es2023',
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 2500,
  },
};

/** The web app. */
const app: UserConfig = { ...shared, build: { ...shared.build, emptyOutDir: true } };

/** `voxelgrad.js` beside it: the engine in one module, for pages without a bundler. */
const library: UserConfig = {
  ...shared,
  publicDir: false,
  build: {
    ...shared.build,
    emptyOutDir: false,
    lib: {
      entry: resolve(import.meta.dirname, 'src/index.ts'),
      formats: ['es'],
      fileName: () => 'voxelgrad.js',
    },
    rolldownOptions: { output: { minify: true } },
  },
};

const config: UserConfigFnObject = ({ mode }) => (mode === 'library' ? library : app);
export default config;
