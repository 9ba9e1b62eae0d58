// Server data of the start form.
import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import { api, unwrap } from "../../api/client";
import type { Schemas } from "../../api/problem";

export const projectsQuery = queryOptions({ queryKey: ["projects"], queryFn: () => unwrap(api.GET("/v1/projects")) });

export const previewQuery = (spec: Schemas["RunSpec"], enabled: boolean) =>
  queryOptions({
    queryKey: ["preview", spec],
    queryFn: () => unwrap(api.POST("/v1/training-runs/preview", { body: spec })),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
    retry: false,
    enabled,
  });

export const cloneRun = ({ id, request, key }: { id: string; request: Schemas["CloneRequest"]; key: string }) =>
  unwrap(api.POST("/v1/training-runs/{id}/clone", { params: { path: { id }, header: { "Idempotency-Key": key } }, body: request }));

export const startRun = ({ spec, key }: { spec: Schemas["RunSpec"]; key: string }) =>
  unwrap(api.POST("/v1/training-runs", { body: spec, params: { header: { "Idempotency-Key": key } } }));
