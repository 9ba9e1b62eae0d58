// Every view of the interface, with the ids of data that it shows: for the tests of accessibility and security, pictures and measurements.
import type { Page } from "playwright-core";

import { ACCESS_TABS, MODEL_TABS, OPERATION_TABS, RUN_TABS } from "../../src/app/search";

export interface ViewData {
  run: string;
  failedRun: string;
  dataset: string;
  document: string;
  /** A document with a field that waits for review. */
  waiting: string;
  import: string;
  model: string;
  /** A version of the model, preferably one that may become the champion. */
  version: number;
}

export interface View {
  name: string;
  path: string;
  /** What somebody does on the page to see it. */
  act?: (page: Page) => Promise<void>;
  /** A dialog, which is pictured as the window shows it. */
  dialog?: boolean;
}

export function allViews(data: ViewData): View[] {
  const model = `/models/${data.model}`;
  return [
    { name: "runs", path: "/runs" },
    {
      name: "runs-selected",
      path: "/runs",
      act: async (page) => {
        await page.locator("tbody input[type=checkbox]").first().check();
      },
    },
    { name: "runs-empty", path: "/runs?model=unknown" },
    ...RUN_TABS.map((tab) => ({ name: `run-${tab}`, path: `/runs/${data.run}?tab=${tab}` })),
    { name: "run-failed", path: `/runs/${data.failedRun}` },
    {
      name: "start",
      path: "/runs/new",
      act: async (page) => {
        const preview = page.waitForResponse((response) => response.url().includes("/preview"));
        await page.locator("input[required]").first().fill(data.model);
        await preview;
      },
    },
    { name: "models", path: "/models" },
    ...MODEL_TABS.map((tab) => ({ name: `model-${tab}`, path: `${model}?tab=${tab}`, ...(tab === "try" ? { act: predict } : {}) })),
    {
      name: "model-promote",
      path: model,
      dialog: true,
      act: async (page) => {
        await page.locator("main tbody button").first().click();
        await page.locator("[role=dialog] textarea, [role=dialog] input").first().waitFor();
      },
    },
    { name: "version", path: `${model}/versions/${String(data.version)}` },
    { name: "review", path: "/review" },
    {
      name: "review-document",
      path: `/review/${data.waiting}`,
      act: async (page) => {
        await page.locator("[data-active=true][data-field]").waitFor();
      },
    },
    { name: "documents", path: "/data/documents" },
    { name: "document", path: `/data/documents/${data.document}` },
    { name: "imports", path: "/data/imports" },
    { name: "import", path: `/data/imports/${data.import}` },
    { name: "datasets", path: "/data/datasets" },
    { name: "dataset", path: `/data/datasets/${data.dataset}` },
    { name: "fields", path: "/data/fields" },
    ...OPERATION_TABS.map((tab) => ({ name: `operations-${tab}`, path: `/operations?tab=${tab}` })),
    {
      name: "palette",
      path: "/runs",
      dialog: true,
      act: async (page) => {
        await page.keyboard.press("Control+k");
        await page.locator("[role=dialog] [role=option]").first().waitFor();
      },
    },
    {
      name: "help",
      path: "/runs",
      dialog: true,
      act: async (page) => {
        await page.keyboard.press("?");
        await page.locator("[role=dialog] kbd").first().waitFor();
      },
    },
    ...ACCESS_TABS.map((tab) => ({ name: `admin-${tab}`, path: `/admin?tab=${tab}` })),
    { name: "missing", path: "/no-such-page" },
  ];
}

async function predict(page: Page): Promise<void> {
  await page.locator("textarea").first().fill("Statement of work. All amounts are in USD.");
  await page.locator("form button[type=submit]").click();
  await page.locator("form ~ section, section table").first().waitFor();
}

/** Opens a view and waits until it shows its data. */
export async function openView(page: Page, site: string, view: View): Promise<void> {
  await page.goto(site + view.path);
  await page.locator("h1").first().waitFor();
  await page.waitForFunction(() => document.querySelector("[aria-busy=true]") === null);
  await view.act?.(page);
}

/** How many pixels a page is wider than its window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - window.innerWidth));
}
