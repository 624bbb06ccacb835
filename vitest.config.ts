import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    passWithNoTests: false,
    projects: [
      // Properties take seconds on a machine that is busy.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 30_000 } },
      // One file at a time: nf_conntrack_max and the listener flag belong to the whole host.
      {
        test: {
          name: 'kernel',
          include: ['test/kernel/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'process',
          include: ['test/process/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      // Whole services: a systemd, Prometheus, log shippers.
      {
        test: {
          name: 'service',
          include: ['test/service/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      // Its incidents run side by side, as many as the test says.
      {
        test: {
          name: 'incident',
          include: ['test/incident/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
    ],
    coverage: { include: ['src/**'], reporter: ['text-summary'], reportsDirectory: 'coverage' },
  },
});
