// Tests of the pages in Chromium, against a running installation: `./dev browser`.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/browser/**/*.spec.ts"],
    globalSetup: ["tests/browser/setup.ts"],
    environment: "node",
    // one installation: some tests stop its processes
    fileParallelism: false,
    isolate: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
