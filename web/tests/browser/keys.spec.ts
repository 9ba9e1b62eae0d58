// API keys: an admin creates one that expires, uses it, and revokes it; others do not see them.
import { expect, test } from "vitest";

import { browserPerTest, get, KEYS, loaded, SITE, signIn } from "./site";

const browser = browserPerTest("admin");

test("a key is created with an expiry, its secret is shown once, and it is revoked", async () => {
  const { page } = browser;
  const name = `guest ${String(Date.now())}`;
  await page.goto(`${SITE}/admin?tab=keys`);
  await loaded(page);
  await page.getByRole("button", { name: "Create an API key" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill(name);
  await dialog.getByLabel("Last day").fill(new Date(Date.now() + 40 * 86_400_000).toISOString().slice(0, 10));
  await dialog.getByRole("button", { name: "Create an API key" }).click();
  await dialog.getByText("The secret is shown only now").waitFor();
  const secret = (await dialog.locator("code").first().innerText()).trim();
  expect(secret).toMatch(/^apz_[0-9a-f]{64}$/);
  const ask = () => fetch(`${SITE}/v1/keys/current`, { headers: { Authorization: `Bearer ${secret}` } });
  const key = (await (await ask()).json()) as { name: string; role: string; expires_at: string | null };
  expect(key).toMatchObject({ name, role: "viewer" });
  expect(Date.parse(key.expires_at ?? "")).toBeGreaterThan(Date.now());
  await dialog.getByRole("button", { name: "I have stored it" }).click();
  await dialog.waitFor({ state: "hidden" });

  const row = page.getByRole("row").filter({ hasText: name });
  await row.locator('[data-key-state="valid"]').waitFor();
  expect(await page.content()).not.toContain(secret);
  await page.getByRole("button", { name: `Revoke ${name}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke", exact: true }).click();
  await row.locator('[data-key-state="revoked"]').waitFor();
  expect((await ask()).status).toBe(401);
  const { items } = await get<{ items: { name: string; revoked_at: string | null }[] }>(page, "/v1/api-keys");
  expect(items.find((item) => item.name === name)?.revoked_at).not.toBeNull();
});

test("keys are for admins", async () => {
  const { page } = browser;
  await signIn(page, KEYS.operator);
  await page.goto(`${SITE}/admin?tab=keys`);
  await loaded(page);
  await page.getByRole("tab", { name: "Your API key" }).waitFor();
  expect(await page.getByRole("tab", { name: "API keys", exact: true }).count()).toBe(0);
  expect(await page.getByRole("button", { name: "Create an API key" }).count()).toBe(0);
});
