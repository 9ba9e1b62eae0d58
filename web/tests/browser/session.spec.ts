import { expect, test } from "vitest";

import { KEYS, signIn, SITE, browserPerTest } from "./site";

const browser = browserPerTest();

test("a wrong key is refused with the reason", async () => {
  const { page } = browser;
  await page.goto(`${SITE}/sign-in`);
  await page.getByLabel("API key", { exact: true }).fill("apz_wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page
    .getByRole("alert")
    .getByText(/^unauthorized · request/)
    .waitFor();
});

test("signing in leads to the page that was asked for, and signing out ends the session", async () => {
  const { page } = browser;
  await page.goto(`${SITE}/operations?tab=failures`);
  await page.getByLabel("API key", { exact: true }).waitFor();
  expect(new URL(page.url()).pathname).toBe("/sign-in");
  await page.getByLabel("API key", { exact: true }).fill(KEYS.admin);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL("**/operations?tab=failures");
  await page.getByRole("button", { name: "Account" }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByLabel("API key", { exact: true }).waitFor();
  await page.goto(`${SITE}/runs`);
  await page.getByLabel("API key", { exact: true }).waitFor();
});

test("the language is Portuguese after it was chosen, also after a reload", async () => {
  const { page } = browser;
  await signIn(page);
  await page.goto(`${SITE}/runs`);
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
  await page.goto(`${SITE}/runs`);
  await page.getByRole("heading", { name: "Runs", level: 1 }).waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: /Go to a run/ }).fill("operations");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/operations");
  await page.goto(`${SITE}/no-such-page`);
  await page.getByRole("heading", { name: "Page not found" }).waitFor();
});
