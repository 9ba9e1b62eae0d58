import { expect, test } from "vitest";

import { ended, startRun } from "./environment";
import { get, KEYS, openBrowser, post, signIn, SITE, browserPerTest } from "./site";

const browser = browserPerTest("admin");

const MODEL = `promoted-${String(process.pid)}`;

async function train(model: string, params: object): Promise<void> {
  const run = await startRun(model, { data: { fields: ["contract_type"] }, params });
  await ended(run.id);
}

test("the gate refuses, an admin overrides it with a reason, and the alias goes back", async () => {
  const { page } = browser;
  await train(MODEL, {});
  await train(MODEL, { l2: 0.1 });
  await page.goto(`${SITE}/models/${MODEL}`);
  await page.getByRole("table", { name: "Versions" }).getByRole("button", { name: "Promote" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("insufficient evidence").waitFor();
  await dialog.getByRole("button", { name: "Promote" }).click();
  await dialog.getByText("insufficient_evidence").waitFor();
  await dialog.getByLabel("Promote against the gate (needs a reason)").check();
  expect(await dialog.getByRole("button", { name: "Promote" }).isDisabled()).toBe(true);
  await dialog.getByRole("textbox", { name: "Reason" }).fill("compared by hand");
  await dialog.getByRole("button", { name: "Promote" }).click();
  await dialog.waitFor({ state: "detached" });
  expect((await get<{ number: number }>(page, `/v1/models/${MODEL}/aliases/champion`)).number).toBe(2);
  await page.getByRole("tab", { name: "Aliases" }).click();
  await page.getByText("compared by hand").waitFor();
  await page.getByText("against the gate").waitFor();
  await page.getByRole("button", { name: "Roll back" }).click();
  await page.getByRole("dialog").getByRole("textbox", { name: "Reason" }).fill("worse in use");
  await page.getByRole("dialog").getByRole("button", { name: "Roll back" }).click();
  await page.getByText("worse in use").waitFor();
  expect((await get<{ number: number }>(page, `/v1/models/${MODEL}/aliases/champion`)).number).toBe(1);
  await page.getByRole("tab", { name: "Try it" }).click();
  await page.getByLabel("Text", { exact: true }).fill("This statement of work describes the services.");
  await page.getByRole("button", { name: "Predict" }).click();
  await page.getByRole("region", { name: "Prediction" }).getByText("contract_type").waitFor();
});

test("a promotion that needs approval is approved with another key", async () => {
  const { page } = browser;
  const model = `${MODEL}-approval`;
  await post(
    page,
    `/v1/models/${model}`,
    { promotion: "approval", gate: { metric: "accuracy", margin: 0.5, min_n: 1, field_margins: {} } },
    "PUT",
  );
  for (const l2 of [0.1, 0.2]) await train(model, { l2 });
  await page.goto(`${SITE}/models/${model}`);
  await page.locator('tr[data-row="2"]').getByRole("button", { name: "Promote" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Promote" }).click();
  await page.getByText("Another key must approve it.").waitFor();
  const second = await openBrowser();
  await signIn(second.page, KEYS.second);
  await second.page.goto(`${SITE}/models/${model}`);
  await second.page.getByRole("button", { name: "Approve" }).click();
  await second.page.getByRole("dialog").getByRole("button", { name: "Approve" }).click();
  await second.page.locator('tr[data-row="2"]').getByText("champion").waitFor();
  await second.close();
  expect(second.problems).toEqual([]);
});
