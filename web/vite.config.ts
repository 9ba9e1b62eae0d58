import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

import { devSessions } from "./scripts/dev-sessions.ts";

export default defineConfig({
  plugins: [react(), devSessions()],
  build: {
    target: "es2022",
    sourcemap: false,
    manifest: true,
    // without it, small files become data: URLs, which the policy forbids
    assetsInlineLimit: 0,
  },
});
