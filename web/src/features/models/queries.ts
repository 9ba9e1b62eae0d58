// Server data of models, versions and aliases.
import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";

import { api, unwrap } from "../../api/client";
import type { Schemas } from "../../api/problem";

export const modelsQuery = queryOptions({
  queryKey: ["models", "list"],
  queryFn: () => unwrap(api.GET("/v1/models", { params: { query: { limit: 200 } } })),
});

export const versionsQuery = (name: string) =>
  queryOptions({
    queryKey: ["models", "versions", name],
    queryFn: () => unwrap(api.GET("/v1/models/{name}/versions", { params: { path: { name }, query: { limit: 200 } } })),
  });

/** The newest versions of a model, for lists that show many models: a version has all its metrics and files. */
export const recentVersionsQuery = (name: string, limit: number) =>
  queryOptions({
    queryKey: ["models", "recent-versions", name, limit],
    queryFn: () => unwrap(api.GET("/v1/models/{name}/versions", { params: { path: { name }, query: { limit } } })),
  });

export const versionQuery = (name: string, number: number) =>
  queryOptions({
    queryKey: ["models", "version", name, number],
    queryFn: () => unwrap(api.GET("/v1/models/{name}/versions/{number}", { params: { path: { name, number } } })),
  });

export const aliasesQuery = (name: string) =>
  queryOptions({
    queryKey: ["models", "aliases", name],
    queryFn: () => unwrap(api.GET("/v1/models/{name}/aliases", { params: { path: { name } } })),
  });

export const aliasHistoryQuery = (name: string, alias: string) =>
  queryOptions({
    queryKey: ["models", "history", name, alias],
    queryFn: () =>
      unwrap(api.GET("/v1/models/{name}/aliases/{alias}/history", { params: { path: { name, alias }, query: { limit: 200 } } })),
  });

export const requestsQuery = (name: string) =>
  queryOptions({
    queryKey: ["models", "requests", name],
    queryFn: () => unwrap(api.GET("/v1/models/{name}/promotion-requests", { params: { path: { name } } })),
  });

export const settingsQuery = (name: string) =>
  queryOptions({
    queryKey: ["models", "settings", name],
    queryFn: () => unwrap(api.GET("/v1/models/{name}", { params: { path: { name } } })),
  });

export const compareQuery = (name: string, candidate: string | undefined, baseline: string | undefined) =>
  queryOptions({
    queryKey: ["models", "compare", name, candidate, baseline],
    queryFn: () =>
      unwrap(
        api.GET("/v1/models/{name}/compare", {
          params: {
            path: { name },
            query: { ...(candidate === undefined ? {} : { candidate }), ...(baseline === undefined ? {} : { baseline }) },
          },
        }),
      ),
    enabled: candidate !== undefined && baseline !== undefined,
    retry: false,
  });

export const thresholdsQuery = (name: string, number: number) =>
  queryOptions({
    queryKey: ["models", "thresholds", name, number],
    queryFn: () => unwrap(api.GET("/v1/models/{name}/versions/{number}/thresholds", { params: { path: { name, number } } })),
    retry: false,
  });

export interface Promotion {
  name: string;
  alias: string;
  body: Schemas["PromoteRequest"];
}

export const promote = ({ name, alias, body }: Promotion) =>
  unwrap(api.PUT("/v1/models/{name}/aliases/{alias}", { params: { path: { name, alias } }, body }));

export const rollback = ({ name, alias, reason, revision }: { name: string; alias: string; reason: string; revision: number }) =>
  unwrap(
    api.POST("/v1/models/{name}/aliases/{alias}/rollback", {
      params: { path: { name, alias }, header: { "If-Match": `"${String(revision)}"` } },
      body: { reason },
    }),
  );

export const decide = ({ name, id, approve, reason }: { name: string; id: string; approve: boolean; reason: string }) =>
  unwrap(
    approve
      ? api.POST("/v1/models/{name}/promotion-requests/{id}/approve", { params: { path: { name, id } }, body: { reason } })
      : api.POST("/v1/models/{name}/promotion-requests/{id}/reject", { params: { path: { name, id } }, body: { reason } }),
  );

export const changeThresholds = ({ name, number, body }: { name: string; number: number; body: Schemas["ChangeRequest"] }) =>
  unwrap(api.PUT("/v1/models/{name}/versions/{number}/thresholds", { params: { path: { name, number } }, body }));

export const predict = ({ name, body }: { name: string; body: Schemas["PredictRequest"] }) =>
  unwrap(api.POST("/v1/models/{name}/predict", { params: { path: { name } }, body }));

export function useModelAction<Input, Output>(action: (input: Input) => Promise<Output>, onSuccess?: (output: Output) => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: action,
    ...(onSuccess === undefined ? {} : { onSuccess }),
    onSettled: () => client.invalidateQueries({ queryKey: ["models"] }),
  });
}

export const shadowQuery = (name: string, field: string | undefined) =>
  infiniteQueryOptions({
    queryKey: ["models", "shadow", name, field],
    queryFn: ({ pageParam }) =>
      unwrap(
        api.GET("/v1/models/{name}/shadow", {
          params: {
            path: { name },
            query: { ...(field === undefined ? {} : { field }), ...(pageParam === "" ? {} : { cursor: pageParam }) },
          },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.disagreements.next_cursor ?? undefined,
    retry: false,
  });

export const changeSettings = ({ name, revision, body }: { name: string; revision: number; body: Schemas["SettingsRequest"] }) =>
  unwrap(api.PUT("/v1/models/{name}", { params: { path: { name }, header: { "If-Match": `"${String(revision)}"` } }, body }));

export interface VersionKey {
  name: string;
  number: number;
}

export const retireVersion = ({ name, number, reason, force }: VersionKey & { reason: string; force: boolean }) =>
  unwrap(api.POST("/v1/models/{name}/versions/{number}/retire", { params: { path: { name, number } }, body: { reason, force } }));

export const verifyVersion = ({ name, number }: VersionKey) =>
  unwrap(api.POST("/v1/models/{name}/versions/{number}/verify", { params: { path: { name, number } } }));

export const deleteFiles = ({ name, number, reason }: VersionKey & { reason: string }) =>
  unwrap(api.DELETE("/v1/models/{name}/versions/{number}/files", { params: { path: { name, number }, query: { reason } } }));

export const changeVersionTags = ({ name, number, body }: VersionKey & { body: Schemas["TagRequest"] }) =>
  unwrap(api.POST("/v1/models/{name}/versions/{number}/tags", { params: { path: { name, number } }, body }));

export const changeVersionNote = ({ name, number, note }: VersionKey & { note: string }) =>
  unwrap(api.PUT("/v1/models/{name}/versions/{number}/note", { params: { path: { name, number } }, body: { note } }));
