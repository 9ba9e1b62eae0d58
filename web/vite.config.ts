import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

import { apiProxy, previewPolicy } from "./scripts/dev-server.ts";

export default defineConfig({
  plugins: [react(), previewPolicy()],
  server: { proxy: apiProxy },
  preview: { proxy: apiProxy },
  build: {
    target: "es2022",
    sourcemap: false,
    manifest: true,
    // without it, small files become data: URLs, which the policy forbids
    assetsInlineLimit: 0,
  },
});
