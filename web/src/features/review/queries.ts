// Server data of the review: queue, document, lease, reviews.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { api, unwrap } from "../../api/client";
import type { Schemas } from "../../api/problem";

export interface QueueFilter {
  field?: string;
  project?: string;
  order?: "uncertain" | "document";
}

const LEASE_SECONDS = 600;
const RENEW_MILLIS = 240_000;

function queueParams(filter: QueueFilter, reviewer: string) {
  const [source, ...project] = (filter.project ?? "").split("/");
  return {
    ...(filter.field === undefined ? {} : { field: filter.field }),
    ...(filter.project === undefined || source === undefined ? {} : { source, project: project.join("/") }),
    ...(filter.order === "document" ? {} : { order: "uncertain" as const }),
    free_for: reviewer,
  };
}

export const queueQuery = (filter: QueueFilter, reviewer: string) =>
  infiniteQueryOptions({
    queryKey: ["review", "queue", filter, reviewer],
    queryFn: ({ pageParam }) =>
      unwrap(
        api.GET("/v1/annotations/waiting", {
          params: { query: { ...queueParams(filter, reviewer), limit: 100, ...(pageParam === "" ? {} : { cursor: pageParam }) } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    staleTime: 60_000,
  });

export const documentQuery = (id: string) =>
  queryOptions({
    queryKey: ["documents", "text", id],
    queryFn: () => unwrap(api.GET("/v1/documents/{id}", { params: { path: { id } } })),
    staleTime: 60_000,
  });

export const annotationsQuery = (id: string) =>
  queryOptions({
    queryKey: ["documents", "annotations", id],
    queryFn: () => unwrap(api.GET("/v1/documents/{id}/annotations", { params: { path: { id } } })),
  });

export const historyQuery = (id: string, field: string) =>
  queryOptions({
    queryKey: ["documents", "history", id, field],
    queryFn: () => unwrap(api.GET("/v1/documents/{id}/annotations/{field}/history", { params: { path: { id, field } } })),
    retry: false,
  });

/** Leases the document for this reviewer, and renews the lease while the page is open. */
export const leaseQuery = (id: string, enabled: boolean) =>
  queryOptions({
    queryKey: ["review", "lease", id],
    queryFn: () => unwrap(api.PUT("/v1/documents/{id}/lease", { params: { path: { id } }, body: { seconds: LEASE_SECONDS } })),
    enabled,
    refetchInterval: RENEW_MILLIS,
    refetchIntervalInBackground: true,
    refetchOnWindowFocus: false,
    gcTime: 0,
    retry: false,
  });

export async function releaseLease(id: string): Promise<void> {
  // another reviewer gets the document when the lease expires, if this request fails
  await api.DELETE("/v1/documents/{id}/lease", { params: { path: { id } }, keepalive: true }).catch(() => undefined);
}

/** Labels of all categorical fields, the most frequent ones first. */
export const labelsQuery = queryOptions({
  queryKey: ["review", "labels"],
  queryFn: async () => {
    const preview = await unwrap(api.POST("/v1/training-runs/preview", { body: { model: "labels" } }));
    return Object.fromEntries(
      Object.entries(preview.fields).map(([field, { labels }]) => [
        field,
        labels.flatMap((label) => (typeof label.label === "string" ? [label.label] : [])),
      ]),
    );
  },
  staleTime: 300_000,
  retry: false,
});

export interface Review {
  document: string;
  field: string;
  version: number;
  body: Schemas["ReviewRequest"];
  key: string;
}

export const recordReview = ({ document, field, version, body, key }: Review) =>
  unwrap(
    api.PUT("/v1/documents/{id}/annotations/{field}", {
      params: { path: { id: document, field }, header: { "If-Match": `"${String(version)}"`, "Idempotency-Key": key } },
      body,
    }),
  );

export const undoReview = ({ document, field, version }: { document: string; field: string; version: number }) =>
  unwrap(
    api.DELETE("/v1/documents/{id}/annotations/{field}", {
      params: { path: { id: document, field }, header: { "If-Match": `"${String(version)}"` } },
    }),
  );

export const acceptPredictions = (body: Schemas["AcceptRequest"]) => unwrap(api.POST("/v1/annotations/accept", { body }));
