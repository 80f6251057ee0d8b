import { defineConfig } from 'vitest/config';

// One fork, no file parallelism: the tests share one software GPU, which uses every core by itself.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
