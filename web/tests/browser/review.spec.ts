import { expect, test } from "vitest";

import { get, SITE, browserPerTest } from "./site";

interface Annotation {
  field: string;
  version: number;
  review_status: string;
  accepted_value: string[] | null;
  predicted_value: string[] | null;
}

const browser = browserPerTest("reviewer");

async function annotations(document: string): Promise<Map<string, Annotation>> {
  const page = await get<{ items: Annotation[] }>(browser.page, `/v1/documents/${document}/annotations`);
  return new Map(page.items.map((annotation) => [annotation.field, annotation]));
}

async function openFirst(): Promise<string> {
  const { page } = browser;
  await page.goto(`${SITE}/review`);
  await page.getByRole("table", { name: "Review" }).waitFor();
  await page.getByRole("button", { name: "Start reviewing" }).click();
  await page.waitForURL(/\/review\/[0-9a-f-]{36}/);
  await page.locator('[data-active="true"][data-field]').waitFor();
  return new URL(page.url()).pathname.split("/")[2] ?? "";
}

/** The field that the keys are about. */
async function activeField(): Promise<string> {
  return (await browser.page.locator('[data-active="true"][data-field]').getAttribute("data-field")) ?? "";
}

async function decided(field: string, status: string): Promise<void> {
  await browser.page.locator(`[data-field="${field}"][data-status="${status}"]`).waitFor();
}

test("fields are reviewed by keyboard, and the last decision is undone", async () => {
  const { page } = browser;
  const id = await openFirst();

  const accepted = await activeField();
  await page.keyboard.press("Enter");
  await decided(accepted, "OK");

  const rejected = await activeField();
  expect(rejected).not.toBe(accepted);
  await page.keyboard.press("x");
  await page.locator(`[data-field="${rejected}"]:not([data-status="UNREVIEWED"])`).waitFor();

  const edited = await activeField();
  await page.keyboard.press("e");
  await page.getByRole("textbox", { name: `Value of ${edited}` }).fill("2024-02-29");
  await page.keyboard.press("Enter");
  await page.locator(`[data-field="${edited}"]:not([data-status="UNREVIEWED"])`).waitFor();

  const skipped = await activeField();
  await page.keyboard.press("s");
  await page.waitForFunction(
    (field) => document.querySelector('[data-active="true"][data-field]')?.getAttribute("data-field") !== field,
    skipped,
  );

  await page.keyboard.press("u");
  await decided(edited, "UNREVIEWED");
  const states = await annotations(id);
  expect(states.get(accepted)?.review_status).toBe("OK");
  expect(states.get(rejected)?.accepted_value).toEqual([]);
  expect(states.get(edited)?.review_status).toBe("UNREVIEWED");
  expect(states.get(skipped)?.review_status).toBe("UNREVIEWED");
});

test("a value that was typed but not saved survives a reload", async () => {
  const { page } = browser;
  await openFirst();
  const field = await activeField();
  await page.keyboard.press("e");
  await page.getByRole("textbox", { name: `Value of ${field}` }).fill("not saved yet");
  await page.reload();
  await page.locator(`[data-field="${field}"] button`).first().click();
  expect(await page.getByRole("textbox", { name: `Value of ${field}` }).inputValue()).toBe("not saved yet");
  await page.keyboard.press("Escape");
});

test("two decisions about one field stand side by side", async () => {
  const { page } = browser;
  const id = await openFirst();
  const field = await activeField();
  const state = (await annotations(id)).get(field);
  const session = await get<{ csrf_token: string }>(page, "/v1/session");
  const other = await page.request.put(`${SITE}/v1/documents/${id}/annotations/${field}`, {
    data: { value: [] },
    headers: { "X-CSRF-Token": session.csrf_token, "If-Match": `"${String(state?.version ?? 0)}"` },
  });
  expect(other.ok()).toBe(true);
  await page.keyboard.press("Enter");
  await page.getByText(`Somebody else has reviewed ${field} meanwhile`).waitFor();
  await page.getByRole("button", { name: "Save yours" }).click();
  await decided(field, "OK");
  expect((await annotations(id)).get(field)?.accepted_value).toEqual(state?.predicted_value);
});

test("ten documents are reviewed by keyboard only, from the sign-in on", async () => {
  const { page } = browser;
  await page.goto(`${SITE}/runs`);
  await page.getByRole("heading", { name: "Runs", level: 1 }).waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("v");
  await page.getByRole("table", { name: "Review" }).waitFor();
  await page.keyboard.press("Enter");
  const documents = new Set<string>();
  for (let count = 0; count < 10; count += 1) {
    await page.waitForURL((url) => /^\/review\/[0-9a-f-]{36}$/.test(url.pathname) && !documents.has(url.pathname));
    const { pathname } = new URL(page.url());
    documents.add(pathname);
    await page.locator('[data-active="true"][data-field]').waitFor();
    // until the last field of the document is decided, which leads to the next one
    while (new URL(page.url()).pathname === pathname) {
      const field = await activeField();
      await page.keyboard.press("Enter");
      await page.waitForFunction(
        ([path, name]) => {
          const active = document.querySelector('[data-active="true"][data-field]');
          return location.pathname !== path || (active !== null && active.getAttribute("data-field") !== name);
        },
        [pathname, field],
      );
    }
  }
  for (const path of documents) {
    const states = await annotations(path.split("/")[2] ?? "");
    expect([...states.values()].filter((state) => state.review_status === "UNREVIEWED")).toEqual([]);
  }
});
