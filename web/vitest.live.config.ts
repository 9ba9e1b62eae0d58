// The contract of the client, against a running server: `./dev contract`.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["tests/contract.spec.ts"], environment: "node", testTimeout: 120_000, hookTimeout: 120_000 },
});
