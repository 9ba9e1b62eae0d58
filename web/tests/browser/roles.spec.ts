// What each role is offered: everything that it may do, and nothing else.
import { expect, inject, test } from "vitest";

import { ended, type KeyName, KEYS, SITE, startRun } from "./environment";
import { loaded, signIn, browserPerTest } from "./site";

const browser = browserPerTest();

type Action = "start" | "select" | "cancel" | "clone" | "review" | "upload" | "promote" | "retry" | "drain" | "audit";

const ALLOWED: Record<Exclude<KeyName, "second">, readonly Action[]> = {
  viewer: [],
  reviewer: ["review", "upload"],
  operator: ["review", "upload", "start", "select", "cancel", "clone", "promote", "retry", "drain"],
  admin: ["review", "upload", "start", "select", "cancel", "clone", "promote", "retry", "drain", "audit"],
};

/** Where an action stands, and what offers it. */
function places(run: string): Record<Action, { path: string; role: "link" | "button" | "checkbox" | "tab"; name: string }> {
  return {
    start: { path: "/runs", role: "link", name: "Start a run" },
    select: { path: "/runs", role: "checkbox", name: "Select all" },
    cancel: { path: `/runs/${run}`, role: "button", name: "Cancel run" },
    clone: { path: `/runs/${run}`, role: "link", name: "Clone" },
    review: { path: "/review", role: "button", name: "Start reviewing" },
    upload: { path: "/data/imports", role: "button", name: "Choose a file" },
    promote: { path: "/models/contracts", role: "button", name: "Promote" },
    retry: { path: "/operations?tab=failures", role: "button", name: "Retry all" },
    drain: { path: "/operations", role: "button", name: "Drain" },
    audit: { path: "/operations", role: "tab", name: "Audit log" },
  };
}

test.each(Object.keys(ALLOWED) as (keyof typeof ALLOWED)[])("%s", async (role) => {
  const { page } = browser;
  const waiting = await startRun("waiting", { run_after: new Date(Date.now() + 3_600_000).toISOString() });
  await signIn(page, KEYS[role]);
  const offered: Action[] = [];
  let open = "";
  for (const [action, place] of Object.entries(places(waiting.id)) as [Action, ReturnType<typeof places>[Action]][]) {
    if (open !== place.path) {
      await page.goto(SITE + place.path);
      await loaded(page);
      // the data has arrived, with what is offered for it
      await page
        .locator(place.path.startsWith("/runs/") ? "main ol li" : "main table")
        .locator("visible=true")
        .first()
        .waitFor();
      open = place.path;
    }
    const found = page.getByRole(place.role, { name: place.name }).first();
    if (ALLOWED[role].includes(action)) await found.waitFor();
    if ((await found.count()) > 0) offered.push(action);
  }
  expect(offered.sort()).toEqual([...ALLOWED[role]].sort());
  await page.goto(`${SITE}/runs/new`);
  await loaded(page);
  expect(await page.getByText("Your role cannot start runs").count()).toBe(ALLOWED[role].includes("start") ? 0 : 1);
  const cancelled = await page.request.post(`${SITE}/v1/training-runs/${waiting.id}/cancel`, {
    headers: { Authorization: `Bearer ${KEYS.admin}` },
  });
  expect(cancelled.ok()).toBe(true);
  await ended(waiting.id, "cancelled");
});

test("a reviewer reads a failed run, and is not offered to retry it", async () => {
  const { page } = browser;
  await signIn(page, KEYS.reviewer);
  await page.goto(`${SITE}/runs/${inject("data").failedRun}`);
  await page.locator('[data-state="failed"]').first().waitFor();
  expect(await page.getByRole("button", { name: "Retry" }).count()).toBe(0);
});
