// Tests speak to real ports, brokers and files: files run in parallel only as far as the two cores of a small machine
// carry them.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    globalSetup: ['test/support/program.ts'],
    setupFiles: ['test/support/check-contract.ts'],
    include: ['test/**/*.test.ts'],
    // A broker that is large to fetch and slow to start: `npm run test:interop` does both.
    exclude: ['test/interop/rabbitmq.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    allowOnly: false,
    passWithNoTests: false,
  },
});
