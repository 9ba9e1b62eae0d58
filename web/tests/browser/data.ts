// Creates what every view needs to show something.
import { api, ended, startRun } from "./environment";
import type { ViewData } from "./views";

export async function createData(): Promise<ViewData> {
  const started = [await startRun("contracts"), await startRun("contracts", { params: { l2: 0.1 } })];
  const failing = await startRun("failing", { data: { fields: ["contract_type"], min_support: 100_000 } });
  const runs = await Promise.all(started.map((run) => ended(run.id)));
  await ended(failing.id, "failed");
  await api("PUT", "/v1/models/contracts/aliases/champion", { number: 1 });
  const documents = await api<{ items: { id: string }[] }>("GET", "/v1/documents?project=2&source=label-studio&limit=1");
  const waiting = await api<{ items: { document_id: string }[] }>("GET", "/v1/annotations/waiting?order=document&limit=100");
  const imports = await api<{ items: { id: string; tasks: number }[] }>("GET", "/v1/imports");
  return {
    run: runs[0]?.id ?? "",
    failedRun: failing.id,
    dataset: runs[0]?.dataset_id ?? "",
    document: documents.items[0]?.id ?? "",
    // the tests of the review begin with the first ones
    waiting: waiting.items.at(-1)?.document_id ?? "",
    model: "contracts",
    version: 2,
    // the newest has quarantined tasks
    import: imports.items[0]?.id ?? "",
  };
}
