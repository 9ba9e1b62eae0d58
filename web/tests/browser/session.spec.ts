import { afterEach, beforeEach, expect, test } from "vitest";

import { type Browser, openBrowser, signIn, SITE } from "./site";

let browser: Browser;
beforeEach(async () => {
  browser = await openBrowser();
});
afterEach(() => browser.close());

test("a wrong key is refused with the reason", async () => {
  const { page } = browser;
  await page.goto(`${SITE}/sign-in`);
  await page.getByLabel("API key", { exact: true }).fill("apz_wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("unauthorized").waitFor();
});

test("signing in leads to the page that was asked for, and signing out ends the session", async () => {
  const { page } = browser;
  await page.goto(`${SITE}/operations?tab=failures`);
  await page.getByLabel("API key", { exact: true }).waitFor();
  expect(new URL(page.url()).pathname).toBe("/sign-in");
  await page.getByLabel("API key", { exact: true }).fill(process.env["APRENDIZ_API_KEY"] ?? "");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL("**/operations?tab=failures");
  await page.getByRole("button", { name: "Account" }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByLabel("API key", { exact: true }).waitFor();
  await page.goto(`${SITE}/runs`);
  await page.getByLabel("API key", { exact: true }).waitFor();
});

test("a link to another site is not followed after the sign-in", async () => {
  const { page } = browser;
  await page.goto(`${SITE}/sign-in?next=${encodeURIComponent("//evil.example/")}`);
  await page.getByLabel("API key", { exact: true }).fill(process.env["APRENDIZ_API_KEY"] ?? "");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${SITE}/runs`);
});

test.skipIf((process.env["APRENDIZ_VIEWER_KEY"] ?? "") === "")("a viewer is offered nothing that the role may not do", async () => {
  const { page } = browser;
  await signIn(page, process.env["APRENDIZ_VIEWER_KEY"] ?? "");
  await page.getByRole("table", { name: "Runs" }).waitFor();
  expect(await page.getByRole("link", { name: "Start a run" }).count()).toBe(0);
  expect(await page.getByRole("checkbox").count()).toBe(0);
  await page.goto(`${SITE}/runs/new`);
  await page.getByText("Your role cannot start runs").waitFor();
  await page.goto(`${SITE}/operations`);
  await page.getByRole("tab", { name: "Queue and workers" }).waitFor();
  expect(await page.getByRole("tab", { name: "Audit log" }).count()).toBe(0);
  await page.goto(`${SITE}/data/imports`);
  await page.getByRole("heading", { name: "Imports", level: 1 }).waitFor();
  expect(await page.getByRole("button", { name: "Choose a file" }).count()).toBe(0);
});

test("the language is Portuguese after it was chosen, also after a reload", async () => {
  const { page } = browser;
  await signIn(page);
  await page.getByRole("button", { name: "Language" }).click();
  await page.getByRole("menuitem", { name: "Português (Brasil)" }).click();
  await page.getByRole("heading", { name: "Jobs", level: 1 }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Jobs", level: 1 }).waitFor();
  expect(await page.locator("html").getAttribute("lang")).toBe("pt-BR");
});

test("the command palette goes to a model, and an unknown address says so", async () => {
  const { page } = browser;
  await signIn(page);
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: /Go to a run/ }).fill("operations");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/operations");
  await page.goto(`${SITE}/no-such-page`);
  await page.getByRole("heading", { name: "Page not found" }).waitFor();
});
