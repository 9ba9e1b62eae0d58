// Server data of documents, imports, datasets and fields.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { api, unwrap } from "../../api/client";
import { ApiProblem, type Schemas } from "../../api/problem";
import { csrfToken } from "../../api/session";

export const fieldsQuery = queryOptions({ queryKey: ["fields"], queryFn: () => unwrap(api.GET("/v1/fields")), staleTime: 30_000 });

/** Declares a field. `version` is the one that was edited, undefined for a new field: another one means that somebody changed it meanwhile. */
export async function declareField(edit: {
  name: string;
  version: number | undefined;
  definition: Schemas["FieldDefinition"];
}): Promise<Schemas["Field"]> {
  const params = { path: { name: edit.name }, query: { if_version: edit.version ?? 0 } };
  return unwrap(api.PUT("/v1/fields/{name}", { params, body: edit.definition })).catch((error: unknown) => {
    if (error instanceof ApiProblem && error.problem.code === "version_mismatch") throw new FieldChanged();
    throw error;
  });
}

/** Somebody else declared the field since it was read. */
export class FieldChanged extends Error {
  constructor() {
    super("the field was declared again meanwhile");
  }
}

export const archiveDocument = ({ id, reason, restore }: { id: string; reason: string; restore: boolean }) => {
  const body = { documents: [id], ...(reason === "" ? {} : { reason }) };
  return restore ? unwrap(api.POST("/v1/documents/unarchive", { body })) : unwrap(api.POST("/v1/documents/archive", { body }));
};

export const eraseDocument = ({ id, reason }: { id: string; reason: string }) =>
  unwrap(api.POST("/v1/documents/{id}/erase", { params: { path: { id } }, body: { reason } }));

export interface DocumentFilter {
  q?: string;
  in?: "names" | "texts";
  project?: string;
  source?: string;
  split?: Schemas["Split"];
  field?: string;
  status?: Schemas["ReviewStatus"];
}

export type ListedDocument = Schemas["Document"] & { excerpt?: string | null };

async function loadDocuments(filter: DocumentFilter, cursor: string): Promise<{ items: ListedDocument[]; next_cursor?: string | null }> {
  const { q, in: where, field, status, ...common } = filter;
  const page = { limit: 100, ...(cursor === "" ? {} : { cursor }) };
  if (q !== undefined) {
    return unwrap(
      api.GET("/v1/documents/search", { params: { query: { q, ...(where === undefined ? {} : { in: where }), ...common, ...page } } }),
    );
  }
  return unwrap(
    api.GET("/v1/documents", {
      params: { query: { ...common, ...(field === undefined ? {} : { field }), ...(status === undefined ? {} : { status }), ...page } },
    }),
  );
}

