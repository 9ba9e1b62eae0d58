// What the pages show while workers and servers end, and that they go on afterwards.
import { expect, test } from "vitest";

import { api, ended, startRun } from "./environment";
import { Gate, start, stop } from "./processes";
import { SITE, browserPerTest } from "./site";

const browser = browserPerTest("operator");

interface Attempts {
  items: { number: number; status: string; resumed_from_step: number | null }[];
}

test("a worker is killed: its attempt is lost, and the run resumes on another one", async () => {
  const { page } = browser;
  await stop("worker");
  const gate = new Gate("fragile", "after-checkpoint 5");
  await start("fragile", { APRENDIZ_LEASE_SECONDS: "2", APRENDIZ_CHECKPOINT_SECONDS: "0" });
  const run = await startRun("killed", { data: { fields: ["contract_type"] } });
  try {
    await page.goto(`${SITE}/runs/${run.id}?tab=attempts`);
    await gate.reached();
    await page.getByRole("table").locator('[data-state="running"]').waitFor();
    // the checkpoint is in the bucket when its event is in the database
    await page.getByRole("tab", { name: "Logs" }).click();
    await page.getByText("checkpoint", { exact: true }).first().waitFor();
    await stop("fragile", "SIGKILL");
  } finally {
    gate.open();
    await start("worker");
  }
  await page.getByRole("tab", { name: "Attempts" }).click();
  await page.getByRole("table").locator('[data-state="lost"]').waitFor({ timeout: 90_000 });
  await page.locator('[data-state="succeeded"]').first().waitFor({ timeout: 90_000 });
  await page
    .getByRole("table")
    .getByText(/from step \d+/)
    .waitFor();
  const { items } = await api<Attempts>("GET", `/v1/training-runs/${run.id}/attempts`);
  expect(items.map((attempt) => attempt.status).sort()).toEqual(["lost", "succeeded"]);
  await ended(run.id);
});

test("a run is cancelled while it trains", async () => {
  const { page } = browser;
  const gate = new Gate("worker", "step 5");
  try {
    const run = await startRun("cancelled", { data: { fields: ["contract_type"] } });
    await page.goto(`${SITE}/runs/${run.id}`);
    await gate.reached();
    await page.locator('[data-state="running"]').first().waitFor();
    await page.getByRole("button", { name: "Cancel run" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel run" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    gate.open();
    await page.locator('[data-state="cancelled"]').first().waitFor({ timeout: 90_000 });
    await page.getByRole("button", { name: "Retry" }).waitFor();
  } finally {
    gate.open();
  }
});

test("a page goes on after the server was restarted, without a reload and without another sign-in", async () => {
  const { page } = browser;
  const gate = new Gate("worker", "step 5");
  try {
    const run = await startRun("restarted", { data: { fields: ["contract_type"] } });
    await page.goto(`${SITE}/runs/${run.id}`);
    await gate.reached();
    await page.locator('[data-state="running"]').first().waitFor();
    await page.evaluate(() => {
      (window as unknown as { isSamePage: boolean }).isSamePage = true;
    });
    await stop("serve");
    await page.getByText("Live updates are interrupted").waitFor();
    await start("serve");
    await page.getByText("Live updates are interrupted").waitFor({ state: "detached", timeout: 60_000 });
    gate.open();
    await page.locator('[data-state="succeeded"]').first().waitFor({ timeout: 90_000 });
    expect(await page.evaluate(() => "isSamePage" in window)).toBe(true);
  } finally {
    gate.open();
  }
});
