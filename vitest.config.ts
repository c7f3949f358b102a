import { defineConfig } from "vitest/config";

// Node loads the tests itself (native type stripping), so what fails in production fails here.
const integration = "**/*.integration.test.ts";
const kernel = "**/*.kernel.test.ts";
const vm = "**/*.vm.test.ts";
const units = "{packages,services}/*";

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
          include: [`${units}/test/**/*.test.ts`, "e2e/guest/test/*.test.ts", "e2e/test/repo-rules/*.test.ts"],
          exclude: [integration, kernel, vm],
        },
      },
      {
        extends: true,
        test: {
          name: "integration",
          include: [`${units}/test/${integration}`, `e2e/guest/test/${integration}`],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          // Each file in network namespaces of its own, on this machine's kernel.
          name: "kernel",
          include: [`{${units},e2e}/test/${kernel}`],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          // In the kernel guest, where what computes is 15 times slower: one process for all files, and patience.
          name: "vm",
          include: [`{${units},e2e}/test/${vm}`],
          fileParallelism: false,
          isolate: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
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
