// Every view in both themes: no serious or critical violation, and no page that is wider than its window.
import { expect, inject, test } from "vitest";

import { violations } from "./axe";
import { browserPerTest, SITE } from "./site";
import { allViews, openView, overflow } from "./views";

const browser = browserPerTest("admin");

test("every view keeps the rules of axe in the light and in the dark theme", async () => {
  const { page } = browser;
  const problems: string[] = [];
  for (const view of allViews(inject("data"))) {
    await page.emulateMedia({ colorScheme: "light" });
    await openView(page, SITE, view).catch((error: unknown) => {
      throw new Error(`${view.name}: ${String(error)}`);
    });
    for (const scheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.locator(`html[data-mantine-color-scheme="${scheme}"]`).waitFor();
      for (const found of await violations(page, scheme === "light" ? "all" : "colors")) problems.push(`${view.name}, ${scheme}: ${found}`);
    }
    const wider = await overflow(page);
    if (wider > 1) problems.push(`${view.name}: ${String(wider)} px wider than the window`);
  }
  expect(problems).toEqual([]);
});
