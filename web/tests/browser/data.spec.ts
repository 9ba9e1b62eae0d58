import { expect, inject, test } from "vitest";

import { api } from "./environment";
import { get, post, SITE, browserPerTest } from "./site";

const browser = browserPerTest("admin");

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

test("a dataset is downloaded from its page, and its files are those of the API", async () => {
  const { page } = browser;
  const { dataset, run } = inject("data");
  await page.goto(`${SITE}/runs/${run}`);
  await page.getByRole("button", { name: "Download" }).click();
  const started = page.waitForEvent("download");
  await page.getByRole("menuitem", { name: "Snapshot (tar)" }).click();
  const download = await started;
  expect(download.suggestedFilename()).toMatch(/\.tar$/);
  expect(await countBytes(await download.createReadStream())).toBeGreaterThan(10_000);
  await page.getByRole("button", { name: "Download" }).click();
  const model = page.waitForEvent("download");
  await page.getByRole("menuitem", { name: "Model (tar)" }).click();
  expect(await countBytes(await (await model).createReadStream())).toBeGreaterThan(10_000);
  await page.goto(`${SITE}/data/datasets/${dataset}`);
  const manifest = await api<{ examples?: number }>("GET", `/v1/datasets/${dataset}`);
  expect(manifest).toBeTypeOf("object");
  await page.getByRole("heading", { level: 1 }).waitFor();
});

async function countBytes(stream: AsyncIterable<Buffer>): Promise<number> {
  let count = 0;
  for await (const chunk of stream) count += chunk.length;
  return count;
}

test("a field is declared and changed, and a definition that changed meanwhile is not overwritten", async () => {
  const { page } = browser;
  const name = `colour_${String(Date.now())}`;
  await page.goto(`${SITE}/data/fields`);
  await page.getByRole("button", { name: "Declare a field" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill(name);
  const values = dialog.getByLabel("Allowed values").first();
  await values.fill("red");
  await values.press("Enter");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "hidden" });
  const field = () => get<{ version: number; allowed_values: string[] | null }>(page, `/v1/fields/${name}`);
  expect((await field()).allowed_values).toEqual(["red"]);

  await page.getByRole("button", { name: `Change ${name}` }).click();
  await dialog.waitFor();
  await post(page, `/v1/fields/${name}`, { kind: "categorical", cardinality: "one", allowed_values: ["red", "blue"] }, "PUT");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByText("Somebody else declared this field meanwhile").waitFor();
  expect((await field()).allowed_values).toEqual(["red", "blue"]);
});

test("a document is archived, restored, and erased with a reason", async () => {
  const { page } = browser;
  const created = await post<{ id: string }>(page, "/v1/documents", {
    project: "forms",
    task_id: String(Date.now()),
    text: `An agreement that is withdrawn, number ${String(Date.now())}.`,
  });
  await page.goto(`${SITE}/data/documents/${created.id}`);
  const dialog = page.getByRole("dialog");
  await page.getByRole("button", { name: "Archive", exact: true }).click();
  await dialog.getByRole("button", { name: "Archive", exact: true }).click();
  await page.getByRole("button", { name: "Restore", exact: true }).click();
  await dialog.getByRole("button", { name: "Restore", exact: true }).click();
  await page.getByRole("button", { name: "Archive", exact: true }).waitFor();
  await page.getByRole("button", { name: "Erase", exact: true }).click();
  const confirm = dialog.getByRole("button", { name: "Erase", exact: true });
  expect(await confirm.isDisabled()).toBe(true);
  await dialog.getByLabel("Reason").fill("request 7");
  const answer = page.waitForResponse((response) => response.url().endsWith("/erase"));
  await confirm.click();
  expect((await answer).status()).toBe(200);
  const after = await page.request.get(`${SITE}/v1/documents/${created.id}`);
  expect(after.status()).toBe(410);
});
