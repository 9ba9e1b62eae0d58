// Development only: `vite` and `vite preview` pass requests of the API on to a server, and preview sends the page under its policy.
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import type { Plugin, ProxyOptions } from "vite";

// The server sees the host of the browser: the cookie and the check of the origin are those of a page that it serves itself.
const target: ProxyOptions = { target: process.env["APRENDIZ_URL"] ?? "http://127.0.0.1:8080", changeOrigin: false };

export const apiProxy: Record<string, ProxyOptions> = { "^/(v1|auth)/": target, "^/(readyz|openapi.json)$": target };

/** Sends the built page as the server does: with a nonce per response. */
export function previewPolicy(): Plugin {
  return {
    name: "aprendiz-preview-policy",
    configurePreviewServer: (server) => {
      server.middlewares.use((req, res, next) => {
        const isPage = req.headers.accept?.includes("text/html") === true && req.url?.startsWith("/auth/") !== true;
        if (!isPage || req.url?.startsWith("/v1/") === true) return next();
        sendPage(join(server.config.root, server.config.build.outDir, "index.html"), res).catch(next);
      });
    },
  };
}

async function sendPage(file: string, res: ServerResponse): Promise<void> {
  const nonce = randomBytes(16).toString("base64");
  const page = await readFile(file, "utf8");
  res.setHeader("Content-Type", "text/html; charset=utf-8");
  res.setHeader(
    "Content-Security-Policy",
    `default-src 'none'; script-src 'self'; style-src 'self' 'nonce-${nonce}'; img-src 'self' data:; connect-src 'self'; font-src 'self'; ` +
      "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  );
  res.end(page.replaceAll("__CSP_NONCE__", nonce));
}
