// Server data of comparisons.
import { queryOptions } from "@tanstack/react-query";

import { api, unwrap } from "../../api/client";
import type { Schemas } from "../../api/problem";
import type { ItemKey } from "./items";

/** The run behind an item: that of a version is the one that trained it. */
async function loadRun(item: ItemKey): Promise<Schemas["TrainingRun"]> {
  if (item.kind === "run") return unwrap(api.GET("/v1/training-runs/{id}", { params: { path: { id: item.id } } }));
  const { model: name, number } = item;
  const version = await unwrap(api.GET("/v1/models/{name}/versions/{number}", { params: { path: { name, number } } }));
  return unwrap(api.GET("/v1/training-runs/{id}", { params: { path: { id: version.run_id } } }));
}

export const itemQuery = (item: ItemKey) =>
  queryOptions({ queryKey: ["compare", "item", item], queryFn: () => loadRun(item), staleTime: 30_000, retry: false });

/** The paired comparison of two items: of versions of one model with the gate, else of the predictions of two runs. */
async function loadPair(
  candidate: { key: ItemKey; runId: string },
  baseline: { key: ItemKey; runId: string },
): Promise<Schemas["VersionComparison"] & { gate?: Schemas["GateResult"] | null }> {
  if (candidate.key.kind === "version" && baseline.key.kind === "version" && candidate.key.model === baseline.key.model) {
    return unwrap(
      api.GET("/v1/models/{name}/compare", {
        params: {
          path: { name: candidate.key.model },
          query: { candidate: String(candidate.key.number), baseline: String(baseline.key.number) },
        },
      }),
    );
  }
  return unwrap(api.GET("/v1/training-runs/compare", { params: { query: { candidate: candidate.runId, baseline: baseline.runId } } }));
}

export const pairQuery = (candidate: { key: ItemKey; runId: string }, baseline: { key: ItemKey; runId: string }) =>
  queryOptions({
    queryKey: ["compare", "pair", candidate, baseline],
    queryFn: () => loadPair(candidate, baseline),
    staleTime: 60_000,
    retry: false,
  });
