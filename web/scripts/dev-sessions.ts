// Development only: sessions and the Content-Security-Policy of the server, for `vite` and `vite preview`. The product never contains it.
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type IncomingMessage, request, type ServerResponse } from "node:http";
import { join } from "node:path";
import type { Plugin } from "vite";

interface StoredSession {
  key: string;
  body: { actor: { id: string; name: string; role: string }; csrf_token: string; expires_at: string };
}

const COOKIE = "aprendiz_dev_session";
const SESSION_MILLIS = 8 * 3_600_000;

export function devSessions(): Plugin {
  const api = new URL(process.env["APRENDIZ_URL"] ?? "http://127.0.0.1:8080");
  const sessions = new Map<string, StoredSession>();

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const session = sessions.get(cookie(req) ?? "");
    if (req.url?.startsWith("/v1/session") === true) return answerSession(req, res, session);
    const unsafe = !["GET", "HEAD", "OPTIONS"].includes(req.method ?? "GET");
    if (session !== undefined && unsafe && req.headers["x-csrf-token"] !== session.body.csrf_token) {
      return problem(res, 403, "csrf_failed", "the header X-CSRF-Token is missing or wrong");
    }
    forward(req, res, session);
  }

  async function answerSession(req: IncomingMessage, res: ServerResponse, session: StoredSession | undefined): Promise<void> {
    if (req.method === "DELETE") {
      sessions.delete(cookie(req) ?? "");
      res.writeHead(204, { "Set-Cookie": `${COOKIE}=; Path=/; Max-Age=0` }).end();
      return;
    }
    if (req.method === "POST") {
      const { api_key: key } = JSON.parse(await text(req)) as { api_key: string };
      const response = await fetch(new URL("/v1/keys/current", api), { headers: { Authorization: `Bearer ${key}` } });
      if (!response.ok) return problem(res, 401, "unauthorized", "the API key is unknown or revoked");
      const actor = (await response.json()) as StoredSession["body"]["actor"];
      const id = randomBytes(16).toString("hex");
      const body = {
        actor: { id: actor.id, name: actor.name, role: actor.role },
        csrf_token: randomBytes(16).toString("hex"),
        expires_at: new Date(Date.now() + SESSION_MILLIS).toISOString(),
      };
      sessions.set(id, { key, body });
      res.setHeader("Set-Cookie", `${COOKIE}=${id}; Path=/; HttpOnly; SameSite=Strict`);
      return json(res, 201, body);
    }
    if (session === undefined) return problem(res, 401, "unauthorized", "there is no session");
    json(res, 200, session.body);
  }

  function forward(req: IncomingMessage, res: ServerResponse, session: StoredSession | undefined): void {
    const headers = { ...req.headers, host: api.host };
    delete headers.cookie;
    if (session !== undefined) headers.authorization = `Bearer ${session.key}`;
    const upstream = request({ hostname: api.hostname, port: api.port, path: req.url, method: req.method, headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
    });
    upstream.on("error", (error) => {
      if (!res.headersSent) problem(res, 503, "overloaded", `the API does not respond: ${error.message}`);
    });
    res.on("close", () => upstream.destroy());
    req.pipe(upstream);
  }

  const middleware = (req: IncomingMessage, res: ServerResponse, next: () => void): void => {
    if (req.url?.startsWith("/v1/") !== true) return next();
    handle(req, res).catch((error: unknown) => problem(res, 500, "internal", String(error)));
  };

  return {
    name: "aprendiz-dev-sessions",
    apply: (_, { command }) => command === "serve",
    configureServer: (server) => {
      server.middlewares.use(middleware);
    },
    configurePreviewServer: (server) => {
      server.middlewares.use(middleware);
      // the page as the server sends it: a nonce per response, under its policy
      server.middlewares.use((req, res, next) => {
        if (req.headers.accept?.includes("text/html") !== true) return next();
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

function cookie(req: IncomingMessage): string | undefined {
  return req.headers.cookie
    ?.split("; ")
    .find((pair) => pair.startsWith(`${COOKIE}=`))
    ?.slice(COOKIE.length + 1);
}

async function text(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function json(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}

function problem(res: ServerResponse, status: number, code: string, detail: string): void {
  res.writeHead(status, { "Content-Type": "application/problem+json" });
  res.end(JSON.stringify({ type: `urn:aprendiz:problem:${code}`, title: "Error", status, code, detail }));
}
