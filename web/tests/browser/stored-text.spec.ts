// Every stored string is text, never markup: attacks and extreme texts are written into each of them, then every view is opened.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

import { expect, test } from "vitest";

import { api, ended, required, SITE, startRun, until } from "./environment";
import { browserPerTest, signIn } from "./site";
import { allViews, openView, overflow, type ViewData } from "./views";

const browser = browserPerTest();

const ATTACK = `<script>window.attacked=1</script>"><img src=x onerror="window.attacked=1"><svg/onload=attacked=1>'javascript:attacked=1 {{7*7}}`;
// the text after the mark is written from right to left
const REVERSED = "\u202Egpj.exe\u202C \u2066\u200F";
const LONG_LINE = "W".repeat(100_000);
const NAME = `${ATTACK.slice(0, 150)}${REVERSED}`;

/** Label Studio tasks whose every string is an attack. */
function tasks(): object[] {
  const labels = [`A ${ATTACK}${REVERSED}`, `B ${ATTACK}`];
  return Array.from({ length: 60 }, (_, index) => {
    const label = labels[index % 2] ?? "";
    const word = index % 2 === 0 ? "alpha" : "beta";
    const choice = { from_name: "attack_label", to_name: "text", type: "choices", value: { choices: [label] } };
    const note = { from_name: "attack_text", to_name: "text", type: "textarea", value: { text: [`${ATTACK} ${String(index)}`] } };
    return {
      id: 900_000 + index,
      data: { text: `${word} ${word} number ${String(index)} ${ATTACK} ${REVERSED}`, source_file: `${NAME}-${String(index)}` },
      // the last ones wait for review
      annotations: index < 50 ? [{ id: 900_000 + index, created_at: "2025-01-07T07:40:00Z", result: [choice, note] }] : [],
      predictions: [{ id: 900_000 + index, created_at: "2025-01-06T07:40:00Z", model_version: NAME, score: 0.4, result: [choice, note] }],
    };
  });
}

interface Import {
  id: string;
  status: string;
}

async function createData(): Promise<ViewData> {
  const query = new URLSearchParams({ file_name: `${NAME}.json`, project: "attacked" });
  const items = [...tasks(), { id: NAME, data: { [NAME]: ATTACK } }, ATTACK];
  const { import_id: id } = await api<{ import_id: string }>("POST", `/v1/imports?${query.toString()}`, items);
  await until("the import", async () => {
    const found = await api<Import>("GET", `/v1/imports/${id}`);
    if (found.status === "failed") throw new Error(`the import failed: ${JSON.stringify(found)}`);
    return found.status === "succeeded" ? found : undefined;
  });
  const data = { fields: ["attack_label"], filter: { project: "attacked" }, min_support: 1 };
  const runs = [await startRun("attacked", { data }), await startRun("attacked", { data, params: { l2: 0.1 } })];
  for (const { id } of runs) {
    await api("PUT", `/v1/training-runs/${id}/note`, { note: `${ATTACK}\n${REVERSED}\n${"N".repeat(9_000)}` });
    await api("POST", `/v1/training-runs/${id}/tags`, {
      set: { [NAME.replaceAll("=", ":").slice(0, 100)]: NAME, ["K".repeat(100)]: "V".repeat(500) },
    });
  }
  const [first] = await Promise.all(runs.map(({ id }) => ended(id)));
  await api("PUT", "/v1/models/attacked/versions/1/note", { note: `${ATTACK}${"N".repeat(9_000)}` });
  await api("POST", "/v1/models/attacked/versions/1/tags", { set: { "<b>x</b>": NAME } });
  await api("PUT", "/v1/models/attacked/aliases/champion", { number: 1, reason: ATTACK });
  await api("PUT", "/v1/models/attacked/aliases/challenger", { number: 2, reason: "R".repeat(900) });
  const document = await api<{ id: string }>("POST", "/v1/documents", {
    project: NAME.slice(0, 100),
    task_id: NAME.slice(0, 100),
    text: `${ATTACK}\n${LONG_LINE}\n${REVERSED}`,
    file_name: "W".repeat(900),
  });
  const waiting = await api<{ items: { document_id: string }[] }>(
    "GET",
    "/v1/annotations/waiting?field=attack_label&order=document&limit=1",
  );
  return {
    run: runs[0]?.id ?? "",
    failedRun: runs[1]?.id ?? "",
    dataset: first?.dataset_id ?? "",
    document: document.id,
    waiting: waiting.items[0]?.document_id ?? "",
    import: id,
    model: "attacked",
    version: 1,
  };
}

/** A key whose name is an attack: what it does stands in the audit log. */
async function createKey(): Promise<string> {
  const args = ["-o", "json", "api-key", "create", "--name", `${NAME.slice(0, 90)}${String(process.pid)}`, "--role", "admin"];
  const { stdout } = await promisify(execFile)(join(required("APRENDIZ_BIN"), "aprendiz"), args);
  return (JSON.parse(stdout) as { key: string }).key;
}

test("names of models and fields cannot be markup", async () => {
  await expect(startRun(ATTACK)).rejects.toThrow(/422|400/);
  await expect(api("PUT", `/v1/fields/${encodeURIComponent(ATTACK)}`, { kind: "text" })).rejects.toThrow(/422|400/);
});

test("every view shows attacks and extreme texts as text, in a wide and in a narrow window", async () => {
  const { page } = browser;
  const data = await createData();
  await signIn(page, await createKey());
  const problems: string[] = [];
  const check = async (name: string): Promise<void> => {
    if (await page.evaluate(() => "attacked" in window)) problems.push(`${name}: a stored string ran as a script`);
    // elements that only an attack creates
    const planted = await page.locator("img[src=x], [onerror], [onload], main script, a[href^='javascript:']").count();
    if (planted > 0) problems.push(`${name}: a stored string became an element`);
    for (const [width, height] of [
      [1440, 900],
      [390, 844],
    ] as const) {
      await page.setViewportSize({ width, height });
      const wider = await overflow(page);
      if (wider > 1) problems.push(`${name}: ${String(wider)} px wider than a window of ${String(width)} px`);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
  };
  const views = [
    ...allViews(data),
    { name: "long line in review", path: `/review/${data.document}` },
    { name: "attacked document", path: `/data/documents/${data.waiting}` },
    { name: "documents of the project", path: "/data/documents?project=attacked" },
    { name: "sign-in", path: `/sign-in?next=${encodeURIComponent(ATTACK)}` },
    { name: "filters", path: `/runs?model=${encodeURIComponent(ATTACK)}&tag=${encodeURIComponent(ATTACK)}` },
  ];
  for (const view of views) {
    await openView(page, SITE, view).catch((error: unknown) => problems.push(`${view.name}: ${String(error).split("\n")[0] ?? ""}`));
    await check(view.name);
  }
  expect(problems).toEqual([]);
});
