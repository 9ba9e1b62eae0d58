// Attacks on the session and on the page: by another site, by a link, by a planted cookie.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { afterAll, beforeAll, expect, test } from "vitest";

import { api, ended, KEYS, type Run, startRun } from "./environment";
import { openBrowser, signIn, SITE } from "./site";

const COOKIE = "aprendiz_session";

// A site on another port: its cookies are those of the same host, so SameSite does not keep it away.
let attacker: Server;
let evil = "";
beforeAll(async () => {
  attacker = createServer((_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><body></body>"));
  await new Promise<void>((resolve) => attacker.listen(0, "127.0.0.1", resolve));
  evil = `http://127.0.0.1:${String((attacker.address() as AddressInfo).port)}`;
});
afterAll(() => attacker.close());

async function session(token: string): Promise<number> {
  return (await fetch(`${SITE}/v1/session`, { headers: { Cookie: `${COOKIE}=${token}` } })).status;
}

test("a planted cookie does not become a session, and each sign-in makes another one", async () => {
  const { page, context, close } = await openBrowser();
  const planted = "a".repeat(64);
  await context.addCookies([{ name: COOKIE, value: planted, url: SITE }]);
  await signIn(page);
  const token = async (): Promise<string> => (await context.cookies()).find((cookie) => cookie.name === COOKIE)?.value ?? "";
  const first = await token();
  expect(first).not.toBe("");
  expect(first).not.toBe(planted);
  expect(await session(planted)).toBe(401);
  expect(await session(first)).toBe(200);
  await signIn(page);
  expect(await token()).not.toBe(first);
  expect(await session(first)).toBe(401);
  const [cookie] = await context.cookies();
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Strict", path: "/" });
  await page.goto(`${SITE}/runs`);
  expect(await page.evaluate(() => document.cookie)).toBe("");
  await close();
});

test("a page of another origin changes nothing, although its requests have the cookie", async () => {
  const { page, context, close } = await openBrowser();
  await signIn(page);
  const run = await startRun("forged", { run_after: new Date(Date.now() + 3_600_000).toISOString() });
  const path = `/v1/training-runs/${run.id}`;
  const before = await api<{ items: Run[] }>("GET", "/v1/training-runs?model=stolen");
  expect(before.items).toEqual([]);
  await page.goto(evil);
  const sent: { url: string; hasCookie: boolean; status: Promise<number | undefined> }[] = [];
  context.on("request", (request) => {
    if (!request.url().startsWith(SITE)) return;
    // requests of the page that is shown at the end may outlive it
    const status = request.response().then(
      (response) => response?.status(),
      () => undefined,
    );
    request.allHeaders().then(
      (headers) => {
        sent.push({ url: request.url(), hasCookie: headers["cookie"]?.includes(COOKIE) === true, status });
      },
      () => undefined,
    );
  });
  // requests that need no permission of the other origin
  await page.evaluate(
    async ([site, target]) => {
      const simple = { mode: "no-cors", credentials: "include" } as const;
      await fetch(`${site}${target}/cancel`, { ...simple, method: "POST" });
      await fetch(`${site}/v1/training-runs`, { ...simple, method: "POST", body: JSON.stringify({ model: "stolen", kind: "linear" }) });
      // one that needs it, and does not get it
      await fetch(`${site}/v1/session`, { method: "DELETE", credentials: "include" }).catch(() => undefined);
      // reading is not allowed either
      const read = await fetch(`${site}/v1/session`, { credentials: "include" }).then(
        () => "read",
        () => "refused",
      );
      if (read !== "refused") throw new Error("another origin has read the session");
    },
    [SITE, path] as const,
  );
  // a form that is sent as a navigation
  await page.evaluate(
    ([site, target]) => {
      const form = document.createElement("form");
      form.method = "post";
      form.action = `${site}${target}/cancel`;
      form.enctype = "text/plain";
      document.body.append(form);
      form.submit();
    },
    [SITE, path] as const,
  );
  await page.waitForURL(`${SITE}${path}/cancel`);
  const posts = sent.filter((request) => request.url.includes("/training-runs"));
  expect(posts.length).toBeGreaterThanOrEqual(3);
  expect(posts.some((request) => request.hasCookie)).toBe(true);
  for (const request of posts) expect(await request.status, request.url).toBeOneOf([401, 403, 415, undefined]);
  expect((await api<Run>("GET", path)).status).toBe("queued");
  expect((await api<{ items: Run[] }>("GET", "/v1/training-runs?model=stolen")).items).toEqual([]);
  await page.goto(`${SITE}/runs`);
  await page.getByRole("heading", { name: "Runs", level: 1 }).waitFor();
  await api("POST", `${path}/cancel`);
  await ended(run.id, "cancelled");
  await close();
});

test("no page of another origin shows this one in a frame", async () => {
  const { page, close } = await openBrowser();
  await signIn(page);
  await page.goto(evil);
  const blocked = page.waitForEvent("console", (message) => message.text().includes("frame"));
  await page.evaluate((site) => {
    const frame = document.createElement("iframe");
    frame.src = `${site}/runs`;
    document.body.append(frame);
  }, SITE);
  await blocked;
  for (const frame of page.frames().slice(1)) expect(frame.url().startsWith(SITE)).toBe(false);
  for (const path of ["/", "/runs", "/favicon.svg", "/sign-in?next=/x"]) {
    const { headers } = await fetch(SITE + path, { headers: { Accept: "text/html" } });
    const policy = headers.get("content-security-policy") ?? "";
    expect(policy, path).toContain("frame-ancestors 'none'");
    expect(policy, path).toContain("default-src 'none'");
    expect(policy, path).not.toMatch(/unsafe-inline|unsafe-eval|\*|https?:/);
    expect(headers.get("x-frame-options"), path).toBe("DENY");
    expect(headers.get("x-content-type-options"), path).toBe("nosniff");
  }
  await close();
});

// what browsers and routers read differently
const LINKS = [
  "//evil.example/",
  "/\\evil.example/",
  "/\t/evil.example/",
  "/\n//evil.example/",
  "javascript:window.attacked=1",
  "/.//evil.example/",
  "/runs/..//evil.example/",
];

test("no link leads to another site after the sign-in", async () => {
  const { page, context, problems, close } = await openBrowser();
  for (const link of LINKS) {
    await context.clearCookies();
    await page.goto(`${SITE}/sign-in?next=${encodeURIComponent(link)}`);
    await page.getByLabel("API key", { exact: true }).fill(KEYS.viewer);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL((url) => url.pathname !== "/sign-in");
    await page.locator("h1").first().waitFor();
    expect(new URL(page.url()).origin, link).toBe(SITE);
    expect(await page.evaluate(() => "attacked" in window), link).toBe(false);
  }
  expect(problems).toEqual([]);
  await close();
});
