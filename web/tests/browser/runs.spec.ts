import { expect, test } from "vitest";

import { Gate } from "./processes";
import { get, post, SITE, browserPerTest } from "./site";

const browser = browserPerTest("operator");

const MODEL = `browser-${String(process.pid)}`;

test("a run is started from the form and watched to its end, down to the documents behind an error", async () => {
  const { page } = browser;
  await page.goto(`${SITE}/runs`);
  await page.getByRole("link", { name: "Start a run" }).click();
  await page.getByRole("heading", { name: "Start a run", level: 1 }).waitFor();
  await page.getByRole("combobox", { name: /^Model/ }).fill(MODEL);
  await page.getByRole("combobox", { name: "Fields" }).click();
  await page.getByRole("option", { name: /^contract_type/ }).click();
  await page.keyboard.press("Escape");
  await page.getByText(/Train \d+ · validation \d+ · test \d+/).waitFor();
  await page.getByText(`aprendiz run create --model ${MODEL} --kind linear --fields contract_type`).waitFor();
  const gate = new Gate("worker", "step 5");
  await page.getByRole("button", { name: "Start the run" }).click();
  await page.waitForURL(/\/runs\/[0-9a-f-]{36}/);
  // what the page shows of the held training arrives without a reload, and so does its end
  await gate.reached();
  await page.locator('[data-state="running"]').first().waitFor();
  await page.getByRole("list", { name: "Phases" }).getByText("Train").waitFor();
  gate.open();
  await page.locator('[data-state="succeeded"]').first().waitFor({ timeout: 90_000 });
  await page.getByRole("heading", { name: `${MODEL} v1` }).waitFor();
  await page.getByRole("tab", { name: "Logs" }).click();
  await page.getByText(`published ${MODEL} version 1`).waitFor();
  await page.getByRole("tab", { name: "Metrics" }).click();
  const cell = page.getByRole("region", { name: "Confusion matrix" }).getByRole("link").first();
  const title = (await cell.getAttribute("aria-label")) ?? "";
  await cell.click();
  await page.waitForURL(/tab=errors/);
  await page.getByRole("table", { name: "Errors" }).getByRole("link").first().waitFor();
  const count = Number(/: (\d+) \(/.exec(title)?.[1]);
  await page.waitForFunction((rows) => document.querySelectorAll("tr[data-row]").length === rows, count);
});

test("filters are in the URL, and a run can be cancelled and retried", async () => {
  const { page } = browser;
  const later = new Date(Date.now() + 3_600_000).toISOString();
  const run = await post<{ id: string }>(page, "/v1/training-runs", { model: MODEL, kind: "linear", run_after: later });
  await page.goto(`${SITE}/runs?model=${MODEL}&status=queued`);
  await page.locator(`tr[data-row="${run.id}"] [data-state="queued"]`).waitFor();
  await page.locator(`tr[data-row="${run.id}"] input[type=checkbox]`).check();
  await page.getByRole("button", { name: "Cancel (1)" }).click();
  await page.getByText("Cancellation requested for 1 run").waitFor();
  await page.goto(`${SITE}/runs?model=${MODEL}&status=cancelled`);
  await page.locator(`tr[data-row="${run.id}"] [data-state="cancelled"]`).waitFor();
  await page.locator(`tr[data-row="${run.id}"] a`).first().click();
  await page.getByRole("button", { name: "Explain" }).click();
  await page.getByRole("dialog").getByText("cancelled").first().waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Retry" }).click();
  await page.locator('[data-state="succeeded"]').first().waitFor({ timeout: 90_000 });
  expect((await get<{ status: string }>(page, `/v1/training-runs/${run.id}`)).status).toBe("succeeded");
});

test("a new run appears in the list by itself", async () => {
  const { page } = browser;
  await page.goto(`${SITE}/runs?model=${MODEL}`);
  await page.getByRole("table", { name: "Runs" }).waitFor();
  const later = new Date(Date.now() + 3_600_000).toISOString();
  const run = await post<{ id: string }>(page, "/v1/training-runs", { model: MODEL, kind: "linear", run_after: later });
  await page.locator(`tr[data-row="${run.id}"]`).waitFor();
  await post(page, `/v1/training-runs/${run.id}/cancel`, {});
  await page.locator(`tr[data-row="${run.id}"] [data-state="cancelled"]`).waitFor();
});
