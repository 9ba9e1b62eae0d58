// A browser on the site under test. Every page fails its test on a console error, an exception, or a request to another host.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type BrowserContext, chromium, type Page } from "playwright-core";
import { expect } from "vitest";

export const SITE = required("APRENDIZ_SITE");
export const KEY = required("APRENDIZ_API_KEY");

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "")
    throw new Error(`${name} is not set: the browser tests need a running site with imported documents and an admin key`);
  return value;
}

export interface Browser {
  page: Page;
  close: () => Promise<void>;
}

export async function openBrowser(): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), "aprendiz-browser-"));
  const context: BrowserContext = await chromium.launchPersistentContext(profile, {
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
    viewport: { width: 1440, height: 900 },
    locale: "en-US",
  });
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => {
    // the browser logs every error response, also those that a page expects
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) problems.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(SITE) && !request.url().startsWith("data:")) problems.push(`request to ${request.url()}`);
  });
  return {
    page,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
      expect(problems).toEqual([]);
    },
  };
}

export async function signIn(page: Page, key = KEY): Promise<void> {
  await page.goto(`${SITE}/sign-in`);
  await page.getByLabel("API key", { exact: true }).fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Runs", level: 1 }).waitFor();
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
