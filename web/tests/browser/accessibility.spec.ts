// Every view in both themes: no serious or critical violation, and no page that is wider than its window.
import { expect, inject, test } from "vitest";

import { violations } from "./axe";
import { browserPerTest, loaded, SITE } from "./site";
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

test("menus, lists of choices and dialogs keep the rules of axe while they are open", async () => {
  const { page } = browser;
  const { run } = inject("data");
  const problems: string[] = [];
  const check = async (name: string): Promise<void> => {
    // what opens fades in, and axe reads colours as they are
    await page.waitForFunction(() => document.getAnimations().every((animation) => animation.playState === "finished"));
    for (const found of await violations(page)) problems.push(`${name}: ${found}`);
  };
  await page.goto(`${SITE}/runs/${run}`);
  await loaded(page);
  for (const name of ["Language", "Account", "Download"]) {
    await page.getByRole("button", { name, exact: true }).click();
    const item = page.getByRole("menuitem").first();
    await item.waitFor();
    await check(`menu ${name}`);
    await page.keyboard.press("Escape");
    await item.waitFor({ state: "hidden" });
  }
  await page.goto(`${SITE}/runs/${run}?tab=metrics`);
  await loaded(page);
  await page
    .getByRole("combobox", { name: "Field" })
    .or(page.getByRole("textbox", { name: "Field" }))
    .first()
    .click();
  await page.getByRole("option").first().waitFor();
  await check("select with search");
  await page.goto(`${SITE}/admin?tab=keys`);
  await loaded(page);
  await page.getByRole("button", { name: "Create a key" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  await check("dialog");
  await dialog
    .getByRole("combobox", { name: "Role" })
    .or(dialog.getByRole("textbox", { name: "Role" }))
    .first()
    .click();
  await page.getByRole("option").first().waitFor();
  await check("select in a dialog");
  expect(problems).toEqual([]);
});
