// API keys: an admin creates one that ends, uses it, and revokes it; others do not see them.
import { expect, test } from "vitest";

import { browserPerTest, KEYS, loaded, SITE, signIn } from "./site";

const browser = browserPerTest("admin");

test("a key is created with an end, its secret is shown once, and it is revoked", async () => {
  const { page } = browser;
  const name = `guest ${String(Date.now())}`;
  await page.goto(`${SITE}/admin?tab=keys`);
  await loaded(page);
  await page.getByRole("button", { name: "Create a key" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill(name);
  await dialog.getByRole("button", { name: "Create a key" }).click();
  await dialog.getByText("This is the only time that the key is shown").waitFor();
  const secret = (await dialog.getByLabel("Secret of the key").first().innerText()).trim();
  expect(secret).toMatch(/^apz_[0-9a-f]{64}$/);
  const ask = () => fetch(`${SITE}/v1/keys/current`, { headers: { Authorization: `Bearer ${secret}` } });
  const key = (await (await ask()).json()) as { name: string; role: string; expires_at: string | null };
  expect(key).toMatchObject({ name, role: "viewer" });
  expect(Date.parse(key.expires_at ?? "")).toBeGreaterThan(Date.now());
  await dialog.getByRole("button", { name: "Close" }).last().click();
  await dialog.waitFor({ state: "hidden" });

  const row = page.getByRole("row").filter({ hasText: name });
  await row.getByText("valid", { exact: true }).waitFor();
  expect(await page.content()).not.toContain(secret);
  await row.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke", exact: true }).click();
  await row.getByText("revoked", { exact: true }).waitFor();
  expect((await ask()).status).toBe(401);
});

test("keys are for admins", async () => {
  const { page } = browser;
  await signIn(page, KEYS.operator);
  await page.goto(`${SITE}/admin?tab=keys`);
  await loaded(page);
  await page.getByRole("tab", { name: "Your API key" }).waitFor();
  expect(await page.getByRole("tab", { name: "API keys", exact: true }).count()).toBe(0);
  expect(await page.getByRole("button", { name: "Create a key" }).count()).toBe(0);
});
