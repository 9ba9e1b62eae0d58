import { afterEach, beforeEach, expect, test } from "vitest";

import { type Browser, get, openBrowser, post, signIn, SITE } from "./site";

let browser: Browser;
beforeEach(async () => {
  browser = await openBrowser();
  await signIn(browser.page);
});
afterEach(() => browser.close());

test("an export is uploaded, and its bad task is quarantined with the reason", async () => {
  const { page } = browser;
  const task = Date.now();
  const tasks = [
    { id: task, data: { text: `An uploaded agreement about the delivery of ${String(task)} parts.` }, annotations: [] },
    { id: task + 1, data: { body: "no text" }, annotations: [] },
  ];
  await page.goto(`${SITE}/data/imports`);
  await page.getByLabel("Project", { exact: true }).fill("uploads");
  await page
    .locator("input[type=file]")
    .setInputFiles({ name: "upload.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify(tasks)) });
  await page.getByRole("heading", { name: "upload.json" }).waitFor();
  await page.locator('[data-state="succeeded"]').first().waitFor();
  await page.getByText("the task has no text at `data.text`").waitFor();
  await page.goto(`${SITE}/data/documents?project=uploads`);
  await page.getByText(`label-studio/uploads/${String(task)}`).waitFor();
});

test("a document of ten megabytes opens, is searched, and scrolls", async () => {
  const { page } = browser;
  const line = "This agreement is governed by the laws of Texas, and notices are sent in writing to the other party.\n";
  const text = `${line.repeat(98_000)}the very last clause`;
  const created = await post<{ id: string }>(page, "/v1/documents", {
    project: "large",
    task_id: String(Date.now()),
    text,
    file_name: "large.txt",
  });
  await page.goto(`${SITE}/data/documents/${created.id}`);
  const region = page.getByRole("region", { name: "Text" });
  await region.getByText("governed by").first().waitFor();
  await page.getByRole("textbox", { name: "Search in the text" }).fill("the very last clause");
  await region.locator("mark").getByText("the very last clause").waitFor();
  expect(await region.evaluate((box) => box.scrollTop)).toBeGreaterThan(1_000);
});

test("a search finds documents by name, and the history of a value is shown", async () => {
  const { page } = browser;
  const { items } = await get<{ items: { id: string; file_name: string | null }[] }>(
    page,
    "/v1/documents?project=2&source=label-studio&limit=1",
  );
  const name = items[0]?.file_name ?? "";
  await page.goto(`${SITE}/data/documents`);
  await page.getByLabel("Search", { exact: true }).fill(name.replace(/\.pdf$/, ""));
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=/);
  await page.getByRole("link", { name }).click();
  await page.getByRole("button", { name: "contract_type" }).click();
  await page.getByRole("dialog").getByText("in effect").waitFor();
});
