import { defineConfig } from "vitest/config";

// Node loads the tests itself (native type stripping), so what fails in production fails here.
const integration = "**/*.integration.test.ts";

export default defineConfig({
  test: {
    // The suites wait for processes and clocks as much as they compute.
    maxWorkers: 2,
    experimental: { viteModuleRunner: false },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          // Generous: suites run beside each other on two cores.
          testTimeout: 20_000,
          include: ["{packages,services}/*/test/**/*.test.ts", "e2e/test/repo-rules/*.test.ts"],
          exclude: [integration],
        },
      },
      {
        extends: true,
        test: {
          name: "integration",
          include: [`{packages,services}/*/test/${integration}`],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["e2e/test/stories/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
