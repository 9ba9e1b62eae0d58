// A page on the installation under test. It fails its test on a console error, an exception, a dialog, a violation of the policy, or a
// request to another origin.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { type Browser as Chromium, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterEach, beforeEach, expect, inject } from "vitest";

import { type KeyName, KEYS, SITE } from "./environment";

export { KEYS, SITE } from "./environment";

export interface Browser {
  page: Page;
  context: BrowserContext;
  /** What the page did that it must not do. */
  problems: string[];
  close: () => Promise<void>;
}

export interface Look {
  width?: number;
  height?: number;
  scheme?: "light" | "dark";
  language?: string;
}

let connection: Promise<Chromium> | undefined;

/** A browser without cookies and storage. */
export async function openBrowser(look: Look = {}): Promise<Browser> {
  connection ??= chromium.connect(inject("browser"));
  const context = await (
    await connection
  ).newContext({
    viewport: { width: look.width ?? 1440, height: look.height ?? 900 },
    colorScheme: look.scheme ?? "light",
    locale: look.language ?? "en-US",
    reducedMotion: "reduce",
  });
  context.setDefaultTimeout(30_000);
  const problems: string[] = [];
  await context.exposeFunction("reportViolation", (text: string) => problems.push(text));
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      const { reportViolation } = window as unknown as { reportViolation: (text: string) => void };
      reportViolation(`the policy forbids ${event.blockedURI} (${event.violatedDirective})`);
    });
  });
  context.on("page", (page) => {
    watch(page, problems);
  });
  const page = await context.newPage();
  return { page, context, problems, close: () => context.close() };
}

function watch(page: Page, problems: string[]): void {
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("dialog", (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", (message) => {
    // the browser logs every error response, also those that a page expects
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) problems.push(message.text());
  });
  page.on("request", (request) => {
    const url = request.url();
    if (new URL(url).origin !== SITE && !url.startsWith("data:") && !url.startsWith("blob:")) problems.push(`request to ${url}`);
  });
}

/** A browser for each test of the file, signed in with a key. */
export function browserPerTest(key?: KeyName): Browser {
  const current = {} as Browser;
  beforeEach(async () => {
    Object.assign(current, await openBrowser());
    if (key !== undefined) await signIn(current.page, KEYS[key]);
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === "fail") await keepPicture(current.page, task.name);
    await current.close();
    expect(current.problems).toEqual([]);
  });
  return current;
}

async function keepPicture(page: Page, name: string): Promise<void> {
  const folder = join(process.env["APRENDIZ_PROCESSES"] ?? ".", "failed");
  await mkdir(folder, { recursive: true });
  const file = `${name.replaceAll(/\W+/g, "-").slice(0, 80)}.png`;
  await page.screenshot({ path: join(folder, file) }).catch(() => undefined);
}

/** Gives the browser the cookie of a session, without the form. */
export async function signIn(page: Page, key = KEYS.admin): Promise<void> {
  const response = await page.request.post(`${SITE}/v1/session`, { data: { api_key: key } });
  expect(response.status(), await response.text()).toBe(201);
}

/** A request with the session of the page. */
export async function post<T>(page: Page, path: string, data: object, method = "POST"): Promise<T> {
  const session = (await (await page.request.get(`${SITE}/v1/session`)).json()) as { csrf_token: string };
  const response = await page.request.fetch(SITE + path, { method, data, headers: { "X-CSRF-Token": session.csrf_token } });
  expect(response.ok(), `${method} ${path}: ${await response.text()}`).toBe(true);
  return (await response.json()) as T;
}

export async function get<T>(page: Page, path: string): Promise<T> {
  const response = await page.request.get(SITE + path);
  expect(response.ok(), `GET ${path}: ${String(response.status())}`).toBe(true);
  return (await response.json()) as T;
}

/** Waits until a view shows its data. */
export async function loaded(page: Page): Promise<void> {
  await page.locator("h1").first().waitFor();
  await page.waitForFunction(() => document.querySelector("[aria-busy=true]") === null);
}
