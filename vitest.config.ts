import { defineConfig, type ViteUserConfig } from 'vitest/config';

// One fork, no file parallelism: the tests share one software GPU, which uses every core by itself.
const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Every way in knows the paper's presets.
    setupFiles: ['src/study/presets/index.ts'],
    pool: 'forks',
    fileParallelism: false,
    // The bundled driver compiles some kernels for most of a minute on a busy machine.
    testTimeout: 180_000,
    hookTimeout: 120_000,
  },
});
export default config;