export const documentsQuery = (filter: DocumentFilter) =>
  infiniteQueryOptions({
    queryKey: ["documents", "list", filter],
    queryFn: ({ pageParam }) => loadDocuments(filter, pageParam),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const overviewQuery = (id: string) =>
  queryOptions({
    queryKey: ["documents", "overview", id],
    queryFn: () => unwrap(api.GET("/v1/documents/{id}/overview", { params: { path: { id } } })),
  });

export const lineageQuery = (id: string) =>
  queryOptions({
    queryKey: ["documents", "lineage", id],
    queryFn: () => unwrap(api.GET("/v1/documents/{id}/lineage", { params: { path: { id } } })),
  });

export const importsQuery = infiniteQueryOptions({
  queryKey: ["imports", "list"],
  queryFn: ({ pageParam }) => unwrap(api.GET("/v1/imports", { params: { query: pageParam === "" ? {} : { cursor: pageParam } } })),
  initialPageParam: "",
  getNextPageParam: (page) => page.next_cursor ?? undefined,
  refetchInterval: 5_000,
});

export const importQuery = (id: string) =>
  queryOptions({
    queryKey: ["imports", "one", id],
    queryFn: () => unwrap(api.GET("/v1/imports/{id}", { params: { path: { id } } })),
    refetchInterval: (query) => (query.state.data === undefined || ["queued", "running"].includes(query.state.data.status) ? 1_500 : false),
  });

export const quarantineQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ["imports", "quarantine", id],
    queryFn: ({ pageParam }) =>
      unwrap(api.GET("/v1/imports/{id}/quarantine", { params: { path: { id }, query: pageParam === "" ? {} : { cursor: pageParam } } })),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const retryImport = ({ id, textKey }: { id: string; textKey: string }) =>
  unwrap(api.POST("/v1/imports/{id}/retry", { params: { path: { id }, query: textKey === "" ? {} : { text_key: textKey } } }));

export const revertImport = ({ id, reason }: { id: string; reason: string }) =>
  unwrap(api.POST("/v1/imports/{id}/revert", { params: { path: { id } }, body: { reason } }));

export interface Upload {
  file: File;
  project: string;
  textKey: string;
  onProgress: (part: number) => void;
}

/** Sends a file as a background import. `fetch` reports no progress of an upload, so this is an XMLHttpRequest. */
export function uploadFile({ file, project, textKey, onProgress }: Upload): Promise<string> {
  const query = new URLSearchParams({ background: "true", file_name: file.name });
  if (project !== "") query.set("project", project);
  if (textKey !== "") query.set("text_key", textKey);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/v1/imports?${query.toString()}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    const token = csrfToken();
    if (token !== undefined) request.setRequestHeader("X-CSRF-Token", token);
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    request.addEventListener("error", () => {
      reject(new TypeError("the connection was interrupted"));
    });
    request.addEventListener("load", () => {
      const response = new Response(request.responseText, {
        status: request.status,
        headers: { "X-Request-Id": request.getResponseHeader("X-Request-Id") ?? "" },
      });
      if (!response.ok) {
        void ApiProblem.fromResponse(response).then(reject);
        return;
      }
      const id = (JSON.parse(request.responseText) as { id?: string; import_id?: string }).id;
      if (id === undefined) reject(new TypeError("the server named no import"));
      else resolve(id);
    });
    request.send(file);
  });
}

export const datasetsQuery = infiniteQueryOptions({
  queryKey: ["datasets", "list"],
  queryFn: ({ pageParam }) => unwrap(api.GET("/v1/datasets", { params: { query: pageParam === "" ? {} : { cursor: pageParam } } })),
  initialPageParam: "",
  getNextPageParam: (page) => page.next_cursor ?? undefined,
});

export const datasetQuery = (id: string) =>
  queryOptions({ queryKey: ["datasets", "one", id], queryFn: () => unwrap(api.GET("/v1/datasets/{id}", { params: { path: { id } } })) });

export const reportQuery = (id: string) =>
  queryOptions({
    queryKey: ["datasets", "report", id],
    queryFn: () => unwrap(api.GET("/v1/datasets/{id}/report", { params: { path: { id } } })),
    staleTime: 300_000,
  });

export const datasetLineageQuery = (id: string) =>
  queryOptions({
    queryKey: ["datasets", "lineage", id],
    queryFn: () => unwrap(api.GET("/v1/datasets/{id}/lineage", { params: { path: { id } } })),
    staleTime: 60_000,
  });

export const diffQuery = (from: string, to: string) =>
  infiniteQueryOptions({
    queryKey: ["datasets", "diff", from, to],
    queryFn: ({ pageParam }) =>
      unwrap(
        api.GET("/v1/datasets/{id}/diff/{other}", {
          params: { path: { id: from, other: to }, query: { limit: 100, ...(pageParam === "" ? {} : { cursor: pageParam }) } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    staleTime: 60_000,
  });

export const verifyDataset = (id: string) =>
  unwrap(api.POST("/v1/datasets/{id}/verify", { params: { path: { id }, query: { files: true } } }));

export const documentSearchQuery = (text: string) =>
  queryOptions({
    queryKey: ["documents", "find", text],
    queryFn: () => unwrap(api.GET("/v1/documents/search", { params: { query: { q: text, limit: 10 } } })),
    staleTime: 30_000,
  });
