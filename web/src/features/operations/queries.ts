// Server data of operations.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { api, unwrap } from "../../api/client";
import type { Schemas } from "../../api/problem";
import { addQueueReport } from "./queue-samples";

export const queueQuery = queryOptions({
  queryKey: ["operations", "queue"],
  queryFn: async () => {
    const report = await unwrap(api.GET("/v1/queue"));
    addQueueReport(report);
    return report;
  },
  refetchInterval: 3_000,
});

export const workersQuery = queryOptions({
  queryKey: ["operations", "workers"],
  queryFn: () => unwrap(api.GET("/v1/workers", { params: { query: { limit: 200 } } })),
  refetchInterval: 3_000,
});

export const failedRunsQuery = queryOptions({
  queryKey: ["runs", "failed"],
  queryFn: () => unwrap(api.GET("/v1/training-runs", { params: { query: { status: "failed", limit: 200 } } })),
  refetchInterval: 10_000,
});

export interface AuditFilter {
  action?: string;
  actor?: string;
  subject?: string;
}

export const auditQuery = (filter: AuditFilter) =>
  infiniteQueryOptions({
    queryKey: ["operations", "audit", filter],
    queryFn: ({ pageParam }) =>
      unwrap(
        api.GET("/v1/audit-log", { params: { query: { ...filter, limit: 100, ...(pageParam === "" ? {} : { cursor: pageParam }) } } }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const drainWorker = ({ id, release }: { id: string; release: boolean }) =>
  unwrap(api.POST("/v1/workers/{id}/drain", { params: { path: { id } }, body: { release_runs: release } }));

export const retryGroup = (body: Schemas["RetryRequest"]) => unwrap(api.POST("/v1/training-runs/retry", { body }));

const STORAGE_PAGES = 5;

/** Size of the newest snapshots: the API has no total. */
async function loadStorage(): Promise<{ bytes: number; snapshots: number; complete: boolean }> {
  let cursor: string | null | undefined;
  let bytes = 0;
  let snapshots = 0;
  for (let page = 0; page < STORAGE_PAGES; page += 1) {
    const query = { limit: 200, ...(typeof cursor === "string" ? { cursor } : {}) };
    const datasets = await unwrap(api.GET("/v1/datasets", { params: { query } }));
    bytes += datasets.items.reduce((sum, dataset) => sum + (typeof dataset.erased_at === "string" ? 0 : dataset.bytes), 0);
    snapshots += datasets.items.length;
    cursor = datasets.next_cursor;
    if (typeof cursor !== "string") return { bytes, snapshots, complete: true };
  }
  return { bytes, snapshots, complete: false };
}

export const storageQuery = queryOptions({ queryKey: ["operations", "storage"], queryFn: loadStorage, staleTime: 300_000 });
